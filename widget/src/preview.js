// The cited passage, shown while its citation is hovered or focused. The preview can itself be
// hovered, and Escape dismisses it (WCAG 2.2, 1.4.13).
import { h } from './dom.js';

export class Preview {
  #anchor = null;
  #timer;
  #escape = (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation(); // keep the panel open
    this.hide();
  };

  constructor() {
    this.node = h('div', {
      class: 'preview',
      role: 'tooltip',
      id: 'preview',
      hidden: true,
      onpointerenter: () => clearTimeout(this.#timer),
      onpointerleave: () => this.#later(),
    });
  }

  /** Make a link show `source` on hover or focus. */
  attach(link, source) {
    const show = () => this.#show(link, source);
    link.addEventListener('pointerenter', (event) => {
      if (event.pointerType === 'touch') return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(show, 120);
    });
    link.addEventListener('pointerleave', () => this.#later());
    link.addEventListener('focus', () => link.matches(':focus-visible') && show());
    link.addEventListener('blur', () => this.hide());
    return link;
  }

  hide() {
    clearTimeout(this.#timer);
    document.removeEventListener('keydown', this.#escape, true);
    this.node.hidden = true;
    this.#anchor?.removeAttribute('aria-describedby');
    this.#anchor = null;
  }

  /** After a redraw, hide the preview if its link is gone. */
  redrawn() {
    if (this.#anchor && !this.#anchor.isConnected) this.hide();
  }

  /** After `view` scrolled, move with the link if it is still active and visible, else hide. */
  follow(view) {
    if (!this.#anchor) return;
    const at = this.#anchor.getBoundingClientRect();
    const frame = view.getBoundingClientRect();
    const inSight = at.bottom > frame.top && at.top < frame.bottom;
    if (inSight && this.#anchor.matches(':hover, :focus-visible')) this.#place();
    else this.hide();
  }

  /** Hide soon after the pointer left, unless it enters the preview or the link has focus. */
  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#anchor?.matches(':focus-visible')) this.hide();
    }, 200);
  }

  #show(link, source) {
    this.hide();
    if (!link.isConnected) return;
    this.#anchor = link;
    this.node.replaceChildren(
      h('strong', { dir: 'auto' }, source.title),
      source.section ? h('span', { class: 'section', dir: 'auto' }, source.section) : '',
      h('p', { dir: 'auto' }, source.snippet),
    );
    this.node.hidden = false;
    link.setAttribute('aria-describedby', 'preview');
    document.addEventListener('keydown', this.#escape, true);
    this.#place();
  }

  /** Place the preview in the panel: above the link if there is room, else below. */
  #place() {
    const link = this.#anchor;
    const frame = this.node.offsetParent.getBoundingClientRect();
    const at = link.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const above = at.top - frame.top > height + 12;
    const top = above ? at.top - frame.top - height - 6 : at.bottom - frame.top + 6;
    const left = Math.min(Math.max(at.left - frame.left - width / 2, 12), frame.width - width - 12);
    this.node.style.setProperty('top', `${top}px`);
    this.node.style.setProperty('left', `${Math.max(left, 12)}px`);
  }
}
