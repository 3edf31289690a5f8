"""Words of a text, in any script: terms, sparse BM25 vectors, sentences.

A term is a stemmed word, a number, or an n-gram of characters where a script writes no
spaces. Names from code count whole and by their parts: `createSlice` is `createslice`,
`create` and `slice`, and `use_state`, `useState` and `use-state` share `usestate`. An operator
that a text speaks about is a term as well: `===`, or the `?` of "the ? operator".
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any
from zlib import crc32

from rag.language.stop_words import STOP_WORDS
from rag.models import SparseVector

K1 = 0.7
B = 0.5
"""Near Anserini's defaults, 0.9 and 0.4, amid values that measure alike: beside a dense side,
that a word occurs says more than how often."""
AVERAGE_LENGTH = 1000
"""Length of a usual passage in characters. Fixed, so that no vector depends on other passages."""
JOINED = 0.5
"""Weight in a question of a compound written as one word, beside its parts."""
SENTENCE, EVIDENCE = 4, 2
"""Words, and stop words among them, from which a sentence in Latin script tells its language."""
LONGEST = 64
"""Longer words are cut: they are data, not language."""

_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Snowball's algorithm (snowballstem.org) by the primary subtag of a BCP 47 code."""

_LATIN = _STEMMERS.keys() - {"ar", "el", "fa", "hi", "hy", "ne", "ru", "sr", "ta", "yi"}
"""Languages whose own words may be ASCII."""

_MARKS = "".join(
    chr(c)
    for first, last in ((0x300, 0x1DFF), (0x20D0, 0x20FF), (0xA800, 0xABFF))
    for c in range(first, last + 1)
    if unicodedata.category(chr(c)).startswith("M")
)
"""Combining marks: part of a word in Hindi or Urdu, though `\\w` leaves them out."""

_BIGRAM_SCRIPTS = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_BIGRAM_SCRIPTS += "\U00020000-\U0003ffff"  # Han and kana; Hangul, whose words carry endings
_TRIGRAM_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_NGRAMS = {2: re.compile(f"[{_BIGRAM_SCRIPTS}]+"), 3: re.compile(f"[{_TRIGRAM_SCRIPTS}]+")}

_WORD = f"[\\w{_MARKS}]"
_SIGNS = "!#$%&*+-./:;<=>?@\\^|~"
_BRACKETS = "()[]{}"
_SIGN = f"[{re.escape(_SIGNS)}]"
_OPERATOR = (
    rf"(?<=`)[{re.escape(_SIGNS + _BRACKETS)}]{{1,3}}(?=`)"
    rf"|(?<![^\s(]){_SIGN}{{1,3}}(?=\s+(?:operator|symbol|sign|token|syntax)s?\b)"
    r"|(?<![^\s(])(?![-.!*]+(?:[\s?]|$))(?:[!%&*+\-./<=>^|~]{2,3}|\?\?=?|\?\.|::)(?=[?.,;]?(?:\s|$))"
)
"""Inline code of signs alone, what is called an operator, or several signs between spaces."""
_COMPOUND = re.compile(
    f"\\d+(?:[.,]\\d+)+(?!{_WORD})|{_WORD}+(?:(?:::|->|[-.]){_WORD}+)*(?:\\+\\+|#)?|{_OPERATOR}"
)
_UNSPACED = frozenset({"ja", "th", "zh"})
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
"""Languages by their letters: the most telling letters first, and the likeliest language."""
_OWN_LETTERS = {"de": "ß", "es": "ñ¿¡", "pt": "ãõ"}
"""Letters and signs of one language among those with stop words in Latin script."""
_SEPARATORS = re.compile(r"::|->|[-._]")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CONTRACTION = re.compile(r"(?<=\w)'(?:s|t|d|m|re|ve|ll)\b", re.IGNORECASE)
_UNSEEN = re.compile(
    "[\u00ad\u0640\u064b-\u065f\u0670\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""What readers do not type: soft hyphens, Arabic vowel signs and kashida, direction marks."""
_SAME = str.maketrans("يىكۀەھ’ʼ", "ییکہہہ''")
"""Letters that Arabic, Persian and Urdu keyboards type differently."""


def normalise(text: str) -> str:
    """Text in one Unicode form (NFKC), without invisible marks, apostrophes straight."""
    if text.isascii():
        return text
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return text.replace("’", "'").replace("ʼ", "'")


def terms(text: str, language: str = "en") -> Iterator[tuple[str, float]]:
    """The terms of a text in its order, each with its weight in a question."""
    for word in _words(normalise(text)):
        yield from _compound(word, primary_subtag(language))


def content_words(text: str, language: str = "en") -> list[str]:
    """The words of a question without the stop words of its language, as they are written.

    That language is the book's, `language`, unless the question is surely in another. A word
    in capitals, like IT or MIT, is never a stop word.
    """
    text = normalise(text)
    if text.isascii() and primary_subtag(language) not in _LATIN:
        language = "en"  # as in `_stem`
    spoken = primary_subtag(guess_language(text, language))
    if spoken in _UNSPACED:
        longest_first = sorted(STOP_WORDS[spoken], key=len, reverse=True)
        return _words(re.sub("|".join(longest_first), " ", text))
    stop = _stop_words().get(spoken, frozenset())
    return [word for word in _words(text) if _looked_up(word) not in stop]


def question_terms(text: str, language: str = "en") -> dict[str, float]:
    """What a question is about, with weights: the terms of its content words.

    A question of stop words alone ("to be or not to be") keeps them.
    """
    weights: dict[str, float] = {}
    for word in content_words(text, language) or _words(normalise(text)):
        for term, weight in _compound(word, primary_subtag(language)):
            weights[term] = max(weight, weights.get(term, 0.0))
    return weights


def guess_language(text: str, default: str = "en") -> str:
    """The language that a text is surely written in; otherwise `default`, the book's.

    In Latin script it takes a sentence: at least SENTENCE words, of which at least EVIDENCE
    are stop words of that language, more than of any other. Letters decide a tie. Other
    scripts name their language, or leave it to `default` where it is written in them too.
    """
    text = normalise(text)
    words = [_looked_up(word) for word in _words(text)]
    if len(words) >= SENTENCE:
        hits = {
            name: len(stop.intersection(words))
            for name, stop in _stop_words().items()
            if name in _LATIN
        }
        most = max(hits.values())
        best = [name for name, count in hits.items() if count == most]
        if len(best) > 1 and primary_subtag(default) not in best:
            best = [name for name in best if set(_OWN_LETTERS.get(name, "")) & set(text.lower())]
        if most >= EVIDENCE and len(best) == 1:
            return default if best == [primary_subtag(default)] else best[0]
    for script, languages in _SCRIPTS:
        if script.search(text):
            return default if primary_subtag(default) in languages else languages[0]
    return default


def primary_subtag(language: str) -> str:
    """The language itself of a BCP 47 code: `de` of `de-AT`."""
    return language.lower().replace("_", "-").split("-")[0]


@cache
def _stop_words() -> dict[str, frozenset[str]]:
    return {name: frozenset(map(_without_accents, words)) for name, words in STOP_WORDS.items()}


def _looked_up(word: str) -> str:
    """A word as it would stand among the stop words."""
    in_capitals = len(word) > 1 and word.isupper()
    return word if in_capitals else _without_accents(word.lower())


def _words(text: str) -> list[str]:
    return _COMPOUND.findall(_CONTRACTION.sub("", text))


def _compound(text: str, language: str) -> Iterator[tuple[str, float]]:
    if text[0].isdigit() and text[-1].isdigit() and not text.isalnum() and _is_number(text):
        yield text.replace(",", ""), 1.0
        return
    if text[-1] in _SIGNS + _BRACKETS:  # C++, C#, F#, and operators
        yield text.lower()[:LONGEST], 1.0
        return
    segments = [part for part in _SEPARATORS.split(text) if part]
    for segment in segments:
        parts = _CAMEL.findall(segment) if _is_camel(segment) else [segment]
        for part in parts:
            yield from ((term, 1.0) for term in _simple(part[:LONGEST], language))
        if len(parts) > 1:
            yield _stem(segment.lower()[:LONGEST], language), JOINED
    if len(segments) > 1:
        yield _stem("".join(segments).lower()[:LONGEST], language), JOINED


def _is_number(text: str) -> bool:
    return all(c.isdigit() or c in ".," for c in text)


def _is_camel(text: str) -> bool:
    """`createSlice` and `HTTPServer`, but not `Word`, `HTTP`, `IPv4` nor another script."""
    return (
        text.isascii() and text.isalpha() and bool(re.search("[a-z][A-Z]|[A-Z]{2}[a-z]{2}", text))
    )


def _simple(word: str, language: str) -> Iterator[str]:
    for n, script in _NGRAMS.items():
        if script.search(word):
            for run in script.findall(word):
                yield from (run[i : i + n] for i in range(max(1, len(run) - n + 1)))
            for rest in script.split(word):
                if rest:
                    yield from _simple(rest, language)
            return
    yield _stem(word.lower(), language)


_stemmers = threading.local()  # a Snowball stemmer keeps the word it works on


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    """The stem of a lowercase word, without accents: readers leave them out."""
    if word.isascii() and word.isdigit():
        return word
    if word.isascii() and language not in _LATIN:
        language = "en"  # English words and names from code in another script's text
    if algorithm := _STEMMERS.get(language):
        stemmer: Any = getattr(_stemmers, algorithm, None)
        if stemmer is None:
            import snowballstemmer

            stemmer = snowballstemmer.stemmer(algorithm)
            setattr(_stemmers, algorithm, stemmer)
        word = stemmer.stemWord(word)
    if word.isascii():
        return word
    return _without_accents(word).translate(_SAME)


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")


def sparse_passage(text: str, language: str = "en") -> SparseVector:
    """The part of BM25 that a passage brings: saturated term frequencies.

    `tf (k1 + 1) / (tf + k1 (1 - b + b length / average))` (Robertson and Zaragoza 2009);
    the engine multiplies by IDF, which is why one passage never depends on another. `text` is
    what is embedded, so that the titles above a passage count as its words.
    """
    primary = primary_subtag(language)
    counts = Counter(
        term for word in _words(normalise(text)) for term in _word_hashes(word, primary)
    )
    norm = K1 * (1 - B + B * len(text) / AVERAGE_LENGTH)
    return _vector({term: tf * (K1 + 1) / (tf + norm) for term, tf in counts.items()})


def sparse_question(text: str, language: str = "en") -> SparseVector:
    """The terms that a question is about, each with weight 1, or less where it is derived.

    Stop words are left out, unless there is nothing else.
    """
    weights = question_terms(text, language)
    return _vector({_hash(term): weight for term, weight in weights.items()})


def term_hashes(text: str, language: str = "en") -> set[int]:
    """The terms of a text as they stand in sparse vectors."""
    primary = primary_subtag(language)
    return {term for word in _words(normalise(text)) for term in _word_hashes(word, primary)}


@lru_cache(maxsize=20_000)
def _word_hashes(word: str, language: str) -> tuple[int, ...]:
    """A book repeats its words: taken apart once, a passage is judged ten times as fast."""
    return tuple(_hash(term) for term, _ in _compound(word, language))


def _vector(values: dict[int, float]) -> SparseVector:
    indices = tuple(sorted(values))
    return SparseVector(indices, tuple(values[i] for i in indices))


def _hash(term: str) -> int:
    return crc32(term.encode())
