"""What a reader has highlighted on a page, found again among the passages."""

from __future__ import annotations

import re
from dataclasses import replace

from rag.models import Found, Passage

SELECTION = 1500
"""Characters; a longer text is the page around the reader, not what they ask about."""
SEARCHED = 400
"""Characters of a selection that are searched with and looked for: its beginning."""
SAME = 0.4
"""Share of the selection that a passage must hold. Less than half: where a selection goes over the
border of two passages, its pieces across the border are in neither."""
_SHINGLE, _STEP = 16, 8

_NOT_LETTERS = re.compile(r"[\W_]+")


def selection(highlighted: str) -> str:
    """The part of the highlighted text to search with; empty where it is a whole page."""
    return highlighted[:SEARCHED] if len(highlighted) <= SELECTION else ""


def with_highlighted_first(found: Found, highlighted: str) -> Found:
    """The passage that holds the highlighted text before all others, which then answers.

    As it is where no passage holds SAME of it. Signs and white space do not count: a page shows
    a passage without its Markdown.
    """
    letters = _letters(highlighted[:SEARCHED])
    last = max(1, len(letters) - _SHINGLE + 1)
    pieces = {letters[at : at + _SHINGLE] for at in range(0, last, _STEP)}
    if not letters:
        return found
    held = [_share(pieces, passage) for passage in found.passages]
    best = max(held, default=0.0)
    if best < SAME:
        return found
    first = found.passages[held.index(best)]
    others = [passage for passage in found.passages if passage is not first]
    first = replace(first, score=1.0)
    return Found((first, *others), "answer")


def _share(pieces: set[str], passage: Passage) -> float:
    text = _letters(passage.chunk.text)
    return sum(piece in text for piece in pieces) / len(pieces)


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text.casefold())
