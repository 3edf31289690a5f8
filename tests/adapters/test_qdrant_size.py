"""Requests of the writer at a million chunks, through a connection that only measures them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rag.adapters.vector_store import qdrant_writer
from rag.adapters.vector_store.qdrant_writer import QdrantWriter
from rag.models import Chunk, IndexInfo, Point, SparseVector
from tests.support.service import environment, run

INFO = IndexInfo("model", 4, 3)
MANY = [60_000, pytest.param(1_000_000, marks=pytest.mark.slow)]
MB = 2**20


class Connection:
    """Accepts every request and keeps its size. The collection holds `stored` points."""

    def __init__(self, stored: int = 0, *, live: bool = True) -> None:
        self.sizes: list[int] = []
        """Bytes of each update."""
        self.named: list[int] = []
        """Points named in each update."""
        self.read: list[Any] = []
        self._stored = stored
        self._live = live
        self.name = ""

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return await getattr(self, method)(*arguments, **options)

    async def get_collections(self) -> Any:
        return SimpleNamespace(collections=[SimpleNamespace(name=self.name)])

    async def get_aliases(self) -> Any:
        alias = SimpleNamespace(alias_name="book", collection_name=self.name)
        return SimpleNamespace(aliases=[alias])

    async def create_payload_index(self, *_: Any, **__: Any) -> None: ...

    async def scroll(self, _: str, *, limit: int, offset: int | None, with_payload: Any) -> Any:
        self.read.append((limit, with_payload))
        start = offset or 0
        end = min(start + limit, self._stored)
        payload = {"place": "p", "order_index": 0, "live": self._live}
        points = [SimpleNamespace(id=name(n), payload=payload) for n in range(start, end)]
        return points, end if end < self._stored else None

    async def upsert(self, _: str, points: Any, **__: Any) -> None:
        self._measure([point.model_dump_json() for point in points], len(points))

    async def batch_update_points(self, _: str, operations: Any, **__: Any) -> None:
        named = sum(len(_points(operation.model_dump())) for operation in operations)
        self._measure([operation.model_dump_json() for operation in operations], named)

    def _measure(self, parts: list[str], named: int) -> None:
        self.sizes.append(sum(len(part.encode()) for part in parts))
        self.named.append(named)


def _points(operation: Any) -> Any:
    if not isinstance(operation, dict):
        return ()
    return operation.get("points") or next(
        (found for value in operation.values() if (found := _points(value))), ()
    )


def name(n: int) -> str:
    return f"00000000-0000-0000-0000-{n:012}"


def writer(connection: Connection) -> QdrantWriter:
    made = QdrantWriter("http://127.0.0.1:1")
    made._qdrant = connection  # type: ignore[assignment]
    return made


async def opened(connection: Connection, info: IndexInfo = INFO) -> QdrantWriter:
    made = writer(connection)
    await made.open(info)  # computes the collection's name, which does not exist yet
    connection.name = made._collection
    await made.open(info)
    return made


@pytest.mark.parametrize("many", MANY)
def test_many_chunks_are_read_marked_and_deleted_in_bounded_requests(many: int) -> None:
    connection = Connection(many)

    async def body() -> None:
        made = await opened(connection)
        assert len(connection.read) == many / qdrant_writer._READ
        assert all("text" not in fields for _, fields in connection.read)
        await made.publish(INFO, [], {})

    asyncio.run(body())
    assert sum(connection.named) >= 2 * many  # marked, then deleted
    assert max(connection.named) <= 5_000
    assert max(connection.sizes) < 4 * MB


def test_staged_chunks_are_shown_in_bounded_requests() -> None:
    """They were staged under another release, so that every payload is written again."""
    connection = Connection(20_000, live=False)
    long = Chunk(name(0), "", "t" * 200, "s" * 1000, "g" * 1000, "p" * 200, 0)
    chunks = [replace(long, chunk_id=name(n), order_index=n) for n in range(20_000)]

    async def body() -> None:
        made = await opened(connection)
        await made.publish(INFO, chunks, {})

    asyncio.run(body())
    assert max(connection.sizes) < 4 * MB
    assert max(connection.named) <= 5_000


def test_vectors_words_and_texts_of_any_size_make_bounded_requests() -> None:
    """The widest embeddings, the longest chunks in Chinese, a vocabulary of a large library."""
    info = replace(INFO, dimensions=4096)
    connection = Connection()
    terms = SparseVector(tuple(range(4_000_000_000, 4_000_000_700)), (1.2345678901234567,) * 700)
    dense = [-0.012345678901234567] * 4096
    chunks = [Chunk(name(n), "書" * 1500, "T", "", "s", "p", n) for n in range(300)]
    counts = {term * 999 % 2**32: 10**6 for term in range(600_000)}

    async def body() -> None:
        made = await opened(connection, info)
        await made.stage([Point(chunk, dense, terms) for chunk in chunks])
        sparse = {chunk.chunk_id: terms for chunk in chunks}
        await made.publish(info, chunks, counts, sparse)

    asyncio.run(body())
    assert sum(connection.sizes) > 40 * MB
    assert max(connection.sizes) < 4 * MB


def test_a_first_publication_marks_nothing() -> None:
    """Its chunks are staged as live: the record is all that is written before the alias."""
    connection = Connection()

    async def body() -> None:
        made = writer(connection)
        await made.open(INFO)
        made._ready = True
        chunks = [Chunk(name(n), "text", "T", "", "s", "p", n) for n in range(1_000)]
        vector = SparseVector((1,), (1.0,))
        await made.stage([Point(chunk, [1, 0, 0, 0], vector) for chunk in chunks])
        connection.named.clear()
        made._switch = _nothing  # type: ignore[method-assign]
        await made.publish(INFO, chunks, {1: 1_000})

    asyncio.run(body())
    assert sum(connection.named) == 1 + 1 + 511  # a bucket, the record, buckets without terms


async def _nothing() -> None: ...


def test_the_benchmark_publishes_and_publishes_again() -> None:
    finished = run("bench/publish.py", "200", env=environment())
    assert finished.returncode == 0, finished.stderr
    results = json.loads(finished.stdout.splitlines()[-1])
    assert [found.get("chunks") for found in results.values()] == [200, 20, 10, None]
    assert results["first"]["largest request MB"] < 4
