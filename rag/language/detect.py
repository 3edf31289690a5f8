"""Detect the language of a text, by its script, its letters and its stop words."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache, lru_cache
from itertools import chain

from rag.language import visible
from rag.language.stop_words import STOP_WORDS

MIN_WORDS, MIN_STOP_WORDS = 4, 2
"""Minimum words, and stop words among them, to detect the language of Latin-script text."""
_SCRIPTS = [
    (re.compile(letters), languages.split())
    for letters, languages in (
        ("[\u3040-\u30ff]", "ja"),
        ("[\uac00-\ud7af]", "ko"),
        ("[\u3400-\u9fff]", "zh ja"),
        ("[ٹڈڑںےہ]", "ur"),
        ("[پچژگکی]", "fa ur"),
        ("[\u0620-\u064a]", "ar fa ur"),
        ("[\u0900-\u097f]", "hi mr ne"),
        ("[\u0e00-\u0e7f]", "th"),
        ("[\u0400-\u04ff]", "ru bg sr uk"),
        ("[\u0370-\u03ff]{2}", "el"),  # a single letter is a symbol
        ("[\u0590-\u05ff]", "he yi"),
    )
]
"""Languages by script. The most distinctive letters and the likeliest languages come first."""
_ACCENTED = {
    "de": "äöüß",
    "es": "áéíñóúü¿¡",
    "fr": "àâçèéêëîïôùûüœ",
    "it": "àèéìòù",
    "nl": "éëï",
    "pt": "àáâãçéêíóôõú",
    "tr": "çğıöşü",
}
_LETTERS = {
    letter: [name for name, letters in _ACCENTED.items() if letter in letters]
    for letter in "".join(_ACCENTED.values())
}
"""Characters beyond ASCII, with the languages with stop words that use them."""
_LATIN_LETTER = re.compile(r"[a-z\u00aa-\u024f]", re.IGNORECASE)
_NOT_LATIN = re.compile(r"(?![\u1e00-\u1eff])[^\W\d_\u0000-\u024f]")
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff]")
_NOT_PROSE = re.compile(r"`[^`\n]*`|(?<!\w)-{1,2}\w[\w-]*|\b\w+(?:[._:/\\]+\w+)+")
"""Inline code, flags, names and paths."""
_INVISIBLE = re.compile(
    "[\u00ad\u0640\u064b-\u065f\u0670\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Characters that readers do not type: soft hyphens, Arabic vowel signs, direction marks."""


def normalize(text: str) -> str:
    """Normalize to NFKC, remove invisible characters and straighten apostrophes."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", visible.normalize("NFKC", text))
    return text.replace("’", "'").replace("ʼ", "'")


def guess_language(text: str, default: str = "en", likely: str = "") -> str:
    """Detect the language of a text. Without evidence, return `likely` or else `default`.

    Only a sentence of at least MIN_WORDS words is judged by its words. Each stop word and each
    letter beyond ASCII counts for the languages that use it, and for less if several do. A
    language with the highest score and at least MIN_STOP_WORDS stop words wins; a tie is no
    evidence, so `likely` or `default` wins if it is among the best. Other scripts identify a
    language directly, unless `default` or `likely` uses the same script. If scripts are mixed, the
    one with the most letters counts, with wide letters counted twice.
    """
    text = normalize(text)
    known = {primary_subtag(name): name for name in (likely, default) if name}
    scripts = () if text.isascii() else _SCRIPTS
    script = next((languages for letters, languages in scripts if letters.search(text)), None)
    if script is None or _is_mostly_latin(text):
        best = _latin_languages(text)
        if best:
            named = [known[name] for name in known if name in best]
            if named or len(best) == 1:
                return named[0] if named else best[0]
    if script:
        return next((known[name] for name in known if name in script), script[0])
    return likely or default


def is_in_other_language(text: str, language: str) -> bool:
    """Return whether there is evidence that a text is in another language."""
    return primary_subtag(guess_language(text, language)) != primary_subtag(language)


def _is_mostly_latin(text: str) -> bool:
    """Whether most letters outside of inline code are Latin. Wide letters count twice."""
    text = _NOT_PROSE.sub(" ", text)
    others = len(_NOT_LATIN.findall(text)) + len(_WIDE.findall(text))
    return others < len(_LATIN_LETTER.findall(text))


def _latin_languages(text: str) -> list[str]:
    """Return the languages in Latin script with the most evidence in a sentence, if any."""
    words = re.findall(r"\w+", _NOT_PROSE.sub(" x ", text))
    if len(words) < MIN_WORDS:
        return []
    users = languages_by_stop_word()
    by_word = [users.get(word, ()) for word in set(map(stop_word_form, words))]
    by_letter = [_LETTERS[letter] for letter in set(text.lower()) & _LETTERS.keys()]
    hits = Counter(chain(*by_word, *(names for names in by_letter if len(names) == 1)))
    scores: dict[str, float] = {}
    for names in (*by_word, *by_letter):
        for name in names:
            scores[name] = scores.get(name, 0.0) + 1 / len(names)
    scores = {name: score for name, score in scores.items() if hits[name] >= MIN_STOP_WORDS}
    most = max(scores.values(), default=0.0)
    return [name for name, score in scores.items() if score > most - 1e-9]


def primary_subtag(language: str) -> str:
    """Return the primary language of a BCP 47 code, such as `de` for `de-AT`."""
    return language.lower().replace("_", "-").split("-")[0]


@cache
def languages_by_stop_word() -> dict[str, list[str]]:
    """Return the languages in Latin script that use each stop word."""
    users: dict[str, list[str]] = {}
    for name in sorted(stop_words().keys()):
        for word in stop_words()[name]:
            users.setdefault(word, []).append(name)
    return users


@cache
def stop_words() -> dict[str, frozenset[str]]:
    return {name: frozenset(map(without_accents, words)) for name, words in STOP_WORDS.items()}


@lru_cache(8192)
def stop_word_form(word: str) -> str:
    """Normalize a word for the stop word lookup. Words in capitals stay as they are."""
    in_capitals = len(word) > 1 and word.isupper()
    return word if in_capitals else without_accents(word.lower())


def without_accents(word: str) -> str:
    if word.isascii():
        return word
    decomposed = visible.normalize("NFKD", word)
    return "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")
