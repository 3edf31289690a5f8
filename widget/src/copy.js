// Copy to the clipboard.
import { h, icon, iconButton } from './dom.js';

/** Copy text; return false if the browser forbids it. `button` is the one that was pressed. */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'unseen', readonly: true });
    area.value = text;
    button.after(area); // a frame may block the clipboard API and still allow this
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    button.focus({ preventScroll: true });
    return copied;
  }
}

/** Create a button that copies what `text()` returns, and says whether it could. */
export function copyButton({ t, announcer }, label, text) {
  const button = iconButton('copy', label, async () => {
    const copied = await copy(text(), button);
    announcer.say(copied ? t.copied : t.copyFailed);
    button.replaceChildren(icon(copied ? 'done' : 'close'));
    setTimeout(() => button.replaceChildren(icon('copy')), 1600);
  });
  return button;
}
