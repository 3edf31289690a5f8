"""What each citation marker of a finished answer stands behind."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from rag.answering.citation_filter import is_indexed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

BEFORE = 96
"""Characters before a bracket that tell whether it is an index."""
_MARKER = re.compile(r"\[(\d{1,3})\]")


class Marker(NamedTuple):
    number: int
    claim: str
    """The words from the marker before to this one, within the block; for a marker that stands
    alone or behind another, those that the other stands behind."""


def markers(message: str) -> list[Marker]:
    """The markers of a message in its order, as a Markdown reader meets them: none in code."""
    found: list[Marker] = []
    claim = ""
    for token in _parser().parse(message):
        if token.type != "inline":
            continue
        said = ""
        for is_text, words in _pieces(token.children or []):
            start = 0
            for marker in _MARKER.finditer(words) if is_text else ():
                if is_indexed(words[max(0, marker.start() - BEFORE) : marker.start()]):
                    continue  # the client draws `max_size[0]` as it is, too
                claim = _trimmed(said + words[start : marker.start()]) or claim
                found.append(Marker(int(marker[1]), claim))
                said, start = "", marker.end()
            said += words[start:]
        claim = _trimmed(said) or claim
    return found


def _trimmed(words: str) -> str:
    """Without the punctuation that is left of the sentence before."""
    return words.strip(" .,;:!?")


def _pieces(children: list[Token]) -> list[tuple[bool, str]]:
    """The words of inline content, and whether markers may stand in them; text is joined."""
    pieces: list[tuple[bool, str]] = []
    for child in children:
        if child.type in ("softbreak", "hardbreak"):
            pieces.append((False, " "))
        elif child.type == "text" and pieces and pieces[-1][0]:
            pieces[-1] = (True, pieces[-1][1] + child.content)
        elif child.type in ("text", "code_inline", "text_special"):
            pieces.append((child.type == "text", child.content))
    return pieces


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return (
        MarkdownIt("commonmark")
        .enable(["table", "strikethrough"])
        .disable(["reference", "text_join"])
    )
