// Follow the page's light or dark theme, with an accent colour readable on both.

const LIGHT = [255, 255, 255];
const DARK = [22, 24, 29];

/** Relative luminance, 0 to 1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** Return red, green, blue and alpha (0 to 255) of a CSS colour, or null. */
function parse(colour) {
  if (!colour || !CSS.supports('color', colour)) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
}

/** Move a colour toward black or white until its contrast with `ground` is 4.7 : 1. */
function readable(rgb, ground) {
  const goal = luminance(ground) > 0.4 ? 0 : 255;
  for (let share = 0; share < 1; share += 0.04) {
    const mixed = rgb.map((part) => Math.round(part + (goal - part) * share));
    // 4.7 instead of 4.5, because tinted backgrounds reduce contrast.
    if (contrast(mixed, ground) >= 5.5) return mixed;
  }
  return [goal, goal, goal];
}

/** Return CSS that sets the accent for both themes, or '' for an invalid colour. */
export function accentRules(colour) {
  const rgb = parse(colour)?.slice(0, 3);
  if (!rgb) return '';
  const rule = (selector, ground) => {
    const accent = readable(rgb, ground);
    const on = contrast(accent, LIGHT) >= contrast(accent, DARK) ? '#fff' : '#16181d';
    return `${selector}{--accent:rgb(${accent.join(' ')});--on-accent:${on}}`;
  };
  return rule('.book', LIGHT) + rule('.book[data-theme="dark"]', DARK);
}

/**
 * Return the theme of the page: its `data-theme` (Docusaurus and Furo set it), else from the
 * brightness of its background (VitePress, Material, mdBook), else the system's preference.
 */
export function pageTheme() {
  for (const element of [document.documentElement, document.body]) {
    const { theme } = element.dataset;
    if (theme === 'dark' || theme === 'light') return theme;
  }
  for (const element of [document.body, document.documentElement]) {
    const rgba = parse(getComputedStyle(element).backgroundColor);
    if (rgba && rgba[3] > 200) return luminance(rgba.slice(0, 3)) < 0.25 ? 'dark' : 'light';
  }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** Call `changed` whenever the page's theme may have changed, until `signal` aborts. */
export function watchTheme(changed, signal) {
  const observer = new MutationObserver(() => {
    changed();
    setTimeout(changed, 350); // backgrounds often fade
  });
  const watched = { attributeFilter: ['class', 'style', 'data-theme', 'data-md-color-scheme'] };
  observer.observe(document.documentElement, watched);
  observer.observe(document.body, watched);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed, { signal });
  signal.addEventListener('abort', () => observer.disconnect());
}
