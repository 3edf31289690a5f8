// Entry point: defines <ask-the-book>, and adds one to the page if the page has only the script
// tag. `data-…` attributes of the script tag become attributes of that element.
import { AskTheBook } from './element.js';

AskTheBook.home = new URL('.', import.meta.url).href;
if (!customElements.get('ask-the-book')) customElements.define('ask-the-book', AskTheBook);

function mount() {
  const scripts = [...document.querySelectorAll('script[type="module"][src]')];
  const own =
    scripts.find((script) => script.src === import.meta.url) ??
    scripts.find((script) => new URL(script.src).pathname.endsWith('/widget.js'));
  if (!own || document.querySelector('ask-the-book')) return;
  const element = document.createElement('ask-the-book');
  for (const { name, value } of own.attributes) {
    if (name.startsWith('data-')) element.setAttribute(name.slice(5), value);
  }
  document.body.append(element);
}

if (document.readyState === 'loading') addEventListener('DOMContentLoaded', mount);
else mount();
