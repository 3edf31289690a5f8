// One question and its answer, from the waiting dots to the thumbs.
import { copyButton } from './copy.js';
import { h, iconButton, safeUrl } from './dom.js';
import { mark } from './mark.js';
import { Renderer, closed, direction, lex, spoken } from './markdown.js';

/**
 * `chat` provides `t` (the interface texts), `link(url)`, `base()`,
 * `preview`, `announcer`, `ask(text)`, `rate(turn, rating, comment)`, `settled()`.
 */
export class TurnView {
  #chat;
  #blocks = new Map(); // rendered nodes by content
  #frame = 0;
  #text = '';
  #sources = [];
  #countdown;

  constructor(chat, { question, quote = '' }) {
    this.#chat = chat;
    const { t } = chat;
    this.n = 0;
    this.session = '';
    this.status = h('div', { class: 'status' });
    this.prose = h('div', { class: 'prose' });
    this.below = h('div', { class: 'below' });
    this.node = h(
      'article',
      { class: 'turn', tabindex: -1, 'aria-label': question.slice(0, 120) },
      h(
        'div',
        { class: 'question', dir: 'auto' },
        h('span', { class: 'unseen' }, `${t.youAsked} `),
        quote && h('blockquote', { dir: 'auto' }, quote),
        h('p', { dir: 'auto' }, question),
      ),
      h('div', { class: 'answer' }, this.prose, this.status, this.below),
    );
  }

  // -------------------------------------------------------------- streaming

  /** Show that the answer is pending, with `text` if there is something to say. */
  wait(text = '') {
    this.#settle();
    this.node.classList.add('arriving');
    this.pause(text || this.#chat.t.looking);
  }

  /** Say below the text so far that the rest is pending. */
  pause(text) {
    const dots = h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
    this.status.replaceChildren(dots, h('span', { dir: 'auto' }, text));
    this.#chat.settled();
  }

  offer(sources) {
    this.#sources = sources;
  }

  /** What has arrived so far, to be kept. */
  get kept() {
    return { text: this.#text, sources: this.#sources };
  }

  add(text) {
    this.status.replaceChildren();
    this.#text += text;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#chat.announcer.follow(spoken(this.#paint()));
      this.#chat.settled();
    });
  }

  /** Discard the text received so far, for another attempt. */
  restart() {
    this.#settle();
    this.#text = '';
    this.#sources = [];
    this.#blocks = new Map();
    this.prose.replaceChildren();
    this.below.replaceChildren();
  }

  // -------------------------------------------------------------- ending

  /**
   * Show the finished answer. Its numbers and claims may differ from the streamed ones; changed
   * blocks are redrawn. Returns a function that announces the rest.
   */
  finish({ message, sources, related, session_id: session, n = 0, rating = 0, metadata = {} }) {
    const { t, announcer } = this.#chat;
    const heading = metadata.found === 'nearest' ? t.nearest : t.sources;
    this.#settle();
    this.below.replaceChildren();
    this.#text = metadata.truncated ? closed(message) : message;
    this.#sources = sources;
    this.n = n;
    this.session = session;
    this.node.dataset.n = n;
    const tokens = this.#paint();
    this.#mark();
    if (metadata.truncated) this.#note(t.truncated);
    if (metadata.fallback) this.#note(t.fallback);
    if (metadata.saved === false) this.#note(t.unsaved);
    this.#list('sources', heading, sources);
    this.#list('related', t.related, related ?? []);
    this.below.append(this.#actions(rating, metadata.saved !== false));
    return () => {
      announcer.follow(spoken(tokens), true);
      if (metadata.truncated) announcer.say(t.truncated);
      if (sources.length) announcer.say(`${heading}: ${sources.length}.`);
    };
  }

  /** End early with a sentence and buttons, given as `[label, action]`. */
  fail(sentence, actions, { wait = 0 } = {}) {
    if (this.#text) this.#paint();
    this.#settle();
    const { t } = this.#chat;
    const buttons = actions.map(([label, onclick]) =>
      h('button', { type: 'button', class: 'plain', onclick }, label),
    );
    const said = h('p', { dir: 'auto' }, sentence);
    this.status.replaceChildren(h('div', { class: 'problem' }, said, h('div', {}, buttons)));
    if (wait) this.#count(buttons[0], wait, t.tryAgainIn, actions[0][0]);
  }

  #count(button, seconds, template, label) {
    const end = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? template.replace('{n}', left) : label;
      if (left <= 0) clearInterval(this.#countdown);
    };
    tick();
    this.#countdown = setInterval(tick, 500);
  }

  #settle() {
    this.node.classList.remove('arriving');
    clearInterval(this.#countdown);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.status.replaceChildren();
  }

  // -------------------------------------------------------------- rendering

  /** Resolve a marker: the k-th `[n]` is the k-th claim of source n, or else the source itself. */
  #claim({ n, k }) {
    const source = this.#sources[n - 1];
    return source && { ...source, ...source.claims?.[k] };
  }

  /** Render the text so far; unchanged blocks keep their nodes, and so the focus. */
  #paint() {
    const chat = this.#chat;
    const base = chat.base();
    const tokens = lex(this.#text);
    this.prose.dir = direction(tokens) ?? 'auto';
    const renderer = new Renderer({
      base,
      link: chat.link,
      cite: (marker) => {
        const claim = this.#claim(marker);
        const url = claim && safeUrl(claim.url, base);
        if (!url) return null;
        const label = chat.t.source.replace('{n}', marker.n).replace('{title}', claim.title);
        const anchor = h('a', { ...chat.link(url, label), class: 'cite' }, String(marker.n));
        return chat.preview.attach(anchor, claim);
      },
      code: (text, language) => this.#code(text, language),
    });
    const stops = () => [...this.prose.querySelectorAll('a, button, [tabindex]')];
    const { activeElement } = this.prose.getRootNode();
    const focused = stops().indexOf(activeElement);
    const before = this.#blocks;
    this.#blocks = new Map();
    const repeated = {};
    for (const token of tokens) {
      const claims = token.cites.map((marker) => {
        const { title, section, url, snippet } = this.#claim(marker) ?? {};
        return [title, section, url, snippet];
      });
      const block = JSON.stringify([token.raw, claims]);
      repeated[block] = (repeated[block] ?? 0) + 1;
      const shown = repeated[block] + block;
      this.#blocks.set(shown, before.get(shown) ?? renderer.block(token));
    }
    for (const [shown, node] of before) if (!this.#blocks.has(shown)) node?.remove();
    let next = this.prose.firstChild;
    for (const node of this.#blocks.values()) {
      if (node && node === next) next = node.nextSibling;
      else if (node) this.prose.insertBefore(node, next);
    }
    chat.preview.redrawn();
    if (focused >= 0 && !activeElement.isConnected) stops()[focused]?.focus({ preventScroll: true });
    return tokens;
  }

  /** Mark the sentence closest to the question, in the section that cites its source. */
  #mark() {
    const sections = [[]];
    for (const block of this.prose.children) {
      if (block.matches('.lead')) sections.push([]);
      sections.at(-1).push(block);
    }
    this.#sources.forEach(({ highlight }, index) => {
      const cites = (block) =>
        [...block.querySelectorAll('.cite')].some((chip) => chip.textContent === String(index + 1));
      for (const section of sections) {
        const own = section.filter(cites);
        const blocks = own.length ? [...own, ...section] : [];
        if (blocks.some((block) => mark(block, highlight, this.#chat.t.marked))) return;
      }
    });
  }

  #code(text, language) {
    const { t } = this.#chat;
    return h(
      'figure',
      { dir: 'ltr' },
      h('figcaption', {}, h('span', {}, language), copyButton(this.#chat, t.copyCode, () => text)),
      h('pre', { tabindex: 0 }, h('code', {}, text)),
    );
  }

  #note(text) {
    this.below.append(h('p', { class: 'note', dir: 'auto' }, text));
  }

  /** List links below the answer; sources have numbers, snippets and a link per claim. */
  #list(name, heading, entries) {
    if (!entries.length) return;
    const link = (address, ...words) => {
      const url = safeUrl(address, this.#chat.base());
      return url ? h('a', this.#chat.link(url), words) : h('span', {}, words);
    };
    const where = (title, section, snippet) =>
      h(
        'span',
        { class: 'where' },
        title && h('span', { class: 'title', dir: 'auto' }, title),
        section && h('span', { class: 'section', dir: 'auto' }, section),
        snippet && h('span', { class: 'snippet', dir: 'auto' }, snippet),
      );
    const items = entries.map(({ title, section, url, snippet, claims = [] }, index) => {
      const number = name === 'sources' && h('span', { class: 'number' }, String(index + 1));
      const others = new Map(claims.map((claim) => [claim.url, claim.snippet]));
      others.delete(url);
      return h(
        'li',
        {},
        link(url, number, where(title, section, snippet)),
        [...others].map(([address, words]) => link(address, where('', '', words))),
      );
    });
    this.below.append(
      h(
        'section',
        { class: `links ${name}`, 'aria-label': heading },
        h('h3', {}, heading),
        h(name === 'sources' ? 'ol' : 'ul', {}, items),
      ),
    );
  }

  /** Return the answer as Markdown with its sources, for copying. */
  #plain() {
    const sources = this.#sources.map((source, index) => {
      const where = source.section ? `${source.title} › ${source.section}` : source.title;
      return `[${index + 1}] ${where}: ${safeUrl(source.url, this.#chat.base())?.href ?? ''}`;
    });
    return [this.#text, sources.join('\n')].filter(Boolean).join('\n\n');
  }

  #actions(rating, saved) {
    const { t } = this.#chat;
    const bar = h('div', { class: 'actions' }, copyButton(this.#chat, t.copy, () => this.#plain()));
    if (saved && this.n) this.#thumbs(bar, rating);
    return bar;
  }

  #thumbs(bar, rating) {
    const { t, announcer } = this.#chat;
    let current = rating ?? 0;
    const show = () => {
      up.setAttribute('aria-pressed', current === 1);
      down.setAttribute('aria-pressed', current === -1);
    };
    const press = async (value) => {
      const before = current;
      current = current === value ? 0 : value;
      show();
      this.below.querySelector('.comment')?.remove();
      if (current) {
        const comment = this.#comment(() => current);
        bar.after(comment);
        comment.scrollIntoView({ block: 'nearest' });
      }
      try {
        await this.#chat.rate(this, current);
        announcer.say(t.noted);
      } catch (problem) {
        current = before;
        show();
        this.below.querySelector('.comment')?.remove();
        announcer.say(problem.detail || t.failed);
      }
    };
    const up = iconButton('good', t.good, () => press(1));
    const down = iconButton('bad', t.bad, () => press(-1));
    show();
    bar.append(up, down);
  }

  /** Show the optional comment for a rating. */
  #comment(rating) {
    const { t, announcer } = this.#chat;
    const input = h('input', { maxlength: 1000, placeholder: t.comment, 'aria-label': t.comment, dir: 'auto' });
    const form = h(
      'form',
      {
        class: 'comment',
        onsubmit: async (event) => {
          event.preventDefault();
          const comment = input.value.trim();
          if (!comment) return;
          try {
            await this.#chat.rate(this, rating(), comment);
            form.replaceChildren(h('p', { class: 'note' }, t.noted));
            announcer.say(t.noted);
            this.below.querySelector('[aria-pressed=true]').focus({ preventScroll: true });
          } catch (problem) {
            announcer.say(problem.detail || t.failed);
            input.setAttribute('aria-invalid', 'true');
          }
        },
      },
      input,
      h('button', { class: 'plain' }, t.send),
    );
    return form;
  }
}
