"""Sentences of a paragraph, in any script."""

from __future__ import annotations

import re

LONGEST_SENTENCE = 2000
"""From this many characters on, the next full stop ends a sentence whatever stands before it."""
_SENTENCE_END = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]*_]*+(?=\s)|[。！？｡]+[」』”’）]*|[।॥۔؟]+["'”’»)]*"""
)
_NO_END = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|e\.g|i\.e|a\.k\.a|approx|ca|cf|ch|dr|ed|eq|etc|fig|gen|gov|inc|jr|ltd"
    r"|max|min|mr|mrs|ms|no|nos|nr|p|pp|prof|sec|sen|sr|st|viz|vol|vs|z\.b|d\.h|bzw|usw)\.$",
    re.IGNORECASE,
)
"""Initials and abbreviations whose full stop ends no sentence."""
_NEXT = re.compile(r"\s*\S?")


def sentences(text: str) -> list[str]:
    """A paragraph's sentences, each as it stands in the text, without the space around.

    Full stops of abbreviations, initials, numbers and inline code end nothing; an
    abbreviation at the end of a sentence joins it to the next.
    """
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        sentence = text[start:end]
        if end - start < LONGEST_SENTENCE and (
            (match[0][0] == "." and _next(text, end).islower())
            or (match[0] == "." and _NO_END.search(sentence[-16:]))
            or sentence.count("`") % 2
        ):
            continue
        if stripped := sentence.strip():
            found.append(stripped)
        start = end
    if rest := text[start:].strip():
        found.append(rest)
    return found


def _next(text: str, start: int) -> str:
    found = _NEXT.match(text, start)
    return found[0][-1:] if found else ""
