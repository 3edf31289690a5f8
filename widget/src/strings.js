// Which of our languages to speak, and in which direction it is written.
import { LANGUAGES } from './languages.js';

/** The language among ours for a tag such as `de-AT`, and its strings; English otherwise. */
export function stringsFor(tag) {
  const language = tag.toLowerCase().split(/[-_]/)[0];
  return Object.hasOwn(LANGUAGES, language) ? [language, LANGUAGES[language]] : ['en', LANGUAGES.en];
}

export const directionOf = (language) => (['ar', 'ur', 'he'].includes(language) ? 'rtl' : 'ltr');
