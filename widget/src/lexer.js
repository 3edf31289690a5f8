// A Markdown lexer for what models write.
import { Lexer } from '../vendor/marked/marked.esm.js';
import { limit } from './limits.js';

const WIDE = '(?![\\0-\\x7f])'; // not ASCII
const LETTER = '[^\\s\\p{P}\\p{S}]';
const WIDE_SIGN = `${WIDE}[\\p{P}\\p{S}]`;
const SIGN = '[!-)+-/:-@[-`{-}]';
const RUN = '[*~]{1,3}';

/** Match `one` on the inner or outer side of a delimiter that has `other` on its other side. */
const beside = (one, other) => new RegExp(`${one}(?=${RUN}${other})|(?<=${other}${RUN})${one}`, 'gu');
const SIGN_BESIDE_LETTER = beside(WIDE_SIGN, LETTER);
const LETTER_BESIDE_SIGN = beside(WIDE + LETTER, SIGN);
/** What follows a bold label without a space, as in `**Note:**Use it`. */
const LETTER_BEHIND_LABEL = /(?<=[^\s*][.:!?)]\*\*)[a-z]/gi;
const OPENS_WIDE = new RegExp(`^[*~]+${WIDE}.`, 'u');

/** A name of Python's, such as `__init__`, and a single asterisk within a word: "times". */
const NAME = /^__[a-z][a-z\d]*(?:_[a-z\d]+)*__(?!_)/;
const TIMES = /^[a-z\d)]\*(?![*\s])/i;

/** Where a bare address ends: at a full-width sign or a citation. Addresses contain en dashes. */
const ADDRESS_END = /(?![\0-\x7f\u2013])[\p{P}\p{S}]|\s|\[\d{1,3}\]|$/u;

/** A line break, and markup that says nothing here. A comment with a marker in it stays. */
export const TAG = /^(?:<\/?(?:(br)|font|center|big|[uo]l)\b[^>]*>|<(li)>|<\/li>|<!--(?:(?!\[\d)[^])*-->)/i;
/** Tags around blocks, which are left out at the begin and the end of a block. */
export const AROUND = /^<\/?details\b/i;
/** Tags that are understood in pairs. */
export const PAIR = /^<(\/?)(sub|sup|kbd|span|mark|small|summary|[abius]|strong|em|ins|del|code)(?:\s[^>]*)?>$/i;

/**
 * Scripts without spaces have letters and full-width signs on both sides of emphasis. In the mask
 * that decides which delimiters open and close, such a sign counts as a letter, and such a letter
 * beside an ASCII sign counts as a sign.
 */
function emStrongMask(mask) {
  return mask
    .replace(SIGN_BESIDE_LETTER, ({ length }) => 'x'.repeat(length))
    .replace(LETTER_BEHIND_LABEL, '.')
    .replace(LETTER_BESIDE_SIGN, ({ length }) => '.'.repeat(length));
}

export function makeLexer() {
  const lexer = new Lexer({ hooks: { emStrongMask } });
  const { tokenizer } = lexer;
  const { del, emStrong, lheading, url } = tokenizer;
  const before = (text, last) => (last > '\x7f' || OPENS_WIDE.test(text) ? '' : last);
  Object.assign(tokenizer, {
    // A single tilde means "about".
    del: (text, mask, last) => text.startsWith('~~') && del.call(tokenizer, text, mask, before(text, last)),
    emStrong(text, mask, last) {
      const [name] = NAME.exec(text) ?? [];
      if (name) return { type: 'text', raw: name, text: name };
      if (TIMES.test(last + text)) return;
      return emStrong.call(tokenizer, text, mask, text[0] === '*' ? before(text, last) : last);
    },
    // A line of dashes below a paragraph is a rule.
    lheading(text) {
      const heading = lheading.call(tokenizer, text);
      return heading?.depth === 1 ? heading : undefined;
    },
    url(text) {
      const address = /^(?:https?|ftp|www)/i.test(text);
      return url.call(tokenizer, address ? text.slice(0, text.search(ADDRESS_END)) : text);
    },
  });
  return limit(lexer);
}
