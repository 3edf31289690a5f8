// Build DOM without markup. No string is parsed as HTML, so this also works on pages that require
// Trusted Types or forbid inline styles and scripts.

/** Create an element with attributes, `on…` listeners and children; null and false are skipped. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}

const ICONS = {
  ask: 'M12 3.5c-5 0-8.5 3.1-8.5 7.2 0 2.3 1.1 4.3 3 5.6v4.2l3.6-2.6c.6.1 1.2.2 1.9.2 5 0 8.5-3.2 8.5-7.4S17 3.5 12 3.5ZM8.5 9.3h7M8.5 12.4h4.5',
  close: 'M6 6l12 12M18 6L6 18',
  fresh: 'M12 4.5H6.5a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V12M18.6 3.9a1.6 1.6 0 0 1 2.3 2.3L13 14l-3 .8.8-3 7.8-7.9Z',
  erase: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 10.5v6M14 10.5v6',
  save: 'M12 4v11M7 10.5l5 5 5-5M4.5 19.5h15',
  assistant: 'M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0V8ZM12 17v4',
  send: 'M12 19V5.5M6 11.2l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9',
  done: 'M5 12.5l4.5 4.5L19 7.5',
  good: 'M7.5 11v8.5h-3V11h3Zm0 0 3.7-6.6c1.4 0 2.3 1 2.1 2.4l-.5 3h5.1c1.2 0 2 1 1.8 2.1l-1 5.9c-.2 1-1 1.7-2 1.7H7.5',
  bad: 'M16.5 13V4.5h3V13h-3Zm0 0-3.7 6.6c-1.4 0-2.3-1-2.1-2.4l.5-3H6.1c-1.2 0-2-1-1.8-2.1l1-5.9c.2-1 1-1.7 2-1.7h9.2',
};

/** Create a 24 × 24 line icon in the text colour. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** Create an icon button; the label is its accessible name and its tooltip. */
export function iconButton(name, label, onclick, attributes = {}) {
  const given = { type: 'button', class: 'icon', 'aria-label': label, title: label };
  return h('button', { ...given, onclick, ...attributes }, icon(name));
}

/** Parse a link relative to `base`; null if it is empty or neither http nor https. */
export function safeUrl(href, base) {
  if (!href) return null;
  try {
    const url = new URL(href, base);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}

/** Whether a key belongs to an input method. Safari reports its last key as 229 and not composing. */
export const composing = (event) => event.isComposing || event.keyCode === 229;
