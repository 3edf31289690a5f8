"""Remove what nobody can see from a text, and tidy its white space.

Invisible characters can carry instructions to a model past the people who read the same text. Tag
characters (U+E0000 to U+E007F), for example, mirror ASCII, and models understand them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

MAX_MARKS = 30
"""Combining marks in a row, as in the Stream-Safe Text Format (UAX 15). More are dropped, because
normalizing them takes quadratic time."""
MAX_INDENT = 40
"""Spaces that are kept at the start of a line."""

_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1b00-\u1bff\ua840-\ua8ff\ufb50-\ufdff"
    "\ufe0f\ufe70-\ufefc\u20e3\u2190-\u2bff\U00011000-\U00011fff\U0001e900-\U0001e95f"
    "\U0001f000-\U0001faff"
)
"""Arabic, Indic and related scripts, and emoji. They need the joiners U+200C and U+200D."""
_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff]"
)
_JOINERS = re.compile("[\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_STRAY = re.compile(
    f"(?<![{_JOINED}])[\u200c\u200d]"
    "|(?<![^\\s\ufe00-\ufe0f])[\ufe00-\ufe0f]"
    f"|(?<![{_HAN}])[\U000e0100-\U000e01ef]"
)
"""Joiners that no script needs there, and variation selectors with nothing to vary."""
_is_plain = re.compile("[\t\n -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e]*+").fullmatch
"""Whether there are only characters, such as those of most English, that everybody can see."""
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_MAY_BE_MARKS = re.compile(f"[\u0300-\U0001e94a]{{{MAX_MARKS + 1}}}")
"""A range that includes all combining marks, because it is found faster than the marks alone."""


def visible(text: str) -> str:
    """Return a text without control characters and others that cannot be seen.

    Line breaks and tabs stay, and so do joiners in the scripts that need them.
    """
    if _is_plain(text):
        return text
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", text))
    return _STRAY.sub("", text) if _JOINERS.search(text) else text


def normalize(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return the normal form of a text, in linear time.

    Combining marks after the first MAX_MARKS in a row are dropped.
    """
    if text.isascii():
        return text
    if _MAY_BE_MARKS.search(text):
        text = "".join(_without_long_runs(text))
    return unicodedata.normalize(form, text)


def _without_long_runs(text: str) -> Iterator[str]:
    """Yield the characters of a text without the marks after MAX_MARKS in a row."""
    run = 0
    for char in text:
        run = run + 1 if _is_mark(char) else 0
        if run <= MAX_MARKS:
            yield char


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    """Whether a character is a combining mark, or is decomposed into nothing else."""
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", char)))


def tidy(text: str) -> str:
    """Return the visible characters of a text in NFC, without superfluous white space.

    Line breaks and indentation stay, as they matter in code. Other white space becomes one space,
    and several empty lines become one.
    """
    text = normalize("NFC", visible(text))
    lines: list[str] = []
    for line in text.replace("\u2800", " ").split("\n"):
        words = " ".join(line.split())
        indent = line[: len(line) - len(line.lstrip())][:MAX_INDENT] if words else ""
        if words or (lines and lines[-1]):
            lines.append(indent + words)
    return "\n".join(lines).strip()
