// Formulas are shown as they were written. To keep Markdown away from them, their ASCII characters
// are moved to private ones before lexing and back afterwards.

const FIRST = 0x10ff00;
const HIDDEN = '[\\u{10ff00}-\\u{10ff7f}]';
/** Matches hidden formulas; `split` puts them at odd places. */
export const FORMULAS = new RegExp(`(${HIDDEN}(?:[^\\0-\\x7f]*${HIDDEN})?)`, 'u');
const EACH = new RegExp(HIDDEN, 'gu');

/** Code and escaped backslashes, which are skipped, then the notations of formulas. */
const NOTATIONS = new RegExp(
  [
    /(?<code>^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(?<fence>`{3,}|~{3,})[^]*?(?:\n[ \t>]*\k<fence>|$(?![^])))/,
    /(?<span>(?<!`)(?<ticks>`+)(?!`)(?:(?!\n\s*\n)[^])*?[^`]\k<ticks>(?!`))/,
    /(?<escape>\\\\)/,
    /\\\((?:(?!\\[()]|\n\s*\n)[^])+\\\)/,
    /\\\[(?:(?!(?<!\\)\\[[\]]|\n\s*\n)[^])+(?<!\\)\\\]/,
    /\$\$(?:(?!\$\$|\n\s*\n)[^])+\$\$/,
    /(?<![\w$])\$(?=[^$|\n]*[\\^_{])[^$|\s](?:[^$|\n]*[^$|\s])?\$(?!\d)/,
    /\\begin\{(?<name>\w+\*?)\}(?:(?!\n\s*\n)[^]){0,4000}?\\end\{\k<name>\}/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gm',
);
/** Escaped brackets around a word or a number, and parentheses around several words, are none. */
const WORDS = /^\\(?:\[|\((?=.*\p{L}{3} \p{L}{3}))(?:\d+|[\p{L}\p{N}_ .,-]*\p{L}{3}[\p{L}\p{N}_ .,-]*)\\.$/u;

/** The begin of a row of a table, and what would end a cell although it is in code. */
const ROW = /^[ \t>]*\|/;
const PIPE = /(?<!\\)\|/g;
const moved = (sign) => String.fromCodePoint(FIRST + sign.charCodeAt(0));

export function hide(text) {
  return text.replace(NOTATIONS, (...found) => {
    const [all] = found;
    const { code, span, escape } = found.at(-1);
    const at = found.at(-3);
    if (span && !all.includes('\n') && ROW.test(text.slice(text.lastIndexOf('\n', at) + 1))) return all.replace(PIPE, moved);
    if (code || span || escape || WORDS.test(all)) return all;
    return all.replace(/[\0-\x7f]/g, moved);
  });
}

export function show(text) {
  return text.replace(EACH, (sign) => String.fromCodePoint(sign.codePointAt(0) - FIRST));
}
