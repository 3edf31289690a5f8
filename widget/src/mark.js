// Marks a sentence in a rendered answer without splitting existing elements.
import { h } from './dom.js';

const LEAVES = 'p, li, td, th, blockquote, h3, h4, h5, h6';

/** Return the text nodes below `root`, except in code blocks and citations. */
function texts(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest('figure, .cite')) found.push(node);
  }
  return found;
}

/**
 * Mark `sentence` in the first paragraph, item or cell of `block` that contains it, across white
 * space and inline elements. Return false if none does.
 */
export function mark(block, sentence, title) {
  const wanted = sentence?.replace(/\s/g, '');
  if (!wanted) return false;
  for (const leaf of [block, ...block.querySelectorAll(LEAVES)]) {
    const nodes = texts(leaf).filter((node) => node.parentElement.closest(LEAVES) === leaf);
    const places = nodes.flatMap((node) => [...node.data.matchAll(/\S/g)].map(({ index }) => [node, index]));
    const start = places.map(([node, at]) => node.data[at]).join('').indexOf(wanted);
    if (start < 0) continue;
    const [from, at] = places[start];
    const [to, end] = places[start + wanted.length - 1];
    const within = nodes.slice(nodes.indexOf(from), nodes.indexOf(to) + 1);
    if (end + 1 < to.length) to.splitText(end + 1);
    if (at) within[0] = from.splitText(at);
    // Wrap the largest elements inside the sentence, so that one <mark> covers them.
    const whole = (node) => {
      const outer = node.parentNode;
      const filled = outer !== leaf && texts(outer).every((text) => within.includes(text));
      return filled ? whole(outer) : node;
    };
    let open;
    for (const node of new Set(within.map(whole))) {
      if (open?.nextSibling !== node) node.before((open = h('mark', { title })));
      open.append(node);
    }
    return true;
  }
  return false;
}
