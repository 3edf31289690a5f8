// The input area: a growing field, the highlighted text it refers to, send and stop.
import { composing, h, icon, iconButton } from './dom.js';

export class Composer {
  #busy = false;
  #about = null;

  constructor(t, { send, stop, changed }) {
    this.t = t;
    this.field = h('textarea', {
      rows: 1,
      maxlength: 2000,
      placeholder: t.placeholder,
      'aria-label': t.placeholder,
      dir: 'auto',
      enterkeyhint: 'send',
      oninput: () => {
        this.#fit();
        changed(this.field.value);
      },
      onkeydown: (event) => {
        // Enter also confirms Chinese or Japanese input.
        // A key that is still held down confirmed it, or sent the question before.
        if (event.key === 'Enter' && !event.shiftKey && !composing(event)) {
          event.preventDefault();
          if (!this.#busy && !event.repeat) this.#submit(send);
        }
      },
    });
    this.quote = h('div', { class: 'quote', hidden: true });
    this.button = h('button', { class: 'send' });
    this.node = h(
      'form',
      {
        class: 'composer',
        onsubmit: (event) => {
          event.preventDefault();
          if (this.#busy) stop();
          else this.#submit(send);
        },
      },
      this.quote,
      h('div', { class: 'field' }, this.field, this.button),
    );
    this.busy = false;
  }

  set busy(value) {
    this.#busy = value;
    this.node.classList.toggle('busy', value);
    const label = value ? this.t.stop : this.t.send;
    this.button.replaceChildren(icon(value ? 'stop' : 'send'));
    this.button.setAttribute('aria-label', label);
    this.button.title = label;
  }

  set text(value) {
    this.field.value = value;
    this.#fit();
  }

  /** The text highlighted on the page, `{text, page}`, or null. */
  set about(found) {
    this.#about = found;
    this.quote.hidden = !found;
    if (!found) return;
    const drop = () => {
      this.about = null;
      this.field.focus();
    };
    this.quote.replaceChildren(
      h('span', { class: 'unseen' }, `${this.t.about} `),
      h('q', { dir: 'auto' }, found.text),
      iconButton('close', this.t.dropQuote, drop),
    );
  }

  get about() {
    return this.#about;
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  #submit(send) {
    const text = this.field.value.trim();
    if (!text) return this.focus();
    const about = this.#about;
    this.text = '';
    this.about = null;
    return send(text, about);
  }

  #fit() {
    this.field.style.setProperty('height', 'auto');
    const { scrollHeight } = this.field; // 0 until it is in the document
    if (scrollHeight) this.field.style.setProperty('height', `${Math.min(scrollHeight, 160)}px`);
  }
}
