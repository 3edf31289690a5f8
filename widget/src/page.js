// The service's own page around the inline chat: fills in what /config says of the book.
import { h, safeUrl } from './dom.js';

/** Fill the elements that carry `data-book`; what the service does not say stays away. */
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
