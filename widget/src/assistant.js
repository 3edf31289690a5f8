// The dialog "Use this book in your assistant". It is a file of its own, loaded when a reader
// opens the dialog, and shares nothing with the widget but what it is given.
import { toMarkdown } from './to_markdown.js';
import { TEXTS } from './assistant_texts.js';

const css = `
.confirm .assistant { display: grid; gap: 14px; margin: 0; }
.confirm .assistant div { justify-content: start; align-items: center; flex-wrap: wrap; margin: 4px 0 0; }
.assistant h2 { font-size: 16px; font-weight: 640; line-height: 1.3; }
.assistant h3 { font-size: 13.5px; font-weight: 620; }
.assistant code { flex: 1; min-inline-size: 0; padding: 7px 10px; border-radius: 8px; background: var(--raised);
  font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; text-align: left; }
.assistant .plain { text-decoration: none; color: inherit; }
.assistant .plain:hover { color: var(--accent); }
`;
let sheet;

/** Return a name that command lines and links take as it is. */
function plainName(title) {
  const words = title.normalize('NFKD').toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.join('-').slice(0, 40).replace(/-$/, '') || 'book';
}

/**
 * Return a function that makes the dialog's content. `service` is the address of the service,
 * `title` that of the book, `page` the address of the book's page or site or null; `here` says
 * whether it is the page on which this runs.
 */
export function assistant({ h, copyButton, t, language, service, title, page, here, root }) {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
  const texts = TEXTS[language] ?? TEXTS.en;
  const mcp = `${service}/mcp`;
  const name = plainName(title);
  const said = h('p', { class: 'note', role: 'status', dir: 'auto' });
  const voice = { t, announcer: { say: (text) => (said.textContent = text) } };
  const copied = (label, text) =>
    h('div', {}, h('code', { dir: 'ltr' }, text), copyButton(voice, label, () => text));
  const part = (heading, ...content) => h('section', {}, h('h3', { dir: 'auto' }, heading), ...content);
  const link = (label, href) => h('a', { class: 'plain', href, rel: 'noopener' }, label);
  const outside = (label, href) =>
    h('a', { class: 'plain', href, rel: 'noopener', target: '_blank', 'aria-label': `${label} (${t.newTab})` }, label);

  const config = encodeURIComponent(btoa(JSON.stringify({ url: mcp })));
  const server = encodeURIComponent(JSON.stringify({ name, type: 'http', url: mcp }));
  const question = page && encodeURIComponent(texts.prompt.replace('{url}', page));
  return (close) => [
    h(
      'div',
      { class: 'assistant' },
      h('h2', { id: 'confirm-text', dir: 'auto' }, t.assistant),
      h('p', { class: 'note', dir: 'auto' }, texts.note),
      part(texts.address, copied(texts.copyAddress, mcp)),
      part(
        texts.add,
        h(
          'div',
          {},
          link('Cursor', `cursor://anysphere.cursor-deeplink/mcp/install?name=${name}&config=${config}`),
          link('VS Code', `vscode:mcp/install?${server}`),
        ),
      ),
      part('Claude Code', copied(texts.copyCommand, `claude mcp add --transport http ${name} ${mcp}`)),
      page &&
        part(
          here ? texts.page : texts.book,
          h(
            'div',
            {},
            outside(texts.open.replace('{name}', 'Claude'), `https://claude.ai/new?q=${question}`),
            outside(texts.open.replace('{name}', 'ChatGPT'), `https://chatgpt.com/?q=${question}`),
          ),
          here &&
            h(
              'div',
              {},
              h('span', { class: 'note', dir: 'auto' }, texts.copyPage),
              copyButton(voice, texts.copyPage, () => toMarkdown(document, page)),
            ),
        ),
      said,
    ),
    h('div', {}, h('button', { type: 'button', class: 'plain', onclick: close }, t.close)),
  ];
}
