// The conversation: ask, stream, retry, restore and delete.
import { Announcer } from './announcer.js';
import { Problem, uuid } from './api.js';
import { Composer } from './composer.js';
import { h, safeUrl } from './dom.js';
import { Preview } from './preview.js';
import { TurnView } from './turn.js';

const SHOWN = 20; // turns of an old conversation shown at once

export class Chat {
  #api;
  #memory;
  #running = null; // { stop: AbortController } while an answer arrives
  #config = {};
  #ready = null; // resolves once the history is loaded
  #pinned = null; // the turn kept in view while it grows

  constructor({ api, memory, t, link, starters, privacy, loaded }) {
    Object.assign(this, { t, link, starters, privacy, loaded });
    this.#api = api;
    this.#memory = memory;
    this.announcer = new Announcer();
    this.preview = new Preview();
    this.composer = new Composer(t, {
      send: (text, about) => this.ask(text, about),
      stop: () => this.#running?.stop.abort(),
      changed: (text) => (memory.draft = text),
    });
    this.greeting = h('div', { class: 'greeting' });
    this.turns = h('div', { class: 'turns' });
    this.log = h(
      'div',
      {
        class: 'log',
        role: 'region',
        tabindex: 0,
        'aria-label': t.conversation,
        onscroll: ({ currentTarget }) => this.preview.follow(currentTarget),
      },
      this.greeting,
      this.turns,
    );
    for (const type of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
      this.log.addEventListener(type, () => (this.#pinned = null), { passive: true });
    }
    this.confirm = h('dialog', { class: 'confirm', 'aria-labelledby': 'confirm-text' });
    this.node = h(
      'div',
      { class: 'chat' },
      this.log,
      this.preview.node,
      h('div', { class: 'foot' }, this.composer.node, h('p', { class: 'fine', dir: 'auto' }, t.disclaimer)),
      this.confirm,
      this.announcer.node,
    );
    this.composer.text = memory.draft;
    this.#greet();
  }

  /** Fetch what the panel shows; this also wakes a sleeping host before the first question. */
  start() {
    this.#ready ??= this.#restore();
    this.#configure();
  }

  async #configure() {
    try {
      this.#config = await this.#api.config({ onwaiting: () => this.#greet(this.t.waking) });
    } catch {
      this.#config = {}; // the chat works without a title and starters
    }
    this.loaded(this.#config);
    this.#greet();
  }

  base() {
    return safeUrl(this.#config.site_url)?.href ?? `${this.#api.base}/`;
  }

  #greet(notice = '') {
    const { t } = this;
    const { privacy } = this.#config;
    const starters = this.starters.length ? this.starters : (this.#config.starters ?? []);
    const chips = starters.map((text) =>
      h('button', { type: 'button', dir: 'auto', onclick: () => this.ask(text) }, text),
    );
    this.greeting.replaceChildren(
      h('h2', { dir: 'auto' }, t.greeting),
      h('p', { dir: 'auto' }, t.greetingNote),
      chips.length ? h('div', { class: 'suggestions' }, chips) : '',
      notice ? h('p', { class: 'notice', dir: 'auto' }, notice) : '',
      this.privacy && privacy ? h('p', { class: 'note', dir: 'auto' }, privacy) : '',
    );
    this.greeting.hidden = this.turns.childElementCount > 0;
  }

  // -------------------------------------------------------------- the history

  async #restore() {
    const id = this.#memory.current;
    if (!id) return;
    const { t } = this;
    const loading = h('p', { class: 'note loading', dir: 'auto' }, t.loading);
    this.log.prepend(loading);
    this.greeting.hidden = true;
    try {
      const turns = await this.#api.history(id, { onwaiting: () => (loading.textContent = t.waking) });
      loading.remove();
      this.#showHistory(turns);
    } catch (problem) {
      if (problem.status === 404) {
        this.#memory.forget(id);
        loading.remove();
      } else {
        const again = () => {
          loading.remove();
          this.#ready = this.#restore();
          this.composer.focus();
        };
        loading.replaceChildren(
          t.historyFailed,
          h('button', { type: 'button', class: 'plain', onclick: again }, t.tryAgain),
        );
      }
    }
    this.greeting.hidden = this.turns.childElementCount > 0;
  }

  #showHistory(turns) {
    const views = turns.map((turn) => {
      const view = new TurnView(this, turn);
      view.finish({ ...turn, message: turn.answer });
      return view.node;
    });
    const recent = views.splice(-SHOWN);
    this.turns.prepend(...recent);
    if (views.length) {
      const earlier = h('button', { type: 'button', class: 'plain earlier' }, this.t.earlier);
      earlier.addEventListener('click', () => {
        const height = this.log.scrollHeight;
        const batch = views.splice(-SHOWN);
        earlier.after(...batch);
        if (!views.length) earlier.remove();
        this.log.scrollTop += this.log.scrollHeight - height;
        batch[0].focus({ preventScroll: true });
      });
      this.turns.prepend(earlier);
    }
    this.announcer.begin();
    this.log.scrollTop = this.log.scrollHeight;
  }

  // -------------------------------------------------------------- a question

  ask(question, about = null) {
    if (this.#running) return;
    const view = new TurnView(this, { question, quote: about?.text });
    this.turns.append(view.node);
    this.greeting.hidden = true;
    const body = { message: question };
    if (about) Object.assign(body, { context: about.text, page: about.page });
    this.#run(view, body, uuid());
  }

  /**
   * Ask, or retry in the same `view`, so that the question is shown once. A retry with
   * the same key sends exactly the same request.
   */
  async #run(view, body, key) {
    const stop = new AbortController();
    this.#running = { stop };
    this.#memory.draft = body.message;
    this.composer.busy = true;
    this.announcer.begin();
    view.restart();
    view.wait();
    this.#pinned = view;
    this.settled();
    try {
      await this.#ready; // its failures are shown in the history
      if (stop.signal.aborted) throw new Problem('stopped');
      if (!('session_id' in body)) body.session_id = this.#memory.current ?? undefined;
      await this.#stream(view, body, key, stop.signal);
      this.#memory.draft = this.composer.field.value;
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem('cut');
      this.#fail(view, body, key, problem);
      if (!(error instanceof Problem)) console.error(error);
    } finally {
      if (this.#running?.stop === stop) {
        this.#running = null;
        this.composer.busy = false;
      }
      this.settled();
    }
  }

  async #stream(view, body, key, signal) {
    let told = false;
    const onwaiting = () => {
      if (told) return;
      told = true;
      view.wait(this.t.waking);
      this.settled(); // the error is taller than the dots it replaces
      this.announcer.say(this.t.waking);
    };
    for await (const { type, data } of this.#api.ask(body, key, { signal, onwaiting })) {
      if (signal.aborted) throw new Problem('stopped');
      if (type === 'session') this.#memory.adopt(data.session_id);
      else if (type === 'sources') view.offer(data.sources);
      else if (type === 'token') view.add(data.text);
      else if (type === 'done') {
        this.#memory.adopt(data.session_id);
        const announce = view.finish({ ...data, n: data.metadata?.turn ?? 0 });
        this.settled();
        this.#pinned = null; // stop scrolling once the answer is complete
        announce();
      }
    }
  }

  #fail(view, body, key, problem) {
    if (!view.node.isConnected) return; // a new conversation was started meanwhile
    const { t } = this;
    const again = (newKey) => () => {
      if (this.#running) return;
      this.composer.focus();
      this.#run(view, body, newKey);
    };
    const edit = () => {
      view.node.remove();
      this.composer.text = body.message;
      if (body.context) this.composer.about = { text: body.context, page: body.page };
      this.greeting.hidden = this.turns.childElementCount > 0;
      this.composer.focus();
    };
    const { kind, detail, status, retryAfter } = problem;
    if (kind === 'stopped') {
      this.#memory.draft = this.composer.field.value;
      // The service may have finished the stopped answer; a new key requests another one.
      delete body.session_id;
      view.fail(t.stopped, [[t.tryAgain, again(uuid())]]);
      this.announcer.say(t.stopped);
      return;
    }
    const ours = { offline: t.offline, asleep: t.unreachable, cut: t.cut }[kind];
    const sentence = ours ?? (detail || t.failed);
    const hopeless = kind === 'refused' && status >= 400 && status < 500;
    const action = hopeless ? [t.edit, edit] : [t.tryAgain, again(key)];
    view.fail(sentence, [action], { wait: hopeless ? 0 : (retryAfter ?? 0) });
    this.announcer.say(sentence);
    if (kind === 'offline') {
      const button = view.status.querySelector('button');
      const resend = () => button.isConnected && !this.#running && this.#run(view, body, key);
      addEventListener('online', resend, { once: true });
    }
  }

  /** Keep the newest turn in view while it grows, until its question reaches the top. */
  settled() {
    if (!this.#pinned) return;
    const top = this.#pinned.node.offsetTop - 16;
    this.log.scrollTop = Math.min(top, this.log.scrollHeight - this.log.clientHeight);
  }

  rate(n, rating, comment) {
    return this.#api.rate(this.#memory.current, n, rating, comment);
  }

  // -------------------------------------------------------------- new conversation, export, deletion

  fresh() {
    this.#running?.stop.abort();
    this.#running = null;
    this.#memory.leave();
    this.#memory.draft = '';
    this.#clear();
    this.announcer.say(this.t.begun);
    this.composer.focus();
  }

  #clear(notice = '') {
    this.#ready = null;
    this.composer.busy = false;
    this.composer.text = '';
    this.composer.about = null;
    this.turns.replaceChildren();
    this.log.querySelector('.loading')?.remove();
    this.#greet(notice);
  }

  /** Download the conversation as a file; show a failure in a dialog. */
  async save() {
    try {
      const link = h('a', { download: 'conversation.md' });
      link.href = URL.createObjectURL(await this.#api.file(this.#memory.current));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (problem) {
      this.#tell(problem.detail || this.t.failed);
    }
  }

  /** Show a modal question, or a notice if there is no `go`. */
  #tell(sentence, go = '') {
    const { t } = this;
    const text = h('p', { id: 'confirm-text', dir: 'auto' }, sentence);
    const close = h('button', { type: 'button', class: 'plain', onclick: () => this.confirm.close() }, go ? t.cancel : t.close);
    this.confirm.replaceChildren(text, h('div', {}, close, go));
    this.confirm.showModal();
    return text;
  }

  /** After confirmation, delete all conversations of this browser from the service. */
  erase() {
    const { t } = this;
    const count = this.#memory.sessions.length;
    const go = h('button', { type: 'button', class: 'danger' }, t.erase);
    go.addEventListener('click', async () => {
      go.disabled = true;
      this.#running?.stop.abort();
      this.#running = null;
      try {
        for (const id of this.#memory.sessions) {
          await this.#api.erase(id, { onwaiting: () => (text.textContent = t.waking) });
          this.#memory.forget(id);
        }
        this.#memory.draft = '';
        this.#clear(t.erased);
        this.confirm.close();
        this.announcer.say(t.erased);
        this.composer.focus();
      } catch (problem) {
        text.textContent = problem.detail || t.eraseFailed;
        this.announcer.say(text.textContent);
        go.disabled = false;
        go.focus();
      }
    });
    const text = this.#tell(count ? t.eraseAsk : t.nothing, count ? go : '');
  }
}
