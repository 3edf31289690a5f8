// Choose the interface language and its writing direction.
import { LANGUAGES } from './languages.js';

/** Return the interface language for a tag such as `de-AT` and its strings; English by default. */
export function stringsFor(tag) {
  const language = tag.toLowerCase().split(/[-_]/)[0];
  return Object.hasOwn(LANGUAGES, language) ? [language, LANGUAGES[language]] : ['en', LANGUAGES.en];
}

export const directionOf = (language) => (['ar', 'ur', 'he'].includes(language) ? 'rtl' : 'ltr');
