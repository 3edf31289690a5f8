// Stored in the browser: conversation ids and an unsent question.
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

  constructor(api) {
    this.#key = `ask-the-book:${api}`;
  }

  /** Ids of all conversations of this browser that are not deleted, newest last. */
  get sessions() {
    const ids = this.#lasting.get(this.#key)?.sessions;
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  }

  /** Id of the conversation shown, or null before its first answer. */
  get current() {
    const id = this.#lasting.get(this.#key)?.current;
    return typeof id === 'string' ? id : null;
  }

  adopt(id) {
    const sessions = [...this.sessions.filter((other) => other !== id), id];
    this.#lasting.set(this.#key, { current: id, sessions });
  }

  /** Start a new conversation; the old id is kept so that it can still be deleted. */
  leave() {
    this.#lasting.set(this.#key, { current: null, sessions: this.sessions });
  }

  forget(id) {
    const current = this.current === id ? null : this.current;
    const sessions = this.sessions.filter((other) => other !== id);
    this.#lasting.set(this.#key, sessions.length ? { current, sessions } : null);
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
