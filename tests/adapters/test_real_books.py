"""Books as large as real ones, in every engine: published, published again, a page removed.

Where QDRANT_TEST_URL names a real Qdrant, they go there as well.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.adapters.vector_store.qdrant import BUCKETS, QdrantStore, bucket
from rag.adapters.vector_store.qdrant_writer import QdrantWriter
from rag.indexing.chunking import chunk_book
from rag.indexing.indexer import BookContent, Indexer, describe
from rag.indexing.published import published_chunks
from rag.interfaces import IndexWriter, VectorStore
from rag.language.tokens import sparse_passage
from rag.models import (
    Block,
    Chunk,
    Page,
    Section,
    SparseVector,
)
from tests.support.points import HashEmbedder, run
from tests.upstreams import Upstreams
from tests.upstreams.qdrant_server import QDRANTS, qdrant

Engine = tuple[Callable[[], VectorStore], Callable[[], IndexWriter]]
PAGES = 8


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Engine]:
    if name == "embedded":
        yield lambda: EdgeStore(folder), lambda: EdgeWriter(folder)
        return
    with Upstreams(qdrant=qdrant(name)) as up:
        where = (up.qdrant.url, up.qdrant.key, f"book-{uuid4().hex}")
        yield lambda: QdrantStore(*where), lambda: QdrantWriter(*where)


def sparse(chunk: Chunk) -> SparseVector:
    return sparse_passage(chunk.embedded_text, chunk.language)


def spaced(count: int) -> list[str]:
    """Paragraphs of so many words, no two of them alike."""
    words = [f"w{n:05}" for n in range(count)]
    return [" ".join(words[n : n + 150]) + "." for n in range(0, count, 150)]


def chinese() -> list[str]:
    """Paragraphs without spaces, where every two characters are a term."""
    rng = random.Random(1)
    characters = [chr(0x4E00 + n) for n in range(3000)]
    sentences = ["".join(rng.choices(characters, k=15)) + "。" for _ in range(3000)]
    return ["".join(sentences[n : n + 30]) for n in range(0, 3000, 30)]


def book(paragraphs: Sequence[str], language: str) -> list[Page]:
    pages = []
    for number in range(PAGES):
        sections = tuple(
            Section(f"S{n}", 2, f"s{n}", (f"S{n}",), (Block("paragraph", text),))
            for n, text in enumerate(paragraphs[number::PAGES])
        )
        pages.append(Page(f"{number}.md", f"P{number}", f"p{number}", sections, language))
    return pages


async def publish(engine: Engine, pages: Sequence[Page], embedder: HashEmbedder) -> None:
    """Readers then find all of it, and nothing else."""
    chunks = chunk_book(pages)
    content = BookContent("Book", pages[0].language, pages, chunks)
    info = describe(content, embedder, sparse)
    store, writer = engine[0](), engine[1]()
    try:
        await Indexer(content, embedder, writer, info, sparse).build()
        assert await store.info() == info
        assert await published_chunks(store) == chunks
        counts = frequencies(chunks)
        asked = sorted(random.Random(2).sample(sorted(counts), 30))
        [dense] = await embedder.embed_questions([chunks[0].embedded_text])
        found = await store.candidates(dense, SparseVector(tuple(asked), (1.0,) * 30), 10)
        assert found.document_frequencies == {term: counts[term] for term in asked}
        assert chunks[0] in [hit.chunk for hit in found.hits]
    finally:
        await writer.close()
        await store.close()


def frequencies(chunks: Sequence[Chunk]) -> Counter[int]:
    return Counter(term for chunk in chunks for term in sparse(chunk).indices)


@pytest.mark.parametrize("name", ["embedded", *QDRANTS])
@pytest.mark.parametrize(
    ("pages", "terms"),
    [
        (book(spaced(5_000), "en"), 5_000),
        (book(spaced(50_000), "en"), 50_000),
        (book(chinese(), "zh"), 30_000),
    ],
    ids=["5000 words", "50000 words", "Chinese"],
)
def test_a_real_book(name: str, pages: Sequence[Page], terms: int, tmp_path: Path) -> None:
    """On Qdrant, every point of document frequencies is in use: none is left to delete."""
    found, embedder = frequencies(chunk_book(pages)), HashEmbedder()
    assert len(found) >= terms
    assert len({bucket(term) for term in found}) == BUCKETS
    with opened(name, tmp_path) as engine:
        run(publish(engine, pages, embedder))
        paid = len(embedder.texts)
        run(publish(engine, pages, embedder))
        run(publish(engine, pages[1:], embedder))
        assert len(embedder.texts) == paid
