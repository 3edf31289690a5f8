"""What is said to a greeting, and to a question about the book itself."""

from __future__ import annotations

from collections.abc import Sequence

from rag.answering.quotes import blocks, escaped, link, plain
from rag.language.small_talk import Kind, text
from rag.links import citation_url
from rag.types import AnswerPart, Chunk, Highlights, IndexInfo, Usage


def introduction(
    kind: Kind, language: str, info: IndexInfo, first: Chunk | None, site_url: str, title: str = ""
) -> Sequence[AnswerPart]:
    """The book's title, its first paragraph, and questions to begin with; thanks get one line.

    `first` is the chunk that the book begins with, cited as passage 1.
    """
    if kind == "thanks":
        return text("thanked", language), Usage()
    written = [text("welcome", language)] if kind == "greeting" else []
    if title := title or info.book_title:
        address = citation_url(site_url, "", "")
        written.append(f"**{link(title, address) if site_url else plain(title)}**")
    highlights: dict[int, str] = {}
    for block in blocks(first.text) if first else ():
        if block.kind == "paragraph" and block.sentences:
            written.append(escaped(block.text) + " [1]")
            highlights[1] = block.sentences[0].text
            break
    if info.starters:
        topics = [f"- {plain(starter)}" for starter in info.starters]
        written.append("\n".join([text("about", language), "", *topics]))
    written = written or [text("welcome", language)]
    return "\n\n".join(written), Highlights(highlights), Usage()
