// Render Markdown to DOM nodes. marked only tokenizes; every node is created here from a fixed
// list of kinds, so nothing in an answer can become markup, a script, an image or a request.
// Anything else is shown as plain text.
import { h, safeUrl } from './dom.js';
import { decode } from './entities.js';
import { FORMULAS, hide, show } from './formulas.js';
import { AROUND, PAIR, TAG, makeLexer } from './lexer.js';
import { checkPieces } from './limits.js';

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LONGEST = 60_000; // longer texts are shown as plain text: lexing can be quadratic

/** A citation marker with the space before it, so that it stays with the preceding word. */
const MARKER = / ?\[\d{1,3}\]/g;
/** As in the service, a bracket right after a single letter or a name with an underscore is an index. */
const INDEXED =
  /(?<![\p{L}\p{N}_])(?:[a-z]|(?=[\p{L}\p{N}]*_)[\p{L}\p{N}_]+)(?:\[[^[\]\s]*\])*$/u;
const LOOKBEHIND = 96; // characters before a bracket that are checked, as in the service

/** Tags of code. */
const CODE = /^(kbd|code)$/;
/** Before a line that begins like an item of a list, but not as Markdown writes one. */
const ITEMS =
  /\n(?=[•·●○▪◦‣■□◆➤➢→✓✗✘☐①-⑳]|\p{Extended_Pictographic}|\d+[、．\ufe0f]|[（(][\d一-十]+[）)]|[一-十]+、|[–—] |[a-z]\) |[\p{L} ]{2,9}\d+ ?[:：])/iu;
/** The end of a label. */
const COLON = /[:：]$/;
/** How GitHub writes the heading of a note. */
const ALERT = /^\[!(note|tip|important|warning|caution)\]/i;

/** Split a text at its markers, which are at odd places. */
function split(text) {
  const pieces = [];
  let start = 0;
  for (const { 0: marker, index } of text.matchAll(MARKER)) {
    const before = text.slice(Math.max(0, index - LOOKBEHIND), index);
    if (marker[0] === '[' && INDEXED.test(before)) continue;
    pieces.push(text.slice(start, index), marker);
    start = index + marker.length;
  }
  return [...pieces, text.slice(start)];
}

/** Return the parts of a token that have rendered child tokens: itself, its items or its cells. */
function parts(token) {
  if (token.rows) return [token.header, ...token.rows].flat();
  if (token.type === 'image') return [];
  return token.items ?? (token.tokens ? [token] : []);
}

/** Make tokens of a text, with breaks before lines that look like items. */
const lines = (text) =>
  text.split(ITEMS).flatMap((line, at) => [...(at ? [{ type: 'br', text: '\n' }] : []), { type: 'text', text: line }]);

/** Put what is between a pair of tags into one token. Tags without a partner stay as text. */
function pair(tokens) {
  const found = [];
  const open = [];
  for (const [at, token] of tokens.entries()) {
    if (token.type === 'html' && AROUND.test(token.raw) && (!at || at === tokens.length - 1)) continue;
    const [, end, tag] = (token.type === 'html' && PAIR.exec(token.raw.toLowerCase())) || [];
    if (end && found[open.at(-1)]?.tag === tag) {
      const start = open.pop();
      const [{ raw }, ...inside] = found.splice(start);
      const [, href] = /\shref=["']?([^"'\s>]+)/i.exec(raw) ?? [];
      found.push({ type: tag === 'a' ? 'link' : 'tag', tag, href, tokens: inside });
    } else {
      if (tag && !end) open.push(found.length);
      found.push(tag ? { ...token, tag } : token);
    }
  }
  return found;
}

/** Split text at its markers and formulas; `cite(raw)` makes the token of a marker, in order. */
function cut(tokens, cite) {
  return pair(tokens).flatMap((token, at, all) => {
    const isCommented = token.type === 'html' && /^<!--[^]*\[\d/.test(token.raw);
    if ((token.type === 'text' && !token.tokens) || isCommented) {
      const [alert, name] = ALERT.exec(token.raw) ?? [''];
      const pieces = split(token.raw.slice(alert.length)).flatMap((part, marker) =>
        marker % 2
          ? cite(part)
          : part.split(FORMULAS).flatMap((piece, formula) =>
              formula % 2 ? { type: 'formula', text: show(piece) } : lines(decode(piece)),
            ),
      );
      const [next, behind] = all.slice(at + 1);
      const isLabel = next?.type === 'strong' && (COLON.test(next.text) || COLON.test(behind?.raw[0]));
      if (isLabel && token.raw.endsWith('\n')) pieces.push({ type: 'br', text: '\n' });
      if (!alert) return pieces;
      const word = name[0].toUpperCase() + name.slice(1).toLowerCase();
      return [{ type: 'strong', tokens: [{ type: 'text', text: `${word}:` }] }, ...pieces];
    }
    const [tag, lineBreak, item] = (token.type === 'html' && TAG.exec(token.raw)) || [];
    if (tag) {
      const start = lineBreak || (item && at > 1) ? [{ type: 'br', text: '\n' }] : [];
      return item ? [...start, { type: 'text', text: '• ' }] : start;
    }
    if (token.text) token.text = show(token.text);
    if (token.href) token.href = show(decode(token.href));
    for (const part of parts(token)) part.tokens = cut(part.tokens, cite);
    return token;
  });
}

/**
 * Return top-level tokens with their `cites`: `{n, k}` for the k-th marker `[n]`, from 0.
 * The build has removed link definitions, because `[1]: …` would hide a citation.
 */
export function lex(text) {
  if (text.length <= LONGEST) {
    try {
      const count = {};
      let all = 0;
      return makeLexer().lex(hide(text)).map((token) => {
        const cites = [];
        const cite = (raw) => {
          const n = Number(raw.replace(/\D/g, ''));
          count[n] = (count[n] ?? -1) + 1;
          checkPieces(++all);
          cites.push({ type: 'cite', raw, n, k: count[n] });
          return cites.at(-1);
        };
        return { ...cut([token], cite)[0], cites };
      });
    } catch {
      // Too much to show: fall through to plain text.
    }
  }
  return [{ type: 'plain', raw: text, text, cites: [] }];
}

/**
 * Return the direction of the words outside of code, formulas, markup and bare addresses, or null.
 * Names in Latin letters do not make a block that is written from right to left another one.
 */
export function direction(tokens) {
  const all = words(tokens).match(/\p{L}+/gu);
  return all && (all.filter((word) => RIGHT_TO_LEFT.test(word)).length > all.length * 0.4 ? 'rtl' : 'ltr');
}

function words(tokens) {
  return tokens
    .map((token) => {
      if (/^(code|codespan|formula|html|cite)$/.test(token.type) || token.autolink || CODE.test(token.tag)) return '';
      const inner = parts(token);
      return inner.length ? inner.map((part) => words(part.tokens)).join('') : (token.text ?? '');
    })
    .join('');
}

/**
 * Close what a truncated text left open in its last paragraph or item: code and emphasis. Half a
 * citation is dropped, and half a link becomes its words.
 */
export function closed(text) {
  if ((text.match(/^[ \t>]*(```|~~~)/gm) ?? []).length % 2) return text; // lexers close fences
  const whole = text
    .replace(/( ?)!?\[([^\][\n]*)(?:\]\([^()\s]*)?$/, (_, space, label) => (/\D/.test(label) ? space + label : ''))
    .replace(/\s[*~`]+$/, '')
    .trimEnd();
  const [last] = /(?:(?!\n\s*\n|\n\s*(?:[-*+]|\d+[.)])\s)[^])*$/.exec(whole);
  const outside = last.replace(/(?<!\S)[*~]+(?!\S)/g, '').replace(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, '');
  const [before, code = ''] = /^([^]*?)(?:(`+)[^`]*)?$/.exec(outside).slice(1);
  const odd = (sign) => (before.split(sign).length % 2 ? '' : sign);
  const count = (found) => (before.replaceAll('**', '').match(found) ?? []).length;
  const em = count(/(?<![\p{L}\p{N}])\*(?=\S)/gu) > count(/(?<=\S)\*(?![\p{L}\p{N}])/gu) ? '*' : '';
  return whole + code + em + odd('**') + odd('~~');
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

  blocks(tokens) {
    return tokens.map((token) => this.block(token, false)).filter(Boolean);
  }

  /**
   * Render one block. Only outermost ones have a `dir`: that of their words, or none to take that
   * of the answer. A table has that of its first heading with a word.
   */
  block(token, outermost = true) {
    const heading = token.header?.find((cell) => direction(cell.tokens));
    const dir = outermost && direction(heading?.tokens ?? [token]);
    switch (token.type) {
      case 'space':
        return null;
      case 'heading':
        // The panel has its own headings, so those of an answer start one level lower.
        return h(`h${Math.min(token.depth + 2, 6)}`, { dir }, this.inline(token.tokens));
      case 'paragraph': {
        // A lone bold link heads a quoted section; a lone plain one links to the rest of it.
        if (!token.tokens.length) return null;
        const only = outermost && alone(token.tokens);
        const lead = only?.type === 'strong' && alone(only.tokens)?.type === 'link';
        const kind = lead ? 'lead' : only?.type === 'link' && 'more';
        return h(lead ? 'h3' : 'p', { class: kind, dir }, this.inline(token.tokens));
      }
      case 'text':
        return h('span', {}, token.tokens ? this.inline(token.tokens) : token.text);
      case 'checkbox':
        return token.checked ? '☑ ' : '☐ ';
      case 'list':
        return h(
          token.ordered ? 'ol' : 'ul',
          { dir, start: token.ordered && token.start !== 1 ? token.start : null },
          token.items.map((item) => h('li', {}, this.blocks(item.tokens))),
        );
      case 'blockquote':
        return h('blockquote', { dir }, this.blocks(token.tokens, null));
      case 'code':
        return this.code(token.text, (token.lang ?? '').split(/\s/)[0]);
      case 'hr':
        return h('hr');
      case 'table':
        return this.table(token, dir);
      default:
        return h('p', { dir }, token.text ?? token.raw);
    }
  }

  table({ header, rows }, dir) {
    const cell = (tag, { tokens }) => {
      const own = direction(tokens);
      return h(tag, { dir: own !== dir && own }, this.inline(tokens));
    };
    const line = (tag, cells) => h('tr', {}, cells.map((each) => cell(tag, each)));
    return h(
      'div',
      { class: 'table', dir, tabindex: 0, role: 'group' },
      h('table', {}, h('thead', {}, line('th', header)), h('tbody', {}, rows.map((row) => line('td', row)))),
    );
  }

  inline(tokens) {
    return tokens.flatMap((token) => {
      switch (token.type) {
        case 'strong':
        case 'em':
        case 'del':
          return h(token.type, {}, this.inline(token.tokens));
        case 'tag':
          return token.tag === 'summary'
            ? [h('strong', {}, this.inline(token.tokens)), h('br')]
            : h(token.tag, { dir: CODE.test(token.tag) && 'ltr' }, this.inline(token.tokens));
        case 'codespan':
          return h('code', { dir: 'ltr' }, token.text);
        case 'formula':
          return h('span', { class: 'formula', dir: 'ltr' }, token.text);
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
      if (token.type === 'code' || token.type === 'space') return '\n';
      const words = token.tokens ? spoken(token.tokens) : (token.text ?? '');
      const end = /^(paragraph|heading|blockquote)$/.test(token.type) ? '\n' : '';
      return words + end;
    })
    .join('');
}
