"""Split paragraphs into sentences, in any script."""

from __future__ import annotations

import re

LONGEST_SENTENCE = 2000
"""A sentence of this many characters ends at the next full stop, even after an abbreviation."""
_SENTENCE_END = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]*_]*+(?=\s)|[。！？｡]+[」』”’）]*|[।॥۔؟]+["'”’»)]*"""
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|e\.g|i\.e|a\.k\.a|approx|ca|cf|ch|dr|ed|eq|etc|fig|gen|gov|inc|jr|ltd"
    r"|max|min|mr|mrs|ms|no|nos|nr|p|pp|prof|sec|sen|sr|st|viz|vol|vs|z\.b|d\.h|bzw|usw)\.$",
    re.IGNORECASE,
)
"""Initials and abbreviations, whose full stop does not end a sentence."""
_NEXT = re.compile(r"\s*\S?")


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences, without surrounding whitespace.

    Full stops in abbreviations, initials, numbers and inline code do not end a sentence. An
    abbreviation at the end of a sentence therefore joins it to the next one.
    """
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        sentence = text[start:end]
        if end - start < LONGEST_SENTENCE and (
            (match[0][0] == "." and _next_character(text, end).islower())
            or (match[0] == "." and _ABBREVIATION.search(sentence[-16:]))
            or sentence.count("`") % 2
        ):
            continue
        if stripped := sentence.strip():
            found.append(stripped)
        start = end
    if rest := text[start:].strip():
        found.append(rest)
    return found


def _next_character(text: str, start: int) -> str:
    found = _NEXT.match(text, start)
    return found[0][-1:] if found else ""
