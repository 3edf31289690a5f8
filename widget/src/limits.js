// Bounds on the lexer's work, whatever a model or a book wrote.

/** Levels of quotes and lists. Deeper ones are shown as text. */
const DEEPEST = 20;
/**
 * Signs of Markdown times characters, summed over all blocks: the lexer may look for the end of
 * each sign in the rest of its block. A long answer needs a tenth of this.
 */
const MOST_WORK = 6e6;
/** Blocks, items, cells, emphasis and citations, each. A browser is slow at showing more. */
const MOST_PIECES = 3000;
const SIGNS = /[*_~`[\]<]/g;

/** Throw if a text has too many pieces, so that it is shown as plain text. */
export function checkPieces(count) {
  if (count > MOST_PIECES) throw new RangeError();
}

/** Make a lexer show as plain text what would take too long. */
export function limit(lexer) {
  const { tokenizer } = lexer;
  const { blockquote, list } = tokenizer;
  const { blockTokens, inlineTokens } = lexer;
  let depth = 0;
  let work = 0;
  let pieces = 0;
  const deeper = (tokenize) => (text) => depth <= DEEPEST && tokenize.call(tokenizer, text);
  Object.assign(tokenizer, { blockquote: deeper(blockquote), list: deeper(list) });
  return Object.assign(lexer, {
    blockTokens(...given) {
      depth++;
      const tokens = blockTokens.apply(lexer, given);
      checkPieces(tokens.length);
      depth--;
      return tokens;
    },
    inlineTokens(text, tokens = []) {
      checkPieces(++pieces);
      work += text.length * (text.match(SIGNS) ?? []).length;
      if (work <= MOST_WORK) return inlineTokens.call(lexer, text, tokens);
      tokens.push({ type: 'text', raw: text, text });
      return tokens;
    },
  });
}
