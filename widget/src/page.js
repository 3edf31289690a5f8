// The page around the inline chat: filled in from /config.
import { h, safeUrl } from './dom.js';

/** Fill the elements with `data-book`; missing values leave them unchanged. */
export function fillPage(config) {
  const { title, site_url: site, engines = {}, privacy } = config;
  const fill = (name, ...content) => {
    const place = document.querySelector(`[data-book=${name}]`);
    if (place) place.replaceChildren(...content);
  };
  if (title) {
    fill('title', title);
    document.title = title;
  }
  const url = site && safeUrl(site);
  if (url) fill('site', h('a', { href: url.href, target: '_blank', rel: 'noopener' }, url.host));
  fill('engines', ...Object.entries(engines).flatMap(([role, name]) => [h('dt', {}, role), h('dd', {}, name)]));
  if (privacy) fill('privacy', privacy);
}
