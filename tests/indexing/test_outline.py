"""Pages that are put together again from the index."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rag.indexing import outline
from rag.indexing.chunking import chunk_book
from rag.indexing.outline import markdown, page_chunks, read_outline
from rag.models import Block, Candidates, Chunk, IndexInfo, Page, Section, SparseVector


class Store:
    """A vector store with these chunks."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self.reads = 0

    async def info(self) -> IndexInfo:
        return IndexInfo("m", 1, len(self.chunks))

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        raise NotImplementedError

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        self.reads += 1
        first = max(0, order_index - reach)
        return self.chunks[first : order_index + reach + 1]

    async def close(self) -> None: ...


def section(heading: str, level: int, path: tuple[str, ...], text: str) -> Section:
    blocks = (Block("paragraph", text),) if text else ()
    return Section(heading, level, heading.lower(), path, blocks)


def book(pages: int, words: int = 3) -> list[Page]:
    return [
        Page(
            f"{n}.md",
            f"Page {n}",
            f"docs/{n}",
            (
                section(f"Page {n}", 1, (), f"Intro {n}. More of it."),
                section("Above", 2, ("Above",), ""),
                section("Below", 3, ("Above", "Below"), f"Word{n} " * words),
                section("Beside", 2, ("Beside",), f"Side{n} " * words),
            ),
        )
        for n in range(pages)
    ]


def read(pages: Sequence[Page]) -> tuple[Store, outline.Outline]:
    outline._known.clear()
    store = Store(chunk_book(pages))
    info = IndexInfo("m", 1, len(store.chunks), fingerprint=str(id(store)))
    return store, asyncio.run(read_outline(store, info))


@pytest.mark.parametrize(("pages", "words"), [(1, 3), (3, 200), (40, 3), (300, 3), (2, 60_000)])
def test_every_page_is_found_with_all_its_words(pages: int, words: int) -> None:
    store, found = read(book(pages, words))
    assert [page.slug for page in found.pages] == [f"docs/{n}" for n in range(pages)]
    assert sorted(found.positions.values()) == list(range(len(store.chunks)))
    for n, page in enumerate(found.pages):
        text = markdown(asyncio.run(page_chunks(store, page.slug, page.first, page.last)))
        assert text.startswith(f"# Page {n}\n\nIntro {n}. More of it.\n")
        assert page.summary == f"Intro {n}."
        assert len(text) < outline.PAGE_CHARACTERS + 1000
        if words < 60_000:
            assert text.count(f"Word{n} ") + text.count(f"Word{n}\n") == words
            assert text.index("\n## Above\n\n### Below\n") < text.index("\n## Beside\n")


def test_it_is_read_once() -> None:
    store, found = read(book(300))
    reads = store.reads
    info = IndexInfo("m", 1, len(store.chunks), fingerprint=str(id(store)))
    assert asyncio.run(read_outline(store, info)) is found
    assert store.reads == reads
    assert asyncio.run(read_outline(store, IndexInfo("m", 1, 1, fingerprint="new"))) is not found


def test_a_page_is_found_by_what_people_write() -> None:
    _, found = read(book(2))
    for slug in ("docs/1", "/docs/1/", "docs/1#above", "/docs/1#x"):
        page = found.page(slug)
        assert page
        assert page.slug == "docs/1"
    assert found.page("docs/9") is None


def test_an_older_index_has_no_pages() -> None:
    outline._known.clear()
    info = IndexInfo("m", 1, 5, fingerprint="older")
    assert asyncio.run(read_outline(Store([]), info)).pages == ()
