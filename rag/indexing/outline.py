"""Read whole pages from the index: their list, and the text of each as Markdown.

Every store returns chunks in book order, so this works where the book's files are not available.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from rag.answering.sources import heading_lines, split_by_heading
from rag.answering.text_fragments import plain_sentences
from rag.answering.urls import page_path
from rag.indexing.published import read_chunks
from rag.interfaces import VectorStore
from rag.models import Chunk, IndexInfo

MAX_CHUNKS = 20_000
"""Chunks of a book beyond these are left out."""
PAGE_CHARACTERS = 200_000
"""Maximum length of a page's text."""
SUMMARY_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class OutlinePage:
    """A page of the book. Its chunks are those from `first` to `last`."""

    slug: str
    title: str
    summary: str
    """The beginning of its text."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The pages of the book, in its order."""

    pages: tuple[OutlinePage, ...]
    positions: dict[str, int]
    """The position of each chunk, by its id."""

    def page(self, address: str) -> OutlinePage | None:
        """Return the page of a slug or path; an anchor and slashes around it are ignored."""
        return self.at(page_path(address))

    def at(self, path: str) -> OutlinePage | None:
        """Return the page at a decoded path, with or without slashes around it."""
        wanted = path.strip("/")
        return next((page for page in self.pages if page_path(page.slug) == wanted), None)


_known: dict[tuple[str, str, int], Outline] = {}


async def read_outline(store: VectorStore, info: IndexInfo) -> Outline:
    """Return the outline of the index that `info` describes. It is read once per process."""
    key = (info.fingerprint, info.book_title, info.chunks)
    if key not in _known:
        pages: dict[str, OutlinePage] = {}
        positions: dict[str, int] = {}
        async for chunk in read_chunks(store, 0, min(info.chunks, MAX_CHUNKS) - 1):
            at = positions[chunk.chunk_id] = chunk.order_index
            slug = page_slug(chunk)
            known = pages.get(slug) or OutlinePage(slug, "", _summary(chunk), at, at)
            pages[slug] = replace(known, title=chunk.title, last=at)
        _known.clear()  # there is one book
        _known[key] = Outline(tuple(pages.values()), positions)
    return _known[key]


async def page_chunks(store: VectorStore, slug: str, first: int, last: int) -> list[Chunk]:
    """Return the chunks of a page, in order, up to PAGE_CHARACTERS."""
    chunks: list[Chunk] = []
    length = 0
    async for chunk in read_chunks(store, first, last):
        length += len(chunk.text)
        if page_slug(chunk) == slug and length <= PAGE_CHARACTERS:
            chunks.append(chunk)
    return chunks


def page_slug(chunk: Chunk) -> str:
    """Return the slug of a chunk's page, without an anchor."""
    return chunk.slug.partition("#")[0]


def markdown(chunks: Sequence[Chunk]) -> str:
    """Put the chunks of a page together again, with its title and headings."""
    parts = [f"# {chunks[0].title}"] if chunks else []
    above: list[str] = []
    for chunk in chunks:
        path = chunk.section.split(" › ") if chunk.section else []
        shared = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(above, path, strict=False))
        )
        for level, name in enumerate(path[shared:], shared + 2):
            parts.append(f"{'#' * min(level, 6)} {name}")
        parts.append(chunk.text)
        for line in heading_lines(chunk):
            path = [*path[: max(0, line.level - 2)], line.title]
        above = path
    return "\n\n".join(parts) + "\n"


def _summary(chunk: Chunk) -> str:
    text = " ".join(plain_sentences(split_by_heading(chunk)[0].text)[:1])
    if len(text) > SUMMARY_CHARACTERS:
        text = text[:SUMMARY_CHARACTERS].rsplit(" ", 1)[0] + " …"
    return text
