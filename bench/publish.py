"""Publish a large index to Qdrant, and publish it again: `python bench/publish.py`.

    QDRANT_URL=http://localhost:6333 QDRANT_API_KEY=… python bench/publish.py [CHUNKS]

Writes CHUNKS (100,000 by default) synthetic chunks of 384 dimensions through the writer into a
collection of its own, which is deleted at the end, and prints for each run

- staging: chunks per second,
- publishing: seconds from the call until a waiting reader sees the new index, and until the end,
- the largest request, and this process's peak memory, with its chunks, in MB.

The runs: a first one; one with a tenth of the chunks replaced; one with a page inserted in front,
which moves every chunk; and opening the writer without a change. Without QDRANT_URL, the
imitation of the tests answers instead: it is far slower than a server and its times say nothing
about one. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rag.adapters.vector_store.qdrant import QdrantStore
from rag.adapters.vector_store.qdrant_writer import QdrantWriter
from rag.errors import BookError
from rag.models import Chunk, IndexInfo, Point, SparseVector
from tests.upstreams import Upstreams
from tests.upstreams.qdrant import Qdrant

DIMENSIONS = 384
TERMS = 30
BATCH = 960
"""Chunks per call of `stage`: ten calls of an embedding service."""
UNCHANGED = "opened without a change"
PAUSE = 0.25
"""Seconds between the questions of the waiting reader."""
TEXT = "This sentence is filler text. " * 30


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Yield the address and the key."""
    if url := os.environ.get("QDRANT_URL"):
        yield url, os.environ.get("QDRANT_API_KEY", "")
        return
    with Upstreams() as up:
        yield up.qdrant.url, Qdrant.key


def chunk(n: int, edition: int = 0) -> Chunk:
    name = str(uuid5(NAMESPACE_URL, f"{n}/{edition}"))
    return Chunk(name, TEXT, "Title", f"Part {n}", f"docs/{n}#a", f"docs/{n}.md", n)


def points(chunks: Sequence[Chunk], seed: int) -> Iterator[list[Point]]:
    """Yield batches, a few frequent terms and many rare ones in each chunk."""
    numbers, vectors = random.Random(seed), np.random.default_rng(seed)
    for start in range(0, len(chunks), BATCH):
        batch = chunks[start : start + BATCH]
        dense = vectors.normal(size=(len(batch), DIMENSIONS)).astype(np.float32)
        made = []
        for each, vector in zip(batch, dense.tolist(), strict=True):
            terms = sorted({int(numbers.paretovariate(0.7)) % 2**31 for _ in range(TERMS)})
            made.append(Point(each, vector, SparseVector(tuple(terms), (1.0,) * len(terms))))
        yield made


@asynccontextmanager
async def seen(store: QdrantStore, info: IndexInfo) -> AsyncIterator[asyncio.Task[float]]:
    """Ask all the time; the task ends when an answer comes from the index `info`."""

    async def wait() -> float:
        while True:
            with suppress(BookError):  # there is no index before the first run
                found = await store.candidates([1.0] * DIMENSIONS, SparseVector((1,), (1.0,)), 10)
                if found.info == info:
                    return time.perf_counter()
            await asyncio.sleep(PAUSE)

    task = asyncio.create_task(wait())
    try:
        yield task
    finally:
        task.cancel()


async def publish(
    where: tuple[str, str, str], chunks: Sequence[Chunk], info: IndexInfo
) -> dict[str, float]:
    store, writer = QdrantStore(*where), QdrantWriter(*where)
    largest = _watch(writer)
    try:
        began = time.perf_counter()
        there = await writer.open(info)
        opened = time.perf_counter()
        missing = [each for each in chunks if each.chunk_id not in there]
        frequencies: Counter[int] = Counter()
        for batch in points(missing, len(missing)):
            frequencies.update(term for point in batch for term in point.sparse.indices)
            await writer.stage(batch)
        staged = time.perf_counter()
        if info.fingerprint == UNCHANGED:
            return {"open": opened - began}
        async with seen(store, info) as reader:
            await writer.publish(info, chunks, frequencies)
            ended = time.perf_counter()
            visible = await reader
    finally:
        await writer.close()
        await store.close()
    return {
        "open": opened - began,
        "chunks": len(missing),
        "chunks/s": len(missing) / (staged - opened),
        "seen after": visible - staged,
        "published after": ended - staged,
        "largest request MB": max(largest) / 2**20,
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _watch(writer: QdrantWriter) -> list[int]:
    """Record the size of each request of the writer."""
    sizes = [0]

    async def measure(request: object) -> None:
        sizes.append(int(getattr(request, "headers").get("content-length", 0)))  # noqa: B009

    http = writer._qdrant._connected().http.client._async_client
    http.event_hooks["request"].append(measure)
    return sizes


async def run(where: tuple[str, str, str], count: int) -> dict[str, dict[str, float]]:
    first = [chunk(n) for n in range(count)]
    tenth = [chunk(n, 1) if n % 10 == 0 else each for n, each in enumerate(first)]
    inserted = [
        replace(each, order_index=n)
        for n, each in enumerate([*(chunk(-n, 2) for n in range(1, 11)), *tenth])
    ]
    results = {}
    for name, chunks in (
        ("first", first),
        ("a tenth replaced", tenth),
        ("a page in front", inserted),
        (UNCHANGED, inserted),
    ):
        info = IndexInfo("bench", DIMENSIONS, len(chunks), "Bench", "en", name)
        results[name] = await publish(where, chunks, info)
        shown = ", ".join(f"{key} {value:,.2f}" for key, value in results[name].items())
        print(f"{name}: {shown}", flush=True)
    await _drop(where)
    return results


async def _drop(where: tuple[str, str, str]) -> None:
    writer = QdrantWriter(*where)
    await writer.open(IndexInfo("bench", DIMENSIONS))
    await writer._qdrant.call("delete_collection", writer._collection)
    await writer.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with server() as (url, key):
        print(f"{count:,} chunks, {'server' if 'QDRANT_URL' in os.environ else 'imitation'}")
        results = asyncio.run(run((url, key, f"bench-{uuid4().hex[:8]}"), count))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
