"""Tokenize text in any script and build sparse BM25 vectors.

A term is a stemmed word, a number, or a character n-gram in scripts without spaces. Identifiers are
indexed as a whole and by their parts: `createSlice` gives `createslice`, `create` and `slice`, and
`use_state`, `useState` and `use-state` all give `usestate`. Operators that a text mentions are
terms too, such as `===` or the `?` in "the ? operator".
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from zlib import crc32

from rag.language.detect import (
    guess_language,
    normalize,
    primary_subtag,
    stop_word_form,
    stop_words,
    without_accents,
)
from rag.language.stop_words import STOP_WORDS
from rag.models import SparseVector

K1 = 0.7
B = 0.5
"""BM25 parameters, close to Anserini's defaults of 0.9 and 0.4. Nearby values measure the same:
combined with dense vectors, whether a word occurs matters more than how often."""
AVERAGE_LENGTH = 1000
"""Assumed average passage length, in characters. A constant, so that vectors are independent."""
COMPOUND_WEIGHT = 0.5
"""Weight in a question of a compound as a whole; its parts have weight 1."""
MAX_WORD = 64
"""Longer words are truncated: they are data, not language."""

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
"""Snowball stemmers (https://snowballstem.org) by the primary subtag of a BCP 47 code."""

_LATIN = _STEMMERS.keys() - {"ar", "el", "fa", "hi", "hy", "ne", "ru", "sr", "ta", "yi"}
"""Languages in Latin script, whose words may be pure ASCII."""

_MARKS = "".join(
    chr(c)
    for first, last in ((0x300, 0x1DFF), (0x20D0, 0x20FF), (0xA800, 0xABFF))
    for c in range(first, last + 1)
    if unicodedata.category(chr(c)).startswith("M")
)
"""Combining marks. They are part of words in Hindi or Urdu, but `\\w` does not match them."""

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
"""Symbols in inline code, symbols called an operator, or several symbols between spaces."""
_COMPOUND = re.compile(
    f"\\d+(?:[.,]\\d+)+(?!{_WORD})|{_WORD}+(?:(?:::|->|[-.]){_WORD}+)*(?:\\+\\+|#)?|{_OPERATOR}"
)
_UNSPACED = frozenset({"ja", "th", "zh"})
_SEPARATORS = re.compile(r"::|->|[-._]")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CONTRACTION = re.compile(r"(?<=\w)'(?:s|t|d|m|re|ve|ll)\b", re.IGNORECASE)
_KEYBOARD_VARIANTS = str.maketrans("يىكۀەھ’ʼ", "ییکہہہ''")
"""Letters that differ between Arabic, Persian and Urdu keyboards."""


def content_words(text: str, language: str = "en") -> list[str]:
    """Return the words of a question, as written, without stop words.

    The question is assumed to be in the book's `language` unless another one is detected. Words in
    capitals, such as IT, are never stop words.
    """
    text = normalize(text)
    if text.isascii() and primary_subtag(language) not in _LATIN:
        language = "en"  # as in `_stem`
    spoken = primary_subtag(guess_language(text, language))
    if spoken in _UNSPACED:
        longest_first = sorted(STOP_WORDS[spoken], key=len, reverse=True)
        return _words(re.sub("|".join(longest_first), " ", text))
    stop = stop_words().get(spoken, frozenset())
    return [word for word in _words(text) if stop_word_form(word) not in stop]


def question_terms(text: str, language: str = "en") -> dict[str, float]:
    """Return the terms of a question's content words, with weights.

    A question that consists only of stop words, such as "to be or not to be", keeps them.
    """
    weights: dict[str, float] = {}
    for word in content_words(text, language) or _words(normalize(text)):
        for term, weight in _compound_terms(word, primary_subtag(language)):
            weights[term] = max(weight, weights.get(term, 0.0))
    return weights


def _words(text: str) -> list[str]:
    return _COMPOUND.findall(_CONTRACTION.sub("", text))


def _compound_terms(text: str, language: str) -> Iterator[tuple[str, float]]:
    if text[0].isdigit() and text[-1].isdigit() and not text.isalnum() and _is_number(text):
        yield text.replace(",", ""), 1.0
        return
    if text[-1] in _SIGNS + _BRACKETS:  # C++, C#, F#, and operators
        yield text.lower()[:MAX_WORD], 1.0
        return
    segments = [part for part in _SEPARATORS.split(text) if part]
    for segment in segments:
        parts = _CAMEL.findall(segment) if _is_camel(segment) else [segment]
        for part in parts:
            yield from ((term, 1.0) for term in _word_terms(part[:MAX_WORD], language))
        if len(parts) > 1:
            yield _stem(segment.lower()[:MAX_WORD], language), COMPOUND_WEIGHT
    if len(segments) > 1:
        yield _stem("".join(segments).lower()[:MAX_WORD], language), COMPOUND_WEIGHT


def _is_number(text: str) -> bool:
    return all(c.isdigit() or c in ".," for c in text)


def _is_camel(text: str) -> bool:
    """Whether a word is camel case: `createSlice` or `HTTPServer`, not `Word`, `HTTP` or `IPv4`."""
    return (
        text.isascii() and text.isalpha() and bool(re.search("[a-z][A-Z]|[A-Z]{2}[a-z]{2}", text))
    )


def _word_terms(word: str, language: str) -> Iterator[str]:
    for n, script in _NGRAMS.items():
        if script.search(word):
            for run in script.findall(word):
                yield from (run[i : i + n] for i in range(max(1, len(run) - n + 1)))
            for rest in script.split(word):
                if rest:
                    yield from _word_terms(rest, language)
            return
    yield _stem(word.lower(), language)


_stemmers = threading.local()  # Snowball stemmers are stateful


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    """Stem a lowercase word and remove its accents, which readers often omit."""
    if word.isascii() and word.isdigit():
        return word
    if word.isascii() and language not in _LATIN:
        language = "en"  # English words and identifiers in text in another script
    if algorithm := _STEMMERS.get(language):
        stemmer: Any = getattr(_stemmers, algorithm, None)
        if stemmer is None:
            import snowballstemmer

            stemmer = snowballstemmer.stemmer(algorithm)
            setattr(_stemmers, algorithm, stemmer)
        word = stemmer.stemWord(word)
    if word.isascii():
        return word
    return without_accents(word).translate(_KEYBOARD_VARIANTS)


def sparse_passage(text: str, language: str = "en") -> SparseVector:
    """Return the passage side of BM25: saturated term frequencies.

    `tf (k1 + 1) / (tf + k1 (1 - b + b length / average))` (Robertson and Zaragoza 2009). The vector
    store multiplies by IDF, so a passage's vector does not depend on other passages. `text` should
    be the embedded text, so that title and headings count too.
    """
    primary = primary_subtag(language)
    counts = Counter(
        term for word in _words(normalize(text)) for term in _word_hashes(word, primary)
    )
    norm = K1 * (1 - B + B * len(text) / AVERAGE_LENGTH)
    return _vector({term: tf * (K1 + 1) / (tf + norm) for term, tf in counts.items()})


def sparse_question(text: str, language: str = "en") -> SparseVector:
    """Return the question side of BM25: its terms, with weight 1, or less for compounds.

    Stop words are left out unless there are no other words.
    """
    weights = question_terms(text, language)
    return _vector({_hash(term): weight for term, weight in weights.items()})


def term_hashes(text: str, language: str = "en") -> set[int]:
    """Return the terms of a text, hashed as in sparse vectors."""
    primary = primary_subtag(language)
    return {term for word in _words(normalize(text)) for term in _word_hashes(word, primary)}


@lru_cache(maxsize=20_000)
def _word_hashes(word: str, language: str) -> tuple[int, ...]:
    """Return the hashed terms of a word. Cached, because a book repeats its words."""
    return tuple(_hash(term) for term, _ in _compound_terms(word, language))


def _vector(values: dict[int, float]) -> SparseVector:
    indices = tuple(sorted(values))
    return SparseVector(indices, tuple(values[i] for i in indices))


def _hash(term: str) -> int:
    return crc32(term.encode())
