// HTTP client of the service: one class, one error type, and retries while a host wakes up.

/**
 * Why a request failed. `kind` is one of
 *   offline      the browser has no network
 *   asleep       no usable response: a timeout, a refused connection or a proxy's error page
 *   cut          the answer started and broke off
 *   limited      too many requests
 *   refused      the service rejected the request, with a sentence
 *   stopped      the reader pressed stop
 * `detail` is the service's sentence or empty; `retryAfter` is in seconds, or null.
 */
export class Problem extends Error {
  constructor(kind, { detail = '', status = 0, retryAfter = null } = {}) {
    super(detail || kind);
    Object.assign(this, { kind, detail, status, retryAfter });
  }
}

const HEADERS_LIMIT = 65_000; // /chat answers or fails within 50 s
const SILENCE_LIMIT = 45_000; // the stream pings more often than this
const WAKING_LIMIT = 150_000;
const NOTICE_DELAY = 6_000; // after this wait the reader sees a notice

const seconds = (text) => {
  if (text === null || text === '') return null;
  const number = Number(text);
  const value = Number.isFinite(number) ? number : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(value) ? Math.min(Math.max(Math.ceil(value), 1), 3600) : null;
};

function problemOf(body, status, retryAfter) {
  const detail = typeof body?.detail === 'string' ? body.detail : '';
  const kind = status === 429 ? 'limited' : 'refused';
  const wait = retryAfter ?? seconds(body?.retry_after ?? null) ?? (status === 429 ? 30 : null);
  return new Problem(kind, { detail, status, retryAfter: wait });
}

/**
 * Read and discard a body. Chromium shows a page as still loading while the body of a
 * response with `Cache-Control: no-store` is unread.
 */
function drain(response) {
  response.text().catch(() => {});
}

async function problemFrom(response) {
  const { status } = response;
  const retryAfter = seconds(response.headers.get('Retry-After'));
  if (/json/.test(response.headers.get('Content-Type') ?? '')) {
    const body = await response.json().catch(() => null);
    if (body) return problemOf(body, status, retryAfter);
  } else drain(response);
  // A proxy's error page is of no use to a reader.
  if (status === 502 || status === 503 || status === 504) return new Problem('asleep', { status });
  return problemOf(null, status, retryAfter);
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new Problem('stopped'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Make an unguessable id, also on pages without https, where randomUUID is missing. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

export class Api {
  constructor(base) {
    this.base = base.replace(/\/+$/, '');
  }

  async config(options) {
    return (await this.#patiently('/config', {}, options)).json();
  }

  /** Fetch all turns of a conversation, oldest first. */
  async history(id, options) {
    const turns = [];
    for (let after = 0; after !== null; ) {
      const path = `/chat/sessions/${encodeURIComponent(id)}?after=${after}&limit=100`;
      const page = await (await this.#patiently(path, {}, options)).json();
      turns.push(...page.turns);
      const next = page.next ?? null;
      after = page.turns.length && next !== null && next > after ? next : null;
    }
    return turns;
  }

  /** Fetch a conversation as a file to download. */
  async file(id, options) {
    const path = `/chat/sessions/${encodeURIComponent(id)}/export`;
    return (await this.#patiently(path, {}, options)).blob();
  }

  /** Delete a conversation; a missing one counts as deleted. */
  async erase(id, options) {
    try {
      const path = `/chat/sessions/${encodeURIComponent(id)}`;
      drain(await this.#patiently(path, { method: 'DELETE' }, options));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
  }

  async rate(id, n, rating, comment) {
    const path = `/chat/sessions/${encodeURIComponent(id)}/turns/${n}/feedback`;
    drain(await this.#attempt(path, this.#json({ rating, ...(comment && { comment }) }), {}));
  }

  /**
   * Ask, and yield `{type, data}` events as they arrive, `done` last. `key` stays the same
   * across retries, so that the service recognises a repeated request.
   */
  async *ask(body, key, options) {
    const init = this.#json(body);
    init.headers['Accept'] = 'text/event-stream';
    init.headers['Idempotency-Key'] = key;
    const response = await this.#patiently('/chat', init, options);
    if (!/event-stream/.test(response.headers.get('Content-Type') ?? '')) {
      yield { type: 'done', data: await response.json() };
      return;
    }
    for await (const event of this.#events(response, options.signal)) {
      if (event.type === 'error') throw problemOf(event.data, event.data?.status ?? 500, null);
      yield event;
      if (event.type === 'done') return;
    }
    throw new Problem('cut');
  }

  #json(body) {
    return {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    };
  }

  /** Send a request; `limit` bounds the time to the response headers. Throws Problem. */
  async #attempt(path, init, { signal, limit = HEADERS_LIMIT }) {
    if (signal?.aborted) throw new Problem('stopped');
    if (navigator.onLine === false) throw new Problem('offline');
    const gate = new AbortController();
    const timer = setTimeout(() => gate.abort(), limit);
    signal?.addEventListener('abort', () => gate.abort(), { once: true });
    try {
      const response = await fetch(this.base + path, {
        ...init,
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
        signal: gate.signal,
      });
      if (response.ok) return response;
      throw await problemFrom(response);
    } catch (error) {
      if (error instanceof Problem) throw error;
      if (signal?.aborted) throw new Problem('stopped');
      throw new Problem(navigator.onLine === false ? 'offline' : 'asleep');
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Send a request and wait for a sleeping service: on silence or a proxy's error page, call
   * `onwaiting`, poll /health until it responds, and send the request again.
   */
  async #patiently(path, init, { signal, onwaiting } = {}) {
    const end = Date.now() + WAKING_LIMIT;
    for (let tries = 1; ; tries += 1) {
      const hint = setTimeout(() => onwaiting?.(), NOTICE_DELAY);
      try {
        return await this.#attempt(path, init, { signal });
      } catch (problem) {
        if (problem.kind !== 'asleep' || tries === 4 || Date.now() > end) throw problem;
      } finally {
        clearTimeout(hint);
      }
      onwaiting?.();
      await this.#awake(end, signal);
    }
  }

  async #awake(end, signal) {
    for (let wait = 1000; Date.now() < end; wait = Math.min(wait * 1.5, 8000)) {
      await pause(wait, signal);
      try {
        drain(await this.#attempt('/health', {}, { signal, limit: 20_000 }));
        return;
      } catch (problem) {
        if (problem.kind !== 'asleep') {
          if (problem.kind === 'refused' || problem.kind === 'limited') return; // it is up
          throw problem;
        }
      }
    }
  }

  /** Parse server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html */
  async *#events(response, signal) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let type = '';
    let data = [];
    try {
      for (;;) {
        let timer;
        const silence = new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Problem('cut')), SILENCE_LIMIT);
        });
        const { value, done } = await Promise.race([reader.read(), silence]).finally(() =>
          clearTimeout(timer),
        );
        if (done) return;
        const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
        rest = lines.pop();
        for (const line of lines) {
          if (line === '') {
            if (data.length) yield { type, data: JSON.parse(data.join('\n')) };
            type = '';
            data = [];
          } else if (line.startsWith('event:')) type = line.slice(6).trim();
          else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
        }
      }
    } catch (error) {
      if (signal?.aborted) throw new Problem('stopped');
      if (error instanceof Problem) throw error;
      throw new Problem(navigator.onLine === false ? 'offline' : 'cut');
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}
