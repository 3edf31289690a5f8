"""Write or read an index in a process of its own, for tests that kill it or run two at once.

    python -m tests.support.index_worker write WHERE MARKER CHUNKS PAUSE [MODEL]
    python -m tests.support.index_worker read WHERE LAST

WHERE is the folder of an embedded index, or the address of a Qdrant server with `#collection`.
Every chunk of a book contains the marker, so that mixed generations are noticed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.adapters.vector_store.qdrant import QdrantStore
from rag.adapters.vector_store.qdrant_writer import QdrantWriter
from rag.indexing.indexer import BookContent, Indexer, describe
from rag.interfaces import IndexWriter, VectorStore
from rag.models import Chunk, Page
from tests.support.points import HashEmbedder, words
from tests.upstreams.qdrant import Qdrant


class Paced(HashEmbedder):
    """Pauses, and prints what it was asked to embed."""

    def __init__(self, pause: float, model: str) -> None:
        super().__init__(model)
        self._pause = pause

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        await asyncio.sleep(self._pause)
        print("embedded", len(texts), flush=True)
        return await super().embed_passages(texts)


def book(marker: str, count: int) -> tuple[list[Page], list[Chunk]]:
    pages = [Page("m.md", marker, "m", ())]
    chunks = [
        Chunk(name(marker, n), f"{marker} text {n}", marker, "", f"m#{n}", "m.md", n)
        for n in range(count)
    ]
    return pages, chunks


def name(marker: str, n: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"{marker}-{n}"))


def open_index(where: Path | str) -> tuple[VectorStore, IndexWriter]:
    if isinstance(where, Path):
        return EdgeStore(where), EdgeWriter(where)
    url, _, collection = where.partition("#")
    return QdrantStore(url, Qdrant.key, collection), QdrantWriter(url, Qdrant.key, collection)


async def write(
    where: Path | str, marker: str, count: int, pause: float, model: str = "hash"
) -> None:
    pages, chunks = book(marker, count)
    embedder = Paced(pause, model)
    print("started", flush=True)
    content = BookContent(marker, "en", pages, chunks)
    info = describe(content, embedder, words)
    store, writer = open_index(where)
    try:
        published = await store.info()
        indexer = Indexer(content, embedder, writer, info, words)
        summary = await indexer.build(published=published)
    finally:
        await writer.close()
        await store.close()
    print("published", summary.embedded, flush=True)


async def read(where: Path | str, last: str = "") -> None:
    """Search until the book with the marker `last` is found (once if empty); print all markers.

    Raises if a result mixes generations or returns to an older one, or if `last` never comes.
    """
    store, _ = open_index(where)
    seen: list[str] = []
    asked = 0
    dense = (await HashEmbedder().embed_questions(["text"]))[0]
    terms = words(Chunk("", "text 7", "", "", "", "", 0))
    print("reading", flush=True)
    end = time.monotonic() + 60
    while not seen or (last and seen[-1] != last):
        if time.monotonic() > end:
            raise AssertionError(f"{last} has not come after {seen}")
        candidates = await store.candidates(dense, terms, 20)
        markers = {hit.chunk.title for hit in candidates.hits}
        if len(markers) != 1:
            raise AssertionError(f"a mixture: {markers}")
        (marker,) = markers
        if any(not hit.chunk.text.startswith(marker) or hit.sparse <= 0 for hit in candidates.hits):
            raise AssertionError(f"not of one piece: {candidates.hits}")
        if marker not in seen:
            seen.append(marker)
        elif marker != seen[-1]:
            raise AssertionError(f"back to {marker} after {seen}")
        near = await store.neighbours(5, 2)
        if len({chunk.title for chunk in near}) != 1 or len(near) != 5:
            raise AssertionError(f"neighbours: {near}")
        asked += 1
    await store.close()
    print(asked, *seen, flush=True)


if __name__ == "__main__":
    _, mode, place, *rest = sys.argv
    there = place if place.startswith("http") else Path(place)
    if mode == "write":
        asyncio.run(write(there, rest[0], int(rest[1]), float(rest[2]), *rest[3:]))
    else:
        asyncio.run(read(there, rest[0]))
