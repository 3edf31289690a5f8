// Render Markdown to DOM nodes. marked only tokenizes; every node is created here from a fixed
// list of kinds, so nothing in an answer can become markup, a script, an image or a request.
// Anything else is shown as plain text.
import { Lexer } from '../vendor/marked/marked.esm.js';
import { h, safeUrl } from './dom.js';

const LONGEST = 60_000; // longer texts are shown as plain text: lexing can be quadratic

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/**
 * A citation marker with the space before it, so that it stays with the preceding word. As in the
 * service, a bracket right after a single letter or a name with an underscore is an index.
 */
const MARKER =
  /( ?(?<!(?<![\p{L}\p{N}_])(?:[a-z]|[\p{L}\p{N}]*_[\p{L}\p{N}_]*)(?:\[[^[\]\s]*\])*)\[\d{1,3}\])/u;

function decode(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,6}));/gi, (all, dec, hex, name) => {
    if (name) return ENTITIES[name] ?? all;
    const code = dec ? Number(dec) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  });
}

/** Return the parts of a token that have rendered child tokens: itself, its items or its cells. */
function parts(token) {
  if (token.rows) return [token.header, ...token.rows].flat();
  if (token.type === 'image') return [];
  return token.items ?? (token.tokens ? [token] : []);
}

/** Split text at its markers; `cite(raw)` makes the token of each, in rendering order. */
function cut(tokens, cite) {
  return tokens.flatMap((token) => {
    if (token.type === 'text' && !token.tokens) {
      return token.raw
        .split(MARKER)
        .map((part, index) => (index % 2 ? cite(part) : { type: 'text', text: decode(part) }));
    }
    for (const part of parts(token)) part.tokens = cut(part.tokens, cite);
    return token;
  });
}

/**
 * Return top-level tokens with their `cites`: `{n, k}` for the k-th marker `[n]`, from 0.
 * Link definitions are ignored, because `[1]: …` would hide a citation.
 */
export function lex(text) {
  if (text.length <= LONGEST) {
    try {
      const lexer = new Lexer({ gfm: true });
      lexer.tokenizer.def = () => undefined;
      const count = {};
      return lexer.lex(text).map((token) => {
        const cites = [];
        const cite = (raw) => {
          const n = Number(raw.replace(/\D/g, ''));
          count[n] = (count[n] ?? -1) + 1;
          cites.push({ type: 'cite', raw, n, k: count[n] });
          return cites.at(-1);
        };
        return { ...cut([token], cite)[0], cites };
      });
    } catch {
      // Nested too deeply for the stack: fall through to plain text.
    }
  }
  return [{ type: 'plain', raw: text, text, cites: [] }];
}

/** Return the only token with text in a line, apart from markers. */
function alone(tokens) {
  const [only, ...others] = tokens.filter((token) => token.text);
  return others.length ? undefined : only;
}

/**
 * Render tokens to nodes. `cite({n, k})` makes the node for the k-th marker `[n]`, or returns null
 * without a target; `link(url)` returns the attributes of a link, or null; `base` resolves
 * relative links; `code(text, language)` makes a code block.
 */
export class Renderer {
  constructor({ cite, link, base, code }) {
    Object.assign(this, { cite, link, base, code });
  }

  blocks(tokens, auto) {
    return tokens.map((token) => this.block(token, auto)).filter(Boolean);
  }

  /**
   * Render one block. `auto` is the value of `dir`. Only the outermost element has one, since
   * browsers ignore children with a `dir` when they detect the direction of a list.
   */
  block(token, auto = 'auto') {
    switch (token.type) {
      case 'space':
      case 'def':
        return null;
      case 'heading':
        // The panel has its own headings, so those of an answer start one level lower.
        return h(`h${Math.min(token.depth + 2, 6)}`, { dir: auto }, this.inline(token.tokens));
      case 'paragraph': {
        // A lone bold link heads a quoted section; a lone plain one links to the rest of it.
        const only = auto && alone(token.tokens);
        const lead = only?.type === 'strong' && alone(only.tokens)?.type === 'link';
        const kind = lead ? 'lead' : only?.type === 'link' && 'more';
        return h(lead ? 'h3' : 'p', { class: kind, dir: auto }, this.inline(token.tokens));
      }
      case 'text':
        return h('span', {}, token.tokens ? this.inline(token.tokens) : token.text);
      case 'checkbox':
        return token.checked ? '☑ ' : '☐ ';
      case 'list':
        return h(
          token.ordered ? 'ol' : 'ul',
          { dir: auto, start: token.ordered && token.start !== 1 ? token.start : null },
          token.items.map((item) => h('li', {}, this.blocks(item.tokens, null))),
        );
      case 'blockquote':
        return h('blockquote', { dir: auto }, this.blocks(token.tokens, null));
      case 'code':
        return this.code(token.text, (token.lang ?? '').split(/\s/)[0]);
      case 'hr':
        return h('hr');
      case 'table':
        return this.table(token, auto);
      default:
        return h('p', { dir: auto }, token.text ?? token.raw);
    }
  }

  table({ header, rows }, auto) {
    const cells = (tag, row) =>
      h('tr', {}, row.map((cell) => h(tag, {}, this.inline(cell.tokens))));
    return h(
      'div',
      { class: 'table', dir: auto, tabindex: 0, role: 'group' },
      h('table', {}, h('thead', {}, cells('th', header)), h('tbody', {}, rows.map((row) => cells('td', row)))),
    );
  }

  inline(tokens) {
    return tokens.flatMap((token) => {
      switch (token.type) {
        case 'strong':
        case 'em':
        case 'del':
          return h(token.type, {}, this.inline(token.tokens));
        case 'codespan':
          return h('code', {}, token.text);
        case 'br':
          return h('br');
        case 'link': {
          const url = safeUrl(token.href, this.base);
          const words = this.inline(token.tokens);
          return url ? h('a', this.link(url), words) : words;
        }
        case 'text':
          return token.tokens ? this.inline(token.tokens) : token.text;
        case 'cite':
          return this.cite(token) ?? token.raw;
        default: // escape, html and image: as text
          return token.text ?? token.raw;
      }
    });
  }
}

/** Return the text of tokens for screen readers, without markup, markers and code. */
export function spoken(tokens) {
  return tokens
    .map((token) => {
      if (token.type === 'list') return token.items.map((item) => `${spoken(item.tokens)}\n`).join('');
      if (token.type === 'table') {
        return [token.header, ...token.rows]
          .map((row) => `${row.map((cell) => spoken(cell.tokens)).join(', ')}\n`)
          .join('');
      }
      if (token.type === 'code' || token.type === 'space' || token.type === 'def') return '\n';
      const words = token.tokens ? spoken(token.tokens) : (token.text ?? '');
      const end = /^(paragraph|heading|blockquote)$/.test(token.type) ? '\n' : '';
      return words + end;
    })
    .join('');
}
