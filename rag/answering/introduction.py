"""Answer greetings, thanks and questions about the book itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from rag.answering.quotes import (
    QuotedBlock,
    escape_markdown,
    escape_markers,
    markdown_link,
    parse_blocks,
)
from rag.answering.text_fragments import citation_url
from rag.interfaces import AnswerPart
from rag.language.small_talk import SmallTalk, fixed_text
from rag.models import Chunk, Highlights, IndexInfo, Usage

MIN_SENTENCE = 40
"""Minimum length of an introductory paragraph's first sentence, in characters. Skips logos."""


def introduction(
    kind: SmallTalk,
    language: str,
    info: IndexInfo,
    beginning: Sequence[Chunk],
    site_url: str,
    title: str = "",
) -> Sequence[AnswerPart]:
    """Introduce the book: title, first paragraph and suggested questions.

    Thanks get a one-line reply. `beginning` are the book's first chunks, cited as passages 1, 2
    and so on.
    """
    if kind == "thanks":
        return fixed_text("thanked", language), Usage()
    written = [fixed_text("welcome", language)] if kind == "greeting" else []
    if title := title or info.book_title:
        written.append(f"**{markdown_link(title, citation_url(site_url, '', ''))}**")
    highlights: dict[int, str] = {}
    if opening := _opening(beginning):
        number, block = opening
        written.append(f"{escape_markers(block.text)} [{number}]")
        highlights[number] = block.sentences[0].text
    if info.starters:
        topics = [f"- {escape_markdown(starter)}" for starter in info.starters]
        written.append("\n".join([fixed_text("about", language), "", *topics]))
    written = written or [fixed_text("welcome", language)]
    return "\n\n".join(written), Highlights(highlights), Usage()


def _opening(beginning: Sequence[Chunk]) -> tuple[int, QuotedBlock] | None:
    """Find the first paragraph of prose and the number of its chunk."""
    for number, chunk in enumerate(beginning, 1):
        for block in parse_blocks(chunk.text):
            first = block.sentences[0].text if block.sentences else ""
            if block.kind == "paragraph" and len(first) >= MIN_SENTENCE and not first.endswith(":"):
                return number, block
    return None


async def stream(*parts: AnswerPart) -> AsyncIterator[AnswerPart]:
    """Yield the parts as a chat model does."""
    for part in parts:
        yield part
