"""Qdrant over REST: how the index is written. `rag.services.qdrant` says how it lies there."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag.services.qdrant import (
    BUCKETS,
    DENSE,
    FIELDS,
    RECORD,
    SPARSE,
    bucket,
    read_chunk,
)
from rag.services.qdrant_sdk import Connection
from rag.types import (
    Chunk,
    ConfigurationError,
    IndexInfo,
    Point,
    SparseVector,
    UpstreamRejected,
)

if TYPE_CHECKING:
    from qdrant_client import models as m

_PAGE = 500
"""Points or operations a request."""
_STAGED = 64
"""Points with vectors a request: of 1,024 dimensions, about 1.5 MB of JSON."""


class QdrantWriter:
    """Writes the index. Every request may be repeated, so every request is retried."""

    def __init__(
        self, url: str, api_key: str = "", collection: str = "book", *, seconds: float = 120.0
    ) -> None:
        self._qdrant = Connection(url, api_key, seconds=seconds, attempt_seconds=60.0, attempts=6)
        self._alias = collection
        self._collection = ""
        self._dimensions = 0
        self._ready = False
        """Whether the collection is there with all that it needs."""
        self._preparing = asyncio.Lock()
        self._there: dict[str, tuple[Chunk, bool]] = {}
        """Chunks in the collection, and whether they are live."""

    async def open(self, info: IndexInfo) -> Mapping[str, Chunk]:
        """Everything that a collection for this model already holds, by chunk id.

        Nothing is written yet. Raises ConfigurationError where the name belongs to a
        collection that is not ours.
        """
        label = f"{info.embedding_model}/{info.dimensions}"
        self._collection = f"{self._alias}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
        self._dimensions, self._ready = info.dimensions, False
        names = await self._names()
        if self._alias in names:
            raise ConfigurationError(
                f"QDRANT_COLLECTION={self._alias} is a collection of an older layout, which stays "
                "as it is: set another name, such as book, and ingest into that"
            )
        self._there = await self._scrolled() if self._collection in names else {}
        return {chunk_id: chunk for chunk_id, (chunk, _) in self._there.items()}

    async def _names(self) -> set[str]:
        found = await self._qdrant.call(lambda client: client.get_collections())
        return {collection.name for collection in found.collections}

    async def _prepare(self) -> None:
        """Make what is missing before the first write."""
        async with self._preparing:
            if not self._ready:
                if self._collection not in await self._names():
                    await self._create(self._dimensions)
                await self._index_payload()
                self._ready = True

    async def _create(self, dimensions: int) -> None:
        from qdrant_client import models as m

        name = self._collection
        try:
            await self._qdrant.call(
                lambda client: client.create_collection(
                    name,
                    vectors_config={
                        DENSE: m.VectorParams(size=dimensions, distance=m.Distance.COSINE)
                    },
                    sparse_vectors_config={SPARSE: m.SparseVectorParams(modifier=m.Modifier.IDF)},
                )
            )
        except UpstreamRejected:
            if name not in await self._names():  # else an attempt that was not heard did it
                raise

    async def _index_payload(self) -> None:
        """Index every field that is filtered on; doing it again changes nothing."""
        from qdrant_client import models as m

        for field, schema in (
            ("live", m.PayloadSchemaType.BOOL),
            ("order_index", m.PayloadSchemaType.INTEGER),
        ):
            await self._qdrant.call(
                lambda client, field=field, schema=schema: client.create_payload_index(  # type: ignore[misc]
                    self._collection, field, field_schema=schema, wait=True
                )
            )

    async def _scrolled(self) -> dict[str, tuple[Chunk, bool]]:
        there: dict[str, tuple[Chunk, bool]] = {}
        offset: Any = None
        while True:
            points, offset = await self._qdrant.call(
                lambda client, offset=offset: client.scroll(  # type: ignore[misc]
                    self._collection, limit=_PAGE, offset=offset, with_payload=True
                )
            )
            for point in points:
                if point.payload and "chunk_id" in point.payload:
                    chunk = read_chunk(point.payload)
                    there[chunk.chunk_id] = chunk, bool(point.payload.get("live"))
            if offset is None:
                return there

    async def stage(self, points: Sequence[Point]) -> None:
        from qdrant_client import models as m

        await self._prepare()
        for start in range(0, len(points), _STAGED):
            structs = [
                m.PointStruct(
                    id=point.chunk.chunk_id,
                    vector={
                        DENSE: list(point.dense),
                        SPARSE: m.SparseVector(
                            indices=list(point.sparse.indices), values=list(point.sparse.values)
                        ),
                    },
                    payload=asdict(point.chunk) | {"live": self._is_live(point.chunk.chunk_id)},
                )
                for point in points[start : start + _STAGED]
            ]
            await self._qdrant.call(
                lambda client, structs=structs: client.upsert(self._collection, structs, wait=True)  # type: ignore[misc]
            )
        for point in points:
            chunk_id = point.chunk.chunk_id
            self._there[chunk_id] = point.chunk, self._is_live(chunk_id)

    def _is_live(self, chunk_id: str) -> bool:
        return self._there.get(chunk_id, (None, False))[1]

    async def publish(
        self,
        info: IndexInfo,
        chunks: Sequence[Chunk],
        document_frequencies: Mapping[int, int],
        sparse: Mapping[str, SparseVector] | None = None,
    ) -> None:
        """Make exactly `chunks` the index: first everything new, then nothing old.

        Where `sparse` replaces vectors of what is live, a search meanwhile may weigh words by
        the old rule and by the new. Raises ValueError if one of them was never staged.
        """
        from qdrant_client import models as m

        wanted = {chunk.chunk_id: chunk for chunk in chunks}
        if missing := wanted.keys() - self._there.keys():
            raise ValueError(f"{len(missing)} chunks were not staged")
        await self._prepare()
        for replacement in _set_sparse(sparse or {}):
            await self._update([replacement])
        operations: list[m.UpdateOperation] = []
        for chunk_id, chunk in wanted.items():
            there, _ = self._there[chunk_id]
            if changed := _difference(there, chunk):
                operations.append(_set_payload([chunk_id], changed))
        if new := [chunk_id for chunk_id in wanted if not self._there[chunk_id][1]]:
            operations.append(_set_payload(new, {"live": True}))
        gone: list[Any] = sorted(self._there.keys() - wanted.keys())
        buckets = _frequencies(document_frequencies)
        gone += [bucket(n) for n in range(BUCKETS) if bucket(n) not in buckets]
        records = {RECORD: {"record": asdict(info)}} | buckets
        last: list[m.UpdateOperation] = [
            m.DeleteOperation(delete=m.PointIdsList(points=gone)),
            m.UpsertOperation(
                upsert=m.PointsList(
                    points=[
                        m.PointStruct(id=key, vector={}, payload=payload)
                        for key, payload in records.items()
                    ]
                )
            ),
        ]
        # One request where it fits; the steps before the last take nothing away from readers.
        while len(operations) > _PAGE:
            await self._update(operations[:_PAGE])
            del operations[:_PAGE]
        await self._update([*operations, *last])
        self._there = {chunk_id: (chunk, True) for chunk_id, chunk in wanted.items()}
        await self._switch()

    async def _update(self, operations: Sequence[m.UpdateOperation]) -> None:
        await self._qdrant.call(
            lambda client: client.batch_update_points(self._collection, operations, wait=True)
        )

    async def _switch(self) -> None:
        """Point the alias here, and delete what it pointed to and what attempts left behind."""
        from qdrant_client import models as m

        create = m.CreateAlias(collection_name=self._collection, alias_name=self._alias)
        delete = m.DeleteAlias(alias_name=self._alias)
        found = await self._qdrant.call(lambda client: client.get_aliases())
        aliases = {alias.alias_name: alias.collection_name for alias in found.aliases}
        if aliases.get(self._alias) != self._collection:
            changes: list[m.AliasOperations] = [m.CreateAliasOperation(create_alias=create)]
            if self._alias in aliases:
                changes.insert(0, m.DeleteAliasOperation(delete_alias=delete))
            await self._qdrant.call(lambda client: client.update_collection_aliases(changes))
        ours = re.compile(rf"{re.escape(self._alias)}_[0-9a-f]{{8}}")
        used = {self._collection} | {aliases[name] for name in aliases if name != self._alias}
        for name in filter(ours.fullmatch, await self._names() - used):
            await self._qdrant.call(
                lambda client, name=name: client.delete_collection(name)  # type: ignore[misc]
            )

    async def close(self) -> None:
        await self._qdrant.close()


def _difference(before: Chunk, after: Chunk) -> dict[str, Any]:
    return {
        name: getattr(after, name)
        for name in FIELDS
        if getattr(after, name) != getattr(before, name)
    }


def _frequencies(document_frequencies: Mapping[int, int]) -> dict[str, dict[str, Any]]:
    buckets: dict[str, dict[str, Any]] = {}
    for term, count in document_frequencies.items():
        buckets.setdefault(bucket(term), {"df": {}})["df"][str(term)] = count
    return buckets


def _set_sparse(vectors: Mapping[str, SparseVector]) -> list[m.UpdateOperation]:
    """Replaces sparse vectors and leaves the dense ones."""
    from qdrant_client import models as m

    points = [
        m.PointVectors(
            id=chunk_id,
            vector={
                SPARSE: m.SparseVector(indices=list(vector.indices), values=list(vector.values))
            },
        )
        for chunk_id, vector in vectors.items()
    ]
    return [
        m.UpdateVectorsOperation(
            update_vectors=m.UpdateVectors(points=points[start : start + _STAGED])
        )
        for start in range(0, len(points), _STAGED)
    ]


def _set_payload(ids: Iterable[str], payload: dict[str, Any]) -> m.SetPayloadOperation:
    from qdrant_client import models as m

    return m.SetPayloadOperation(set_payload=m.SetPayload(payload=payload, points=list(ids)))
