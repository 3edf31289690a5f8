"""Keep what is embedded, and paid for, in proportion to what the author wrote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rag.errors import SourceError
from rag.models import Block, Chunk, Page

MOST_PAGE_CHUNKS = 2_000
MOST_BOOK_CHARACTERS = 100_000_000
_DEEPEST = 8
"""Spaces of indentation that are kept in a block that consists mostly of indentation."""
_MULTIPLE = 4
"""How many times longer a text may become before it is shortened."""
_SPARE = 2_000
"""Characters that a text may always gain, so that short ones are left alone."""
_TITLE = 40
_INDENTATION = re.compile(f"^( {{{_DEEPEST}}}) +", re.M)


def shallow(block: Block) -> str:
    """Return the block's text, without indentation that a few characters of nesting produce.

    The indentation of nested lists grows with the square of their depth.
    """
    text = block.text
    if block.kind == "code" or len(text) <= _SPARE:
        return text
    flat = _INDENTATION.sub(r"\1", text)
    return flat if len(text) > _MULTIPLE * len(flat) + _SPARE else text


def with_short_context(page: Page, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    """Shorten the titles and heading paths of chunks that consist mostly of them.

    Each chunk repeats the page title and its headings, so a long title above thousands of short
    sections would multiply the text.
    """
    written = sum(
        len(section.heading) + sum(len(block.text) for block in section.blocks)
        for section in page.sections
    )
    embedded = sum(len(chunk.embedded_text) for chunk in chunks)
    if embedded <= _MULTIPLE * written + _SPARE:
        return chunks
    return [
        replace(chunk, title=_cut(chunk.title), section=chunk.section.rpartition(" › ")[2])
        for chunk in chunks
    ]


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"


def within_bounds(
    chunks: Sequence[Chunk],
    page_chunks: int = MOST_PAGE_CHUNKS,
    book_characters: int = MOST_BOOK_CHARACTERS,
) -> tuple[list[Chunk], list[str]]:
    """Leave out pages with more than `page_chunks` chunks; return the rest, and what was left out.

    Raises SourceError if the rest has more than `book_characters` characters to embed.
    """
    counts = Counter(chunk.source_path for chunk in chunks)
    problems = [
        f"{path} makes {count:,} chunks, more than MAX_PAGE_CHUNKS ({page_chunks:,}), so it is "
        "left out. Divide the page, or raise the setting."
        for path, count in counts.items()
        if count > page_chunks
    ]
    kept = [chunk for chunk in chunks if counts[chunk.source_path] <= page_chunks]
    lengths = Counter[str]()
    for chunk in kept:
        lengths[chunk.source_path] += len(chunk.embedded_text)
    if (total := lengths.total()) > book_characters:
        [(longest, length)] = lengths.most_common(1)
        raise SourceError(
            f"The book has {total:,} characters to embed, more than MAX_BOOK_CHARACTERS "
            f"({book_characters:,}); its longest page is {longest} with {length:,}. Nothing was "
            "changed. Index a part of the book, or raise the setting."
        )
    if problems:
        kept = [replace(chunk, order_index=n) for n, chunk in enumerate(kept)]
    return kept, problems
