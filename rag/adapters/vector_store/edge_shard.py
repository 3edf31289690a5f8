"""Write and search one shard of Qdrant's engine.

Published shards never change, so they have no write-ahead log and no lock, and several
processes can read one folder. Searches are exact; there is no graph to build.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag.adapters import disk
from rag.adapters.vector_store import edge_generations
from rag.adapters.vector_store.edge_generations import (
    ADVICE,
    NO_DAMAGE,
    Damaged,
    Generation,
    unusable,
)
from rag.errors import ConfigurationError
from rag.models import Chunk, Hit, Point, SparseVector

log = logging.getLogger(__name__)

_SYSTEM_ERROR = re.compile(r"os error (\d+)")
"""How the engine reports an error of the system; it has no codes of its own."""
_EMPTY_BYTES = 8 * disk.MB
_EMPTY_BYTES_IN_MEMORY = 110 * disk.MB
"""Size of an index without chunks. On a disk most of it is holes."""
_CHUNK_BYTES = 8_000
"""Size of a chunk's text and numbers, without its dense vector."""

CACHE_SIZE = 8192
"""Decoded chunks to cache, about 20 MB: decoding takes longer than searching."""
READ = 2_000
"""Chunks per page when all are read."""


class Shard:
    """The open shard of one generation."""

    def __init__(self, generation: Generation) -> None:
        from qdrant_edge import EdgeShard

        self._path = generation.path
        self._cache: dict[int, Chunk] = {}
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        folder = generation.shard
        if not _writable(folder):
            try:
                self._copy = tempfile.TemporaryDirectory(prefix="ask-the-book-")
                folder = Path(self._copy.name)
                edge_generations.copy_sparse(generation.shard, folder)
            except OSError as error:
                raise ConfigurationError(
                    f"{generation.shard} is read-only and cannot be copied to a temporary folder: "
                    f"{error.strerror}"
                ) from None
            log.info("%s is read-only; using a copy in %s", generation.shard, folder)
        self._shard: Any = None
        try:
            _check_space(folder)
            with self._engine():
                self._shard = EdgeShard.load(str(folder))
                self._count: int = self._shard.info().points_count
            if self._count != generation.info.chunks:
                raise self._damaged(f"{self._count} of {generation.info.chunks} chunks found")
        except ConfigurationError:
            self.close()
            raise

    def search(self, dense: Sequence[float], sparse: SparseVector, limit: int) -> list[Hit]:
        """Return the best chunks by either vector, each with both scores, by descending cosine.

        A second query over these chunks adds the missing scores, so the engine computes them all.
        """
        from qdrant_edge import Filter, HasIdCondition, Query
        from qdrant_edge import SparseVector as Terms

        queries = [Query.Nearest(list(dense), using="dense")]
        if sparse.indices:
            terms = Terms(list(sparse.indices), list(sparse.values))
            queries.append(Query.Nearest(terms, using="bm25"))
        scores = self._scores(queries, limit)
        union: set[Any] = set().union(*scores)
        others = [Filter(must=[HasIdCondition(union - best.keys())]) for best in scores]
        for best, rest in zip(scores, self._scores(queries, len(union), others), strict=True):
            best |= rest
        chunks = self.chunks(union)
        cosines, weights = scores if sparse.indices else (scores[0], {})
        best_first = sorted(union, key=lambda at: (-cosines[at], at))
        return [Hit(chunks[at], cosines[at], weights.get(at, 0.0)) for at in best_first]

    def chunks(self, positions: Iterable[int]) -> dict[int, Chunk]:
        """Return chunks by position; positions without a chunk are left out."""
        wanted = set(positions)
        if missing := wanted - self._cache.keys():
            with self._engine():
                self._cache |= _chunks(self._shard.retrieve(list(missing), True, False))
        found = {at: self._cache[at] for at in wanted if at in self._cache}
        while len(self._cache) > CACHE_SIZE:
            del self._cache[next(iter(self._cache))]
        return found

    def all_chunks(self) -> Iterator[tuple[int, Chunk]]:
        """Yield all chunks and their positions, a page at a time."""
        from qdrant_edge import ScrollRequest

        offset: Any = None
        while True:
            with self._engine():
                request = ScrollRequest(offset=offset, limit=READ, with_payload=True)
                records, offset = self._shard.scroll(request)
                found = _chunks(records)
            yield from found.items()
            if offset is None:
                return

    def vectors(self, positions: list[int]) -> dict[int, tuple[list[float], SparseVector]]:
        with self._engine():
            found = {}
            for record in self._shard.retrieve(positions, False, True):
                terms = record.vector["bm25"]
                sparse = SparseVector(tuple(terms.indices), tuple(terms.values))
                found[record.id] = (record.vector["dense"], sparse)
            return found

    def close(self) -> None:
        if self._shard:
            self._shard.close()
        if self._copy:
            self._copy.cleanup()

    def _scores(
        self, queries: Sequence[Any], limit: int, filters: Sequence[Any] = (None, None)
    ) -> list[dict[int, float]]:
        """Return the best scores by position for each query, in one engine call."""
        from qdrant_edge import QueryBatchRequest, QueryRequest

        requests = [
            QueryRequest(limit=limit, query=query, filter=only)
            for query, only in zip(queries, filters, strict=False)
        ]
        with self._engine():
            found = self._shard.query_batch(QueryBatchRequest(requests))
        return [{hit.id: hit.score for hit in hits} for hits in found]

    @contextmanager
    def _engine(self) -> Iterator[None]:
        """Turn the engine's exceptions (bare Exceptions, Rust panics) into ConfigurationErrors."""
        try:
            yield
        except BaseException as error:
            if type(error) is Exception or type(error).__name__ == "PanicException":
                number = _SYSTEM_ERROR.search(str(error))
                if number and int(number[1]) in NO_DAMAGE:
                    raise unusable(self._path, os.strerror(int(number[1]))) from error
                raise self._damaged(str(error)) from error
            raise

    def _damaged(self, reason: str) -> Damaged:
        return Damaged(f"The index in {self._path} is damaged ({reason}). {ADVICE}")


def _check_space(folder: Path) -> None:
    """Raise DiskFull if the engine, which reads all vectors at once, would be killed by it."""
    if disk.is_in_memory(folder):
        needed = disk.holes(folder.rglob("*.mmap")) + disk.MB
        disk.check_space(folder, needed, "opening the index")


def _writable(folder: Path) -> bool:
    """Return whether every file is writable.

    Another process that opens the shard writes and removes a temporary file in it, so a listed
    file may be gone a moment later.
    """
    return not any(
        not os.access(path, os.W_OK) and os.path.lexists(path)
        for parent, _, names in os.walk(folder)
        for path in [parent, *(os.path.join(parent, name) for name in names)]
    )


def _chunks(records: Iterable[Any]) -> dict[int, Chunk]:
    return {record.id: Chunk(**record.payload) for record in records}


def check_space_for(folder: Path, chunks: int, dimensions: int) -> None:
    """Raise DiskFull if there is too little space to write a shard."""
    empty = _EMPTY_BYTES_IN_MEMORY if disk.is_in_memory(folder) else _EMPTY_BYTES
    disk.check_space(folder, empty + chunks * (_CHUNK_BYTES + 4 * dimensions), "the new index")


def create(folder: Path, dimensions: int, batches: Iterable[Sequence[Point]]) -> None:
    """Write a shard. Point ids are the chunks' positions in the book."""
    import qdrant_edge as engine

    shard = engine.EdgeShard.create(
        str(folder),
        engine.EdgeConfig(
            vectors={"dense": engine.EdgeVectorParams(dimensions, engine.Distance.Cosine)},
            sparse_vectors={"bm25": engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
            wal_enabled=False,
        ),
    )
    try:
        for batch in batches:
            points = [
                engine.Point(
                    point.chunk.order_index,
                    {
                        "dense": list(point.dense),
                        "bm25": engine.SparseVector(
                            list(point.sparse.indices), list(point.sparse.values)
                        ),
                    },
                    asdict(point.chunk),
                )
                for point in batch
            ]
            shard.update(engine.UpdateOperation.upsert_points(points))
        shard.flush()
    finally:
        shard.close()
    engine.EdgeShard.load(str(folder)).close()  # make sure it opens before it is published
