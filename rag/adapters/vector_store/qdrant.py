"""Read the index from Qdrant over REST.

Layout: `{collection}` is an alias of `{collection}_{hash of the model}`, which has a dense
vector `dense` (cosine), a sparse vector `bm25` (IDF modifier) and three kinds of points:

- chunks, under their own ids, with all fields as payload, `place`, the hash of most of them, and
  two marks: `live` is false while a chunk is staged in a collection in use, `gone` is true while
  a chunk is on its way out of it;
- the record, one point without vectors, with `IndexInfo` as payload, and `switching`;
- document frequencies, up to `BUCKETS` points without vectors: `{term hash: chunks}`.

One batch of queries returns chunks, record and frequencies, all that a question needs. A search
sees the chunks that are `live` or, while the record says `switching`, those that are not `gone`.
So one write of the record shows all new chunks and hides all old ones, however many there are:

1. mark the old ones as gone, which no reader notices;
2. write the record with `switching`: readers see the new index;
3. mark the new ones as live, delete the old ones, end `switching`: readers notice nothing.

Each response brings the record, so a reader that searched by the other mark searches again. The
next run completes an interrupted one. A collection that no alias leads to has no readers: its
chunks are staged as live, and the alias publishes them. A new model gets such a collection.
Ids are derived from content, so every write can be repeated.

A collection with one unnamed vector and no record has an older layout and is searched by that
vector alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from rag.adapters.failures import reports_malformed
from rag.adapters.vector_store.qdrant_rest import SERVICE, Absent, Rest
from rag.errors import IndexMismatch, IndexMissing, UpstreamRejected
from rag.models import Candidates, Chunk, Hit, IndexInfo, SparseVector

log = logging.getLogger(__name__)

DENSE, SPARSE = "dense", "bm25"
_NAMESPACE = UUID("b3f6a1de-6d0c-4a53-9d7e-5c9f1a3e7b42")
RECORD = str(uuid5(_NAMESPACE, "record"))
BUCKETS = 512
FIELDS = tuple(field.name for field in fields(Chunk))
INGEST = "run `python ingest.py PATH`"
_INFO_SECONDS = 30.0
"""Maximum age of a cached `info`."""
_SWITCHES = 3
"""How often a search runs if publications switch the index meanwhile."""


class QdrantStore:
    """Reads the index. Each method is one round trip, except the first on an older layout."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        collection: str = "book",
        *,
        seconds: float = 10.0,
        attempt_seconds: float = 5.0,
    ) -> None:
        self._qdrant = Rest(
            url, api_key, collection, seconds=seconds, attempt_seconds=attempt_seconds
        )
        self._collection = collection
        self._info: IndexInfo | None = None
        self._info_until = 0.0
        self._older = False
        """Whether the collection has the older layout."""
        self._switching = False
        """What the record said last: by which mark to search."""

    def prepare(self) -> None:
        self._qdrant.prepare()

    @reports_malformed(SERVICE)
    async def info(self) -> IndexInfo | None:
        """Return the index's record, at most 30 s old. An older layout has no model name."""
        if self._info is None or asyncio.get_running_loop().time() > self._info_until:
            try:
                self._keep(await self._look())
            except Absent:
                self._keep(None)
        return self._info

    def _keep(self, info: IndexInfo | None) -> None:
        self._info = info
        self._info_until = asyncio.get_running_loop().time() + _INFO_SECONDS

    async def _look(self) -> IndexInfo | None:
        """Fetch the record. Raises Absent."""
        name = self._collection
        if not self._older:
            found = await self._qdrant.post("/points", {"ids": [RECORD], "with_payload": True})
            if found:
                return _info(found[0]["payload"])
        shape = await self._qdrant.collection()
        vectors = shape["config"]["params"].get("vectors") or {}
        if not isinstance(vectors.get("size"), int):  # several vectors, or a named one
            return None
        if not self._older:
            self._older = True
            log.warning(
                "collection %s has an older layout and is searched by meaning only; ingest the "
                "book into another QDRANT_COLLECTION to add keyword search, neighbouring "
                "passages and links to sections",
                name,
            )
        return IndexInfo("", vectors["size"], shape.get("points_count") or 0)

    @reports_malformed(SERVICE)
    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        """Return the best `limit` chunks by each vector, in one round trip.

        The result's `info` is the record from the same round trip. Raises IndexMissing,
        IndexMismatch (wrong vector length) and UpstreamError.
        """
        try:
            if not self._older:
                try:
                    return await self._both(dense, sparse, limit)
                except UpstreamRejected as error:
                    if isinstance(error, Absent) or not await self._detect_older_layout():
                        raise
            return await self._dense_only(dense, limit)
        except Absent:
            raise IndexMissing(f"there is no collection {self._collection}: {INGEST}") from None
        except UpstreamRejected as error:
            if "dimension" in str(error).lower():
                raise IndexMismatch(
                    f"collection {self._collection} was made with an embedding model other than "
                    f"the configured one, which has {len(dense)} dimensions: {INGEST}"
                ) from error
            raise

    async def _detect_older_layout(self) -> bool:
        await self._look()
        return self._older

    async def _both(self, dense: Sequence[float], sparse: SparseVector, limit: int) -> Candidates:
        queries: dict[str, Any] = {DENSE: list(dense)}
        if sparse.indices:
            queries[SPARSE] = {"indices": sparse.indices, "values": sparse.values}

        def searches(switching: bool) -> list[dict[str, Any]]:
            """Score the same union by both vectors, so that every hit has both scores."""
            best = [
                {"query": query, "using": name, "filter": live_filter(switching), "limit": limit}
                for name, query in queries.items()
            ]
            return [
                {
                    "prefetch": best,
                    "query": query,
                    "using": name,
                    "limit": 2 * limit,
                    "with_payload": name == DENSE,
                }
                for name, query in queries.items()
            ]

        buckets = sorted({bucket(term) for term in sparse.indices})
        (by_meaning, *others), records = await self._search(searches, buckets)
        self._keep(info := _info(records[RECORD]))
        by_words = {point["id"]: point["score"] for points in others for point in points}
        hits = tuple(
            Hit(read_chunk(point["payload"]), point["score"], by_words.get(point["id"], 0.0))
            for point in by_meaning
        )
        frequencies = {
            term: int(count)
            for term in sparse.indices
            if (count := records.get(bucket(term), {}).get("df", {}).get(str(term)))
        }
        return Candidates(hits, info.chunks, frequencies, info)

    async def _search(
        self, searches: Callable[[bool], list[dict[str, Any]]], ids: Sequence[str] = ()
    ) -> tuple[list[Any], dict[str, Any]]:
        """Run searches and fetch the record and the points `ids`, in one round trip.

        `searches` makes them for a state of the index; they run again if it was another one.
        Returns the points of each search, and payloads by id.
        """
        by_id = {"must": [{"has_id": [RECORD, *ids]}]}
        fetch = {"filter": by_id, "limit": 1 + len(ids), "with_payload": True}
        for _ in range(_SWITCHES):
            assumed = self._switching
            found = await self._qdrant.post(
                "/points/query/batch", {"searches": [*searches(assumed), fetch]}
            )
            *results, fetched = [response["points"] for response in found]
            payloads = {str(point["id"]): point.get("payload") or {} for point in fetched}
            if RECORD not in payloads:
                raise UpstreamRejected(
                    "the collection was not made by this project", service=SERVICE
                )
            self._switching = bool(payloads[RECORD].get("switching"))
            if self._switching == assumed:
                break
        return results, payloads

    async def _dense_only(self, dense: Sequence[float], limit: int) -> Candidates:
        info = await self.info()
        found = await self._qdrant.post(
            "/points/query", {"query": list(dense), "limit": limit, "with_payload": True}
        )
        hits = tuple(
            Hit(read_chunk(point.get("payload")), point["score"], 0.0) for point in found["points"]
        )
        return Candidates(hits, info.chunks if info else len(hits), {}, info)

    @reports_malformed(SERVICE)
    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        if self._older:
            return ()
        reached = {"gte": order_index - reach, "lte": order_index + reach}
        near = {"key": "order_index", "range": reached}

        def searches(switching: bool) -> list[dict[str, Any]]:
            size = 2 * reach + 1
            return [{"filter": live_filter(switching, near), "limit": size, "with_payload": True}]

        try:
            [points], _ = await self._search(searches)
        except Absent:
            raise IndexMissing(f"there is no collection {self._collection}: {INGEST}") from None
        chunks = (read_chunk(point["payload"]) for point in points)
        return sorted(chunks, key=lambda chunk: chunk.order_index)

    async def close(self) -> None:
        await self._qdrant.close()


# ---------------------------------------------------------------- payloads


def read_chunk(payload: Mapping[str, Any] | None) -> Chunk:
    """Make a chunk from a payload; an older layout lacks some fields."""
    values = {name: payload[name] for name in FIELDS if name in (payload or {})} if payload else {}
    values.setdefault("section", "")
    return Chunk(**values)


def _info(payload: Mapping[str, Any] | None) -> IndexInfo:
    try:
        return IndexInfo(**(payload or {})["record"])
    except (KeyError, TypeError):
        raise IndexMismatch(
            f"the collection was made by another version of Ask the Book: {INGEST}"
        ) from None


def bucket(term: int) -> str:
    """Return the id of the point that holds a term's document frequency."""
    return _bucket_id(term % BUCKETS)


@lru_cache(maxsize=BUCKETS)
def _bucket_id(number: int) -> str:
    return str(uuid5(_NAMESPACE, f"df/{number}"))


def live_filter(switching: bool, *others: Mapping[str, Any]) -> dict[str, Any]:
    """Make a filter on the chunks that readers see, in a state of the index."""
    mark = {"key": "gone" if switching else "live", "match": {"value": True}}
    return {"must": others, "must_not": [mark]} if switching else {"must": [mark, *others]}
