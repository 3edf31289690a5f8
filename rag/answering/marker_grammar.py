"""Regular expressions for citation markers, as language models write them.

`citation_filter` reads answers with these. All repeats are bounded, so that a text which only looks
like a marker is soon released. Notes and targets may contain what looks like further items, so they
are possessive: otherwise the number of ways to read a text would be exponential.
"""

from __future__ import annotations

import re

OPEN = "[【［"
CLOSE = "]】］"
MAX_MARKERS = 8
"""Markers that are read together, as in `[1], [2][3]`."""


def beginnings(word: str) -> str:
    """Return a pattern for every beginning of a word, the whole word and nothing included."""
    pattern = ""
    for letter in reversed(word):
        pattern = f"(?:{re.escape(letter)}{pattern})?"
    return pattern


_WORDS = """
    passages sources references refs citations cites cite excerpts snippets documents docs chunks
    context footnotes fn src quelle quellen extrait extraits pasaje fuente fuentes fonte fontes
    fonti passagem passaggio bron bronnen źródło kaynak источник источники отрывок фрагмент
    المصدر مصدر مرجع 来源 來源 段落 文献 引用 参考 出典 資料 출처 참고
"""
"""Words that some models put before the number. Headings such as `[Step 1]` stay text."""
_ANY_LABEL = "|".join(f"{word}?" if word[-1] == "s" else word for word in _WORDS.split())
LABEL = rf"(?i:{_ANY_LABEL})[ :：#._-]{{0,2}}"
LABEL_BEGUN = rf"(?i:{'|'.join(map(beginnings, _WORDS.split()))})"

_O, _C = f"[{re.escape(OPEN)}]", f"[{re.escape(CLOSE)}]"
DASH = "[-–—‑]"
COMMA = "(?: ?[,;，、；&] ?| and )"
_COMMA_BEGUN = "(?: (?:a(?:nd?)?)?)?"
NOTE = rf"†[^{re.escape(CLOSE + OPEN)}\n…]{{0,40}}+"
_NUMBER = rf"(?:{LABEL})?\^?\d{{1,12}}"
_ITEM = rf"{_NUMBER}(?: ?{DASH} ?\d{{1,12}})?(?:{NOTE})?"
_LIST = rf"{_ITEM}(?:{COMMA}{_ITEM}){{0,11}}"
_PREFIX = (
    rf"{_O}{{1,2}} ?(?:{_ITEM}{COMMA}){{0,11}}"
    rf"(?:{_ITEM}{_COMMA_BEGUN}|{_NUMBER} ?{DASH} ?|(?:{LABEL})?\^?|{LABEL_BEGUN})"
)
"""Any beginning of a marker, without its closing bracket."""
_HALF_CLOSED = rf"{_O}{{2}} ?{_LIST} ?{_C}"
_TARGETS = ("http:", "https:", "www.", "/", "#", "./", "../", "<")
"""How the target of a link begins."""
_TARGET = rf"\((?:{'|'.join(map(re.escape, _TARGETS))})[^) \t\n]{{0,300}}+\)?+"
_MARKER = rf"(?:{_O}{{2}} ?{_LIST} ?{_C}{{2}}|{_O} ?{_LIST} ?{_C})(?:{_TARGET})?+"
_JOINT = r"(?:[,;、，；] ?|[ \t])?"

marker = re.compile(_MARKER).match
"""A marker, with the target of a link that it is written as."""
joint = re.compile(_JOINT).match
"""The text between two markers of a group."""
lead = re.compile(r"[ \t]?\(?").match
"""The text before a marker that goes if the marker goes."""
can_grow = re.compile(
    rf"[ \t]?\(?(?:{_MARKER}{_JOINT}){{0,{MAX_MARKERS - 1}}}"
    rf"(?:{_MARKER}|{_MARKER}\((?:{'|'.join(map(beginnings, _TARGETS))})|{_PREFIX}|{_HALF_CLOSED})?"
).fullmatch
"""Whether more text may change how a group of markers is read."""
ends_with_prefix = re.compile(rf"{_PREFIX}$").search
numbers_and_ranges = re.compile(rf"(\d+)(?: ?{DASH} ?(\d+))?(?:{NOTE})?").findall
is_indexed = re.compile(r"(?<!\w)(?:[a-z]|(?=\w*_)\w+)(?:\[[^\[\]\s]*\])*$").search
"""Whether a text ends with a name like `a` or `max_size`, so that a bracket is an index."""

_SPECIAL = rf" \t(`~\\{re.escape(OPEN)}"
plain_text = re.compile(rf"[ \t]*[^{_SPECIAL}]+(?:[ \t]+[^{_SPECIAL}]+)*").match
"""Text that is copied as it is, up to a space that may belong to a marker."""
