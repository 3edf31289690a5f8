"""Qdrant over REST: how the index lies there, and how it is read.

How the index lies there. `{collection}` is an alias of `{collection}_{hash of the model}`, which
has a dense vector `dense` (cosine) and a sparse vector `bm25` (IDF modifier), and three kinds of
points:

- a chunk, under its own id: all of its fields as payload, and `live`, false while it is staged;
- the record, one point without vectors: what `IndexInfo` says, as payload;
- document frequencies, up to `BUCKETS` points without vectors: `{term hash: chunks}`.

Record and frequencies lie beside the chunks so that one batch of queries brings everything that
a question needs. Every search filters on `live`, so nothing that is staged is seen; publishing
makes the new live, then deletes the old. A new model gets a new collection, and the alias moves
in one step. An id is made from content, so every write can be repeated.

A collection without that record but with one unnamed vector is an older layout: it is searched
by that vector alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from rag.services.retry import retried, said, status_error
from rag.types import (
    Candidates,
    Chunk,
    Hit,
    IndexInfo,
    IndexMismatch,
    IndexMissing,
    Page,
    SparseVector,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient
    from qdrant_client import models as m

T = TypeVar("T")

log = logging.getLogger(__name__)

_SERVICE = "qdrant"
DENSE, SPARSE = "dense", "bm25"
_NAMESPACE = UUID("b3f6a1de-6d0c-4a53-9d7e-5c9f1a3e7b42")
RECORD = str(uuid5(_NAMESPACE, "record"))
BUCKETS = 512
FIELDS = tuple(field.name for field in fields(Chunk))
INGEST = "run `python ingest.py PATH`"
_INFO_SECONDS = 30.0
"""How long `info` may be old."""


class Connection:
    """The client with the project's policy: one address, bounded time, named failures."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        seconds: float,
        attempt_seconds: float,
        attempts: int = 3,
    ) -> None:
        self._url = url
        self._key = api_key
        self._seconds = seconds
        self._attempt_seconds = attempt_seconds
        self._attempts = attempts
        self._client: AsyncQdrantClient | None = None

    def _connected(self) -> AsyncQdrantClient:
        if self._client is None:
            import httpx
            from qdrant_client import AsyncQdrantClient

            secure = urlsplit(self._url).scheme == "https"
            self._client = AsyncQdrantClient(
                url=self._url,
                port=443 if secure else 6333,  # where the address names none
                # Not `api_key`: over plain HTTP in a private network the client warns of it.
                headers={"api-key": self._key} if self._key else None,
                timeout=int(self._attempt_seconds) + 1,
                check_compatibility=False,  # a blocking probe in a thread of its own
                limits=httpx.Limits(max_connections=100, keepalive_expiry=30.0),
            )
        return self._client

    async def call(self, request: Callable[[AsyncQdrantClient], Awaitable[T]]) -> T:
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException

        client = self._connected()
        return await retried(
            lambda: request(client),
            service=_SERVICE,
            errors=(ApiException, QdrantException, ValueError, TypeError, AssertionError),
            translate=self._failure,
            seconds=self._seconds,
            attempts=self._attempts,
            attempt_seconds=self._attempt_seconds,
        )

    def _failure(self, error: Exception) -> UpstreamError:
        from httpx import TimeoutException
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        if isinstance(error, UnexpectedResponse):
            status, text = error.status_code or 500, said(error.content, self._key)
            if status in (401, 403):
                return UpstreamRejected(f"{status} the key was refused", service=_SERVICE)
            if status == 404:
                return Absent(text, service=_SERVICE)
            return status_error(_SERVICE, status, text, error.headers)
        if isinstance(error, ResourceExhaustedResponse):
            wait = float(error.retry_after_s)
            return UpstreamOverloaded("429", service=_SERVICE, retry_after=wait)
        if isinstance(error, ResponseHandlingException):
            if isinstance(error.source, TimeoutException):
                return UpstreamTimeout(type(error.source).__name__, service=_SERVICE)
            return UpstreamError(type(error.source).__name__, service=_SERVICE)
        return UpstreamError(f"an answer of another form: {type(error).__name__}", service=_SERVICE)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()


class Absent(UpstreamRejected):
    """There is no such collection."""


class QdrantStore:
    """Reads the index. Every method is one round trip, but for the first with an older layout."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        collection: str = "book",
        *,
        seconds: float = 10.0,
        attempt_seconds: float = 5.0,
    ) -> None:
        self._qdrant = Connection(url, api_key, seconds=seconds, attempt_seconds=attempt_seconds)
        self._collection = collection
        self._info: IndexInfo | None = None
        self._info_until = 0.0
        self._older = False
        """The collection has the older layout."""

    async def info(self) -> IndexInfo | None:
        """What the index records, at most half a minute old. An older layout names no model."""
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
        """Raises Absent."""
        from qdrant_client import models as m

        name = self._collection
        if not self._older:
            found = await self._qdrant.call(lambda client: client.retrieve(name, ids=[RECORD]))
            if found:
                return _info(found[0].payload)
        shape = await self._qdrant.call(lambda client: client.get_collection(name))
        vectors = shape.config.params.vectors
        if not isinstance(vectors, m.VectorParams):
            return None
        if not self._older:
            self._older = True
            log.warning(
                "collection %s has an older layout and is searched by meaning only; ingesting the "
                "book again into another QDRANT_COLLECTION adds search by words, neighbouring "
                "passages and links to sections",
                name,
            )
        return IndexInfo("", vectors.size, shape.points_count or 0)

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        """The best `limit` by each vector, in one round trip.

        `info` in the result is the record that the same round trip brought. Raises
        IndexMissing, IndexMismatch (a vector of another length) and UpstreamError.
        """
        try:
            if not self._older:
                try:
                    return await self._both(dense, sparse, limit)
                except UpstreamRejected as error:
                    if isinstance(error, Absent) or not await self._look_older():
                        raise
            return await self._dense_only(dense, limit)
        except Absent:
            raise IndexMissing(f"there is no collection {self._collection}: {INGEST}") from None
        except UpstreamRejected as error:
            if "dimension" in str(error).lower():
                raise IndexMismatch(
                    f"collection {self._collection} was made with another embedding model than "
                    f"the one that is set, which has {len(dense)} dimensions: {INGEST}"
                ) from error
            raise

    async def _look_older(self) -> bool:
        await self._look()
        return self._older

    async def _both(self, dense: Sequence[float], sparse: SparseVector, limit: int) -> Candidates:
        from qdrant_client import models as m

        queries: dict[str, Any] = {DENSE: list(dense)}
        if sparse.indices:
            queries[SPARSE] = m.SparseVector(
                indices=list(sparse.indices), values=list(sparse.values)
            )
        best: list[m.Prefetch] = [
            m.Prefetch(query=query, using=name, filter=live_and(), limit=limit)
            for name, query in queries.items()
        ]
        # The same union is scored twice, so that every hit has both of its scores.
        requests = [
            m.QueryRequest(
                prefetch=best,
                query=query,
                using=name,
                limit=2 * limit,
                with_payload=name == DENSE,
            )
            for name, query in queries.items()
        ]
        ids: list[Any] = [RECORD, *sorted({bucket(term) for term in sparse.indices})]
        requests.append(
            m.QueryRequest(
                filter=m.Filter(must=[m.HasIdCondition(has_id=ids)]),
                limit=len(ids),
                with_payload=True,
            )
        )
        found = await self._qdrant.call(
            lambda client: client.query_batch_points(self._collection, requests)
        )
        records = {str(point.id): point.payload or {} for point in found[-1].points}
        if RECORD not in records:
            raise UpstreamRejected("the collection has no record of this project", service=_SERVICE)
        self._keep(info := _info(records[RECORD]))
        by_words = {point.id: point.score for response in found[1:-1] for point in response.points}
        hits = tuple(
            Hit(read_chunk(point.payload), point.score, by_words.get(point.id, 0.0))
            for point in found[0].points
        )
        frequencies = {
            term: int(count)
            for term in sparse.indices
            if (count := records.get(bucket(term), {}).get("df", {}).get(str(term)))
        }
        return Candidates(hits, info.chunks, frequencies, info)

    async def _dense_only(self, dense: Sequence[float], limit: int) -> Candidates:
        info = await self.info()
        found = await self._qdrant.call(
            lambda client: client.query_points(
                self._collection, query=list(dense), limit=limit, with_payload=True
            )
        )
        hits = tuple(Hit(read_chunk(point.payload), point.score, 0.0) for point in found.points)
        return Candidates(hits, info.chunks if info else len(hits), {}, info)

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        from qdrant_client import models as m

        if self._older:
            return ()
        near = m.FieldCondition(
            key="order_index", range=m.Range(gte=order_index - reach, lte=order_index + reach)
        )
        try:
            points, _ = await self._qdrant.call(
                lambda client: client.scroll(
                    self._collection, scroll_filter=live_and(near), limit=2 * reach + 1
                )
            )
        except Absent:
            raise IndexMissing(f"there is no collection {self._collection}: {INGEST}") from None
        return sorted((read_chunk(point.payload) for point in points), key=lambda c: c.order_index)

    async def page(self, slug: str) -> Page | None:
        """None: the book's pages stay with its site, the index has passages only."""
        return None

    async def pages(self) -> Sequence[tuple[str, str]]:
        return ()

    async def close(self) -> None:
        await self._qdrant.close()


# ---------------------------------------------------------------- payloads


def read_chunk(payload: Mapping[str, Any] | None) -> Chunk:
    """An older layout lacks some fields."""
    values = {name: payload[name] for name in FIELDS if name in (payload or {})} if payload else {}
    values.setdefault("section", "")
    return Chunk(**values)


def _info(payload: Mapping[str, Any] | None) -> IndexInfo:
    return IndexInfo(**(payload or {})["record"])


def bucket(term: int) -> str:
    """Id of the point that holds a term's document frequency."""
    return str(uuid5(_NAMESPACE, f"df/{term % BUCKETS}"))


def live_and(*others: m.Condition) -> m.Filter:
    from qdrant_client import models as m

    live = m.FieldCondition(key="live", match=m.MatchValue(value=True))
    return m.Filter(must=[live, *others])
