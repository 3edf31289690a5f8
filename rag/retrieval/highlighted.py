"""Find the passage that contains the text that a reader highlighted on the page."""

from __future__ import annotations

import re
from dataclasses import replace

from rag.models import Passage, SearchResult

MAX_SELECTION = 1500
"""Maximum length of a selection, in characters. A longer text is probably the whole page."""
MAX_SEARCHED = 400
"""Length of the start of a selection that is used for searching, in characters."""
MIN_OVERLAP = 0.4
"""Minimum share of the selection that a passage must contain. It is below one half because a
selection may span two passages, and the pieces across the boundary are in neither."""
_SHINGLE, _STEP = 16, 8

_NOT_LETTERS = re.compile(r"[\W_]+")


def searchable_selection(highlighted: str) -> str:
    """Return the part of the highlighted text to search with, or "" if it is too long."""
    return highlighted[:MAX_SEARCHED] if len(highlighted) <= MAX_SELECTION else ""


def put_highlighted_first(found: SearchResult, highlighted: str) -> SearchResult:
    """Move the passage that contains the highlighted text to the front, with score 1.

    If no passage contains MIN_OVERLAP of it, return `found` unchanged. Only letters and digits are
    compared, because the page shows a passage without its Markdown.
    """
    letters = _letters(highlighted[:MAX_SEARCHED])
    last = max(1, len(letters) - _SHINGLE + 1)
    pieces = {letters[at : at + _SHINGLE] for at in range(0, last, _STEP)}
    if not letters:
        return found
    held = [_overlap(pieces, passage) for passage in found.passages]
    best = max(held, default=0.0)
    if best < MIN_OVERLAP:
        return found
    first = found.passages[held.index(best)]
    others = [passage for passage in found.passages if passage is not first]
    first = replace(first, score=1.0)
    return SearchResult((first, *others), "answer")


def _overlap(pieces: set[str], passage: Passage) -> float:
    text = _letters(passage.chunk.text)
    return sum(piece in text for piece in pieces) / len(pieces)


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text.casefold())
