// Stored in the browser: conversation ids, questions without an answer, and an unsent question.
// Storage may be missing or throw (iframes, private windows); then they last as long as the page.

class Store {
  #area;
  #fallback = new Map();

  constructor(name) {
    try {
      this.#area = window[name];
      this.#area.getItem('');
    } catch {
      this.#area = null;
    }
  }

  get(key) {
    try {
      return JSON.parse(this.#area ? this.#area.getItem(key) : (this.#fallback.get(key) ?? null));
    } catch {
      return null;
    }
  }

  set(key, value) {
    const text = JSON.stringify(value);
    try {
      if (!this.#area) this.#fallback.set(key, text);
      else if (value === null) this.#area.removeItem(key);
      else this.#area.setItem(key, text);
    } catch {
      this.#area = null;
      this.#fallback.set(key, text);
    }
  }
}

export class Memory {
  #lasting = new Store('localStorage');
  #passing = new Store('sessionStorage');
  #key;
  #current;

  constructor(api) {
    this.#key = `ask-the-book:${api}`;
  }

  /** Ids of all conversations of this browser that are not deleted, newest last. */
  get sessions() {
    const ids = this.#lasting.get(this.#key)?.sessions;
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  }

  /**
   * Id of the conversation that this page shows, or null before its first answer. The first use
   * restores that of this tab, or else the newest of this browser; other tabs never change it.
   */
  get current() {
    if (this.#current === undefined) {
      const id = (this.#passing.get(`${this.#key}:current`) ?? this.#lasting.get(this.#key) ?? {}).current;
      if (typeof id === 'string') this.#hold(id);
      else this.#current = null;
    }
    return this.#current;
  }

  #hold(current) {
    this.#current = current;
    this.#passing.set(`${this.#key}:current`, { current });
  }

  adopt(id) {
    this.#hold(id);
    const sessions = [...this.sessions.filter((other) => other !== id), id];
    this.#lasting.set(this.#key, { current: id, sessions });
  }

  /** Start a new conversation; the old id is kept so that it can still be deleted. */
  leave() {
    this.release();
    this.#lasting.set(this.#key, { current: null, sessions: this.sessions });
  }

  /** Show no conversation on this page, without a word to other tabs. */
  release() {
    this.#hold(null);
    this.stopped = [];
  }

  forget(id) {
    if (this.current === id) this.#hold(null);
    const { current } = this.#lasting.get(this.#key) ?? {};
    const sessions = this.sessions.filter((other) => other !== id);
    this.#lasting.set(this.#key, sessions.length ? { current: current === id ? null : current, sessions } : null);
  }

  /** Whether the conversation of this page was deleted, in this tab or another. */
  get deleted() {
    return Boolean(this.#current) && !this.sessions.includes(this.#current);
  }

  /** Call `deleted` when another tab deletes the conversation of this page. */
  watch(deleted) {
    addEventListener('storage', ({ key }) => {
      if ((key === null || key === this.#key) && this.deleted) deleted();
    });
  }

  /** Questions of this conversation that were stopped or failed, with what came of their answers. */
  get stopped() {
    return this.#passing.get(`${this.#key}:stopped`) ?? [];
  }

  set stopped(entries) {
    this.#passing.set(`${this.#key}:stopped`, entries.length ? entries.slice(-10) : null);
  }

  /** A question without an answer yet, kept across reloads. */
  get draft() {
    return this.#passing.get(`${this.#key}:draft`) ?? '';
  }

  set draft(text) {
    this.#passing.set(`${this.#key}:draft`, text || null);
  }

  get open() {
    return this.#passing.get(`${this.#key}:open`) === true;
  }

  set open(value) {
    this.#passing.set(`${this.#key}:open`, value || null);
  }
}
