"""Find the claim that each citation marker of a finished answer supports."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from rag.answering.code_reader import TAIL
from rag.answering.marker_grammar import is_indexed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MARKER = re.compile(r"\[(\d{1,3})\]")


class Marker(NamedTuple):
    """A citation marker and the claim that it supports."""

    number: int
    claim: str
    """The text between the previous marker and this one, within the same block. If there is none,
    the claim of the previous marker."""


def find_markers(message: str) -> list[Marker]:
    """Return the markers of a Markdown message, in order. Code is skipped.

    Blocks of HTML are text, as in the widget, so that an open comment hides nothing.
    """
    found: list[Marker] = []
    claim = ""
    for token in _parser().parse(message):
        if token.type != "inline":
            continue
        text = ""
        for is_text, words in _pieces(token.children or []):
            start = 0
            for marker in _MARKER.finditer(words) if is_text else ():
                if is_indexed(words[max(0, marker.start() - TAIL) : marker.start()]):
                    continue  # the client does not link `max_size[0]` either
                claim = _strip_punctuation(text + words[start : marker.start()]) or claim
                found.append(Marker(int(marker[1]), claim))
                text, start = "", marker.end()
            text += words[start:]
        claim = _strip_punctuation(text) or claim
    return found


def inline_code(message: str) -> list[str]:
    """Return the contents of the inline code of a Markdown message, in order."""
    return [
        child.content
        for token in _parser().parse(message)
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def _strip_punctuation(words: str) -> str:
    """Strip the punctuation left over from the previous sentence."""
    return words.strip(" .,;:!?")


def _pieces(children: list[Token]) -> list[tuple[bool, str]]:
    """Return inline content as pairs: whether it may contain markers, and its text."""
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
        .disable(["html_block", "reference", "text_join"])
    )
