"""What is said to a greeting, and to a question about the book itself."""

from __future__ import annotations

from collections.abc import Sequence

from rag.answering.quotes import QuotedBlock, blocks, escaped, link, plain
from rag.answering.text_fragments import citation_url
from rag.interfaces import AnswerPart
from rag.language.small_talk import Kind, text
from rag.models import (
    Chunk,
    Highlights,
    IndexInfo,
    Usage,
)

LEAST = 40
"""Characters of the first sentence of a paragraph that introduces a book; a logo has fewer."""


def introduction(
    kind: Kind,
    language: str,
    info: IndexInfo,
    beginning: Sequence[Chunk],
    site_url: str,
    title: str = "",
) -> Sequence[AnswerPart]:
    """The book's title, its first paragraph, and questions to begin with; thanks get one line.

    `beginning` are the chunks that the book begins with, cited as passages 1, 2 and so on.
    """
    if kind == "thanks":
        return text("thanked", language), Usage()
    written = [text("welcome", language)] if kind == "greeting" else []
    if title := title or info.book_title:
        address = citation_url(site_url, "", "")
        written.append(f"**{link(title, address) if site_url else plain(title)}**")
    highlights: dict[int, str] = {}
    if opening := _opening(beginning):
        number, block = opening
        written.append(f"{escaped(block.text)} [{number}]")
        highlights[number] = block.sentences[0].text
    if info.starters:
        topics = [f"- {plain(starter)}" for starter in info.starters]
        written.append("\n".join([text("about", language), "", *topics]))
    written = written or [text("welcome", language)]
    return "\n\n".join(written), Highlights(highlights), Usage()


def _opening(beginning: Sequence[Chunk]) -> tuple[int, QuotedBlock] | None:
    """The first paragraph of prose, with the number of its chunk."""
    for number, chunk in enumerate(beginning, 1):
        for block in blocks(chunk.text):
            first = block.sentences[0].text if block.sentences else ""
            if block.kind == "paragraph" and len(first) >= LEAST and not first.endswith(":"):
                return number, block
    return None
