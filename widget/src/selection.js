// Ask about highlighted text: the selection, its heading, and a button beside it.
import { h, icon } from './dom.js';

const LONGEST = 12_000;
const SHORTEST = 3;

/** Return a heading's text without the permalink signs that site generators append. */
function words(heading) {
  return heading.textContent.replace(/[\u200b¶#]+\s*$/, '').trim().slice(0, 300);
}

/** Return the text highlighted on the page, or null. */
export function highlighted() {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const within = range.commonAncestorContainer;
  const element = within.nodeType === Node.ELEMENT_NODE ? within : within.parentElement;
  if (!element || element.closest('input, textarea, [contenteditable=""], [contenteditable="true"], ask-the-book')) {
    return null;
  }
  const text = selection.toString().trim().slice(0, LONGEST);
  if (text.length < SHORTEST) return null;

  let heading = null;
  for (const candidate of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    if (range.comparePoint(candidate, 0) >= 0 && !candidate.contains(range.startContainer)) break;
    heading = candidate;
  }
  const anchor = heading?.id || heading?.querySelector('[id]')?.id || '';
  const url = location.origin === 'null' ? '' : location.origin + location.pathname;
  return {
    text,
    range,
    page: {
      url: url && url + (anchor ? `#${anchor}` : ''),
      title: document.title.slice(0, 300),
      heading: heading ? words(heading) : '',
    },
  };
}

/** The small button at a selection; `ask` receives the highlighted text. */
export class SelectionButton {
  #timer;

  constructor(label, ask) {
    this.node = h(
      'button',
      {
        type: 'button',
        class: 'by-selection',
        hidden: true,
        onpointerdown: (event) => event.preventDefault(), // keeps the selection
        onclick: () => {
          const found = highlighted();
          this.hide();
          if (found) ask(found);
        },
      },
      icon('ask'),
      label,
    );
  }

  watch(signal) {
    const later = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#place(), 180);
    };
    document.addEventListener('selectionchange', later, { signal });
    addEventListener('scroll', () => this.hide(), { signal, passive: true, capture: true });
    addEventListener('scrollend', later, { signal, passive: true, capture: true });
    addEventListener('resize', later, { signal });
    document.addEventListener('keydown', (event) => event.key === 'Escape' && this.hide(), { signal });
  }

  hide() {
    this.node.hidden = true;
  }

  #place() {
    const found = highlighted();
    const boxes = found?.range.getClientRects();
    const last = boxes?.[boxes.length - 1];
    if (!last || last.bottom < 0 || last.top > innerHeight) return this.hide();
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    // Below the selection, clear of its handles: phones show their own menu above it.
    const gap = matchMedia('(pointer: coarse)').matches ? 28 : 8;
    const below = last.bottom + gap + height < innerHeight;
    const top = below ? last.bottom + gap : Math.max(last.top - height - gap, 8);
    const left = Math.min(Math.max(last.right - width / 2, 8), innerWidth - width - 8);
    this.node.style.setProperty('top', `${top}px`);
    this.node.style.setProperty('left', `${left}px`);
    return undefined;
  }
}
