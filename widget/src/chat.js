// The conversation: ask, stream, retry, restore and delete.
import { Announcer } from './announcer.js';
import { Problem, uuid } from './api.js';
import { Composer } from './composer.js';
import { h, safeUrl } from './dom.js';
import { Preview } from './preview.js';
import { TurnView } from './turn.js';

const SHOWN = 20; // turns of an old conversation shown at once
const QUIET = 2000; // ms without a token until the reader is told that the service is at work

export class Chat {
  #api;
  #memory;
  #running = null; // { stop: AbortController, view, body } while an answer arrives
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
    memory.watch(() => this.#lost());
    addEventListener('pagehide', () => {
      const { view, body } = this.#running ?? {};
      if (view?.kept.text || (view && this.composer.field.value)) this.#keep(view, body, t.stopped);
    });
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
    if (!id) return this.#showStopped([]);
    const { t } = this;
    const loading = h('p', { class: 'note loading', dir: 'auto' }, t.loading);
    this.log.prepend(loading);
    this.greeting.hidden = true;
    try {
      const turns = await this.#api.history(id, { onwaiting: () => (loading.textContent = t.waking) });
      loading.remove();
      this.#showHistory(id, turns);
      this.#showStopped(turns);
    } catch (problem) {
      if (problem.status === 404) {
        if (this.#memory.deleted) this.#memory.stopped = []; // by another tab
        this.#memory.forget(id);
        loading.remove();
        this.#showStopped([]);
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
        this.#showStopped([]);
      }
    }
    this.greeting.hidden = this.turns.childElementCount > 0;
    return undefined;
  }

  /** Show questions that were stopped before a reload, each after the turn that it followed. */
  #showStopped(turns) {
    const entries = this.#memory.stopped.filter(
      ({ after, body }) => !turns.some(({ n, question }) => n > after && question === body.message),
    );
    for (const { id, after, body, sentence, text, sources } of entries.reverse()) {
      if (this.turns.querySelector(`[data-id="${id}"]`)) continue; // shown while there was no history
      const view = this.#view(body, id, after);
      const place = this.turns.querySelector(`[data-n="${after}"]`);
      if (place) place.after(view.node);
      else this.turns.prepend(view.node);
      view.offer(sources);
      if (text) view.add(text);
      view.fail(sentence, [[this.t.tryAgain, this.#again(view, body, uuid())]]);
    }
    this.greeting.hidden = this.turns.childElementCount > 0;
    this.log.scrollTop = this.log.scrollHeight;
  }

  #showHistory(session, turns) {
    const views = turns.map((turn) => {
      const view = new TurnView(this, turn);
      view.finish({ ...turn, message: turn.answer, session_id: session });
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
    const body = { message: question };
    if (about) Object.assign(body, { context: about.text, page: about.page });
    const key = uuid();
    const last = [...this.turns.querySelectorAll('[data-n]')].at(-1);
    const view = this.#view(body, key, Number(last?.dataset.n ?? 0));
    this.turns.append(view.node);
    this.greeting.hidden = true;
    this.#run(view, body, key);
  }

  /** Make the view of a question; `after` is the number of the turn that it follows. */
  #view(body, id, after) {
    const view = new TurnView(this, { question: body.message, quote: body.context });
    view.node.dataset.id = id;
    return Object.assign(view, { id, after });
  }

  #again(view, body, key) {
    return () => {
      if (this.#running) return;
      this.composer.focus();
      this.#run(view, body, key);
    };
  }

  /**
   * Ask, or retry in the same `view`, so that the question is shown once. A retry with
   * the same key sends exactly the same request.
   */
  async #run(view, body, key) {
    const stop = new AbortController();
    this.#running = { stop, view, body };
    this.#memory.draft = body.message;
    this.#drop(view);
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
    const { t } = this;
    const said = new Set();
    const tell = (text) => {
      clearTimeout(timer);
      view.pause(text);
      if (!said.has(text)) this.announcer.say(text);
      said.add(text);
    };
    let timer;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => tell(t.working), QUIET);
    };
    const onwaiting = () => said.has(t.waking) || tell(t.waking);
    const states = new Map([
      ['loading', t.modelLoading],
      ['looking_further', t.further],
    ]);
    const before = this.#memory.current;
    listen();
    try {
      for await (const { type, data } of this.#api.ask(body, key, { signal, onwaiting })) {
        if (signal.aborted) throw new Problem('stopped');
        if (type === 'session') this.#memory.adopt(data.session_id);
        else if (type === 'sources') view.offer(data.sources);
        else if (type === 'status' && states.has(data.state)) tell(states.get(data.state));
        else if (type === 'token') {
          view.add(data.text);
          listen();
        } else if (type === 'done') {
          const { session_id: session, metadata } = data;
          this.#memory.adopt(session);
          const announce = view.finish({ ...data, n: metadata?.turn ?? 0 });
          if (before && before !== session && metadata?.saved !== false) {
            view.node.before(h('p', { class: 'note gone', dir: 'auto' }, t.gone));
            this.announcer.say(t.gone);
          }
          this.settled();
          this.#pinned = null; // stop scrolling once the answer is complete
          announce();
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(view, { message, context, page }, sentence) {
    const { id, after, kept } = view;
    this.#drop(view);
    this.#memory.stopped = [
      ...this.#memory.stopped,
      { id, after, body: { message, context, page }, sentence, ...kept },
    ];
    this.#memory.draft = this.composer.field.value;
  }

  #drop({ id }) {
    this.#memory.stopped = this.#memory.stopped.filter((entry) => entry.id !== id);
  }

  #fail(view, body, key, problem) {
    if (!view.node.isConnected) return; // a new conversation was started meanwhile
    const { t } = this;
    const edit = () => {
      view.node.remove();
      this.composer.text = body.message;
      if (body.context) this.composer.about = { text: body.context, page: body.page };
      this.greeting.hidden = this.turns.childElementCount > 0;
      this.composer.focus();
    };
    const { kind, detail, status, retryAfter } = problem;
    if (kind === 'stopped') {
      this.#keep(view, body, t.stopped);
      // The service may have finished the stopped answer; a new key requests another one.
      delete body.session_id;
      view.fail(t.stopped, [[t.tryAgain, this.#again(view, body, uuid())]]);
      this.announcer.say(t.stopped);
      return;
    }
    const ours = { offline: t.offline, asleep: t.unreachable, cut: t.cut }[kind];
    const sentence = ours ?? (detail || t.failed);
    const hopeless = kind === 'refused' && status >= 400 && status < 500;
    const action = hopeless ? [t.edit, edit] : [t.tryAgain, this.#again(view, body, key)];
    if (!hopeless) this.#keep(view, body, kind === 'offline' ? t.unreachable : sentence);
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

  rate({ session, n }, rating, comment) {
    return this.#api.rate(session, n, rating, comment);
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

  /** Another tab has deleted this conversation; what is being typed stays. */
  #lost() {
    const { field, about } = this.composer;
    const draft = field.value;
    this.#running?.stop.abort();
    this.#running = null;
    this.#memory.release();
    this.#clear(this.t.gone);
    this.composer.text = draft;
    this.composer.about = about;
    this.announcer.say(this.t.gone);
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
      this.tell(problem.detail || this.t.failed);
    }
  }

  /** Show what `make(close)` returns in a dialog. */
  show(make) {
    this.confirm.replaceChildren(...make(() => this.confirm.close()));
    this.confirm.showModal();
  }

  /** Show a modal question, or a notice if there is no `go`. */
  tell(sentence, go = '') {
    const { t } = this;
    const text = h('p', { id: 'confirm-text', dir: 'auto' }, sentence);
    this.show((onclick) => {
      const close = h('button', { type: 'button', class: 'plain', onclick }, go ? t.cancel : t.close);
      return [text, h('div', {}, close, go)];
    });
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
        this.#memory.stopped = [];
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
    const text = this.tell(count ? t.eraseAsk : t.nothing, count ? go : '');
  }
}
