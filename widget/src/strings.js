// Choose the interface language and its writing direction.
import { en } from './english.js';

const OTHERS = ['de', 'es', 'fr', 'ar', 'ur', 'he'];

/**
 * Call `use(language, t)` with the interface language for a tag such as `de-AT` and its texts.
 * English is at hand, and also used if the texts of another language cannot be loaded.
 */
export function withStrings(tag, home, use) {
  const language = tag.toLowerCase().split(/[-_]/)[0];
  if (!OTHERS.includes(language)) return use('en', en);
  const url = `${home}widget-languages.js`;
  return import(url).then(
    ({ LANGUAGES }) => use(language, { ...en, ...LANGUAGES[language] }),
    () => use('en', en),
  );
}

export const directionOf = (language) => (['ar', 'ur', 'he'].includes(language) ? 'rtl' : 'ltr');
