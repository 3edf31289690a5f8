// <ask-the-book>: a launcher with a side panel, or the same chat inline.
import { Api } from './api.js';
import { Chat } from './chat.js';
import { copyButton } from './copy.js';
import { composing, h, icon, iconButton } from './dom.js';
import { Memory } from './memory.js';
import { fillPage } from './page.js';
import { SelectionButton, highlighted } from './selection.js';
import { directionOf, withStrings } from './strings.js';
import css from './style.css';
import { accentRules, pageTheme, watchTheme } from './theme.js';

const NARROW = '(max-width: 640px), (max-height: 420px)'; // phones, and desktops at 200 %

export class AskTheBook extends HTMLElement {
  /** Address of the script, with a trailing slash; the default API. */
  static home = '/';
  static observedAttributes = ['accent', 'theme'];

  #accent = new CSSStyleSheet();
  #life = null; // aborts listeners outside this element
  #book = null; // the element that carries language, direction and theme
  #chat = null;
  #panel = null;
  #narrow = matchMedia(NARROW);
  #site = ''; // address of the book's site
  #asked = null; // to open the panel, before the texts were there

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    if (this.#book) return this.#start(signal);
    const tag = this.getAttribute('lang') || document.documentElement.lang || navigator.language;
    return withStrings(tag, AskTheBook.home, (language, t) => {
      if (signal.aborted) return;
      this.#build(language, t);
      this.#start(signal);
    });
  }

  #start(signal) {
    watchTheme(() => this.#dress(), signal);
    this.#dress();
    if (this.inline) return;
    this.selectionButton.watch(signal);
    this.#narrow.addEventListener('change', () => this.#panel?.open && this.#show(), { signal });
    for (const type of ['resize', 'scroll']) {
      window.visualViewport?.addEventListener(type, () => this.#fit(), { signal });
    }
    if (this.#asked) this.open(this.#asked);
    else if (this.memory.open && !this.#narrow.matches) this.open({ focus: false });
  }

  disconnectedCallback() {
    this.#life.abort();
  }

  attributeChangedCallback() {
    if (this.#book) this.#dress();
  }

  get inline() {
    return this.getAttribute('mode') === 'inline';
  }

  #build(language, t) {
    const root = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet, this.#accent];

    this.t = t;
    this.api = new Api(new URL(this.getAttribute('api') || AskTheBook.home, document.baseURI).href);
    this.memory = new Memory(this.api.base);
    this.#book = h('div', { class: 'book', lang: language, dir: directionOf(language) });
    root.append(this.#book);
    if (this.inline) {
      this.#book.append(this.#frame());
      this.#chat.start();
      return;
    }
    this.launcher = h(
      'button',
      { type: 'button', class: 'launcher', 'aria-haspopup': 'dialog', onclick: () => this.open() },
      icon('ask'),
      h('span', {}, this.getAttribute('label') || t.launcher),
    );
    this.selectionButton = new SelectionButton(t.askSelection, (found) => this.open({ about: found }));
    this.#book.append(this.launcher, this.selectionButton.node);
  }

  /** Create header and chat, for both forms. */
  #frame() {
    const { t } = this;
    const given = this.getAttribute('heading');
    const title = h('h2', { id: 'title', dir: 'auto' }, given || t.launcher);
    const assistant =
      this.getAttribute('assistant') !== 'off' && iconButton('assistant', t.assistant, () => this.#assistant());
    this.#chat = new Chat({
      api: this.api,
      memory: this.memory,
      t,
      link: (url, label) => this.#link(url, label),
      starters: (this.getAttribute('starters') ?? '').split('|').map((s) => s.trim()).filter(Boolean),
      privacy: !this.inline, // the page shows it beside the chat
      loaded: (config) => {
        this.#site = config.site_url;
        if (!given && config.title) title.textContent = config.title;
        if (assistant) assistant.hidden = config.mcp === false; // not mounted, or with a token
        if (this.hasAttribute('page')) fillPage(config);
      },
    });
    return h(
      'div',
      { class: 'frame' },
      h(
        'header',
        {},
        title,
        assistant,
        iconButton('fresh', t.fresh, () => this.#chat.fresh()),
        iconButton('save', t.save, () => this.#chat.save(), { class: 'icon save' }),
        iconButton('erase', t.eraseAll, () => this.#chat.erase()),
        !this.inline && iconButton('close', t.close, () => this.close()),
      ),
      this.#chat.node,
    );
  }

  /** Show how to use the book in an assistant. Few readers do, so it is loaded on use. */
  async #assistant() {
    const { t } = this;
    const own = this.hasAttribute('page'); // the service's page is no page of the book
    try {
      const url = `${AskTheBook.home}widget-assistant.js`;
      const { assistant } = await import(url);
      const make = assistant({
        h,
        copyButton,
        t,
        language: this.#book.lang,
        service: this.api.base,
        title: this.shadowRoot.getElementById('title').textContent,
        page: own ? this.#site : location.href.split('#')[0],
        here: !own,
        root: this.shadowRoot,
      });
      this.#chat.show(make);
    } catch {
      this.#chat.tell(t.failed);
    }
  }

  /** Attributes of a link out of the chat. Pages of the book open in the same tab. */
  #link(url, label = null) {
    const here = !this.inline && url.origin === location.origin && window.top === window;
    const attributes = { href: url.href, rel: 'noopener' };
    if (label) attributes['aria-label'] = here ? label : `${label} (${this.t.newTab})`;
    if (here) attributes.onclick = () => this.#narrow.matches && this.close();
    else attributes.target = '_blank';
    return attributes;
  }

  // -------------------------------------------------------------- the panel

  /** Open the panel, with the text highlighted on the page, if any. */
  open({ about = highlighted(), focus = true } = {}) {
    if (this.inline) return;
    if (!this.#book) {
      this.#asked = { about, focus };
      return;
    }
    const first = !this.#panel;
    if (first) {
      this.#panel = h(
        'dialog',
        {
          class: 'panel',
          'aria-labelledby': 'title',
          onkeydown: (event) => this.#keys(event),
          oncancel: (event) => {
            if (event.target !== this.#panel) return;
            event.preventDefault(); // the back gesture on phones; keydown handles Escape
            this.close();
          },
        },
        this.#frame(),
      );
      this.#book.append(this.#panel);
    }
    this.memory.open = true;
    if (about) this.#chat.composer.about = about;
    if (!this.#panel.open) this.#show();
    if (focus) this.#chat.composer.focus();
    if (first) setTimeout(() => this.#chat.start()); // after the first paint
  }

  close() {
    this.memory.open = false;
    this.#panel.close();
    this.launcher.hidden = false;
    this.launcher.focus({ preventScroll: true });
  }

  /** Make the panel modal on narrow screens; on wide ones the page stays usable. */
  #show() {
    const focused = this.shadowRoot.activeElement;
    this.#panel.close();
    this.#fit();
    if (this.#narrow.matches) this.#panel.showModal();
    else {
      const outside = document.activeElement;
      this.#panel.show();
      if (!focused) this.shadowRoot.activeElement?.blur(); // dialogs take the focus
      if (!focused && outside && outside !== this) outside.focus({ preventScroll: true });
    }
    this.launcher.hidden = true;
    focused?.focus({ preventScroll: true });
  }

  #keys(event) {
    // While text is being composed, Escape belongs to the input method.
    if (event.key !== 'Escape' || composing(event) || this.#chat.confirm.open) return;
    event.stopPropagation();
    event.preventDefault();
    this.close();
  }

  /** Fit the panel into the part of the screen that a phone's keyboard leaves. */
  #fit() {
    const view = window.visualViewport;
    if (!this.#panel || !view) return;
    const style = this.#panel.style;
    const covered = this.#narrow.matches && view.scale === 1;
    style.setProperty('--height', covered ? `${view.height}px` : '100dvh');
    style.setProperty('--top', covered ? `${view.offsetTop}px` : '0px');
  }

  #dress() {
    const theme = this.getAttribute('theme');
    this.#book.dataset.theme = theme === 'light' || theme === 'dark' ? theme : pageTheme();
    this.#accent.replaceSync(accentRules(this.getAttribute('accent')));
  }
}
