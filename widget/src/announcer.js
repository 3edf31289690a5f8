// Speaks to screen readers: whole sentences, never tokens.
import { h } from './dom.js';

export class Announcer {
  #said = 0;
  #last = 0;

  constructor() {
    this.node = h('div', { class: 'unseen', 'aria-live': 'polite', 'aria-atomic': 'false' });
  }

  say(text) {
    this.node.append(h('p', {}, text));
    while (this.node.childElementCount > 20) this.node.firstChild.remove();
  }

  begin() {
    this.node.replaceChildren();
    this.#said = 0;
    this.#last = 0;
  }

  /** Announce the complete sentences of a growing text that were not announced yet. */
  follow(text, complete = false) {
    const now = Date.now();
    if (!complete && now - this.#last < 1500) return;
    let end = complete ? text.length : 0;
    if (!complete) {
      // A sentence is complete once something follows it.
      for (const match of text.matchAll(/(?:[.!?؟۔]["'”»)]*\s+|[。！？]|\n+)(?=\S)/g)) {
        end = match.index + match[0].length;
      }
    }
    const sentences = text.slice(this.#said, end).trim();
    if (end > this.#said) this.#said = end;
    if (!sentences) return;
    this.#last = now;
    this.say(sentences);
  }
}
