"""Write the index to Qdrant. `qdrant.py` describes the layout."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag.adapters.vector_store.qdrant import (
    BUCKETS,
    DENSE,
    FIELDS,
    RECORD,
    SPARSE,
    bucket,
    read_chunk,
)
from rag.adapters.vector_store.qdrant_sdk import Connection
from rag.errors import ConfigurationError, UpstreamRejected
from rag.models import (
    Chunk,
    IndexInfo,
    Point,
    SparseVector,
)

if TYPE_CHECKING:
    from qdrant_client import models as m

_READ = 1_000
"""Points per read request, without their texts."""
_OPERATIONS = 500
"""Operations per request."""
_POINTS = 5_000
"""Points per update or delete request: about one second on a small server."""
_STAGED = 64
"""Points with vectors per request: 1.5 MB of JSON at 1,024 dimensions."""


class QdrantWriter:
    """Writes the index. Every request can be repeated, so every request is retried."""

    def __init__(
        self, url: str, api_key: str = "", collection: str = "book", *, seconds: float = 120.0
    ) -> None:
        self._qdrant = Connection(url, api_key, seconds=seconds, attempt_seconds=60.0, attempts=6)
        self._alias = collection
        self._collection = ""
        self._dimensions = 0
        self._ready = False
        """Whether the collection exists with its payload indexes."""
        self._preparing = asyncio.Lock()
        self._serving = False
        """Whether the alias points to this collection. If not, chunks are staged as live and moving
        the alias publishes them."""
        self._there: dict[str, tuple[Chunk, bool]] = {}
        """Chunks in the collection and whether they are live. Chunks read back have no text; their
        id identifies it."""

    async def open(self, info: IndexInfo) -> Mapping[str, Chunk]:
        """Return the chunks already in the collection for this model, by id, without texts.

        Nothing is written yet. Raises ConfigurationError if the name belongs to another project's
        collection.
        """
        label = f"{info.embedding_model}/{info.dimensions}"
        self._collection = f"{self._alias}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
        self._dimensions, self._ready = info.dimensions, False
        names = await self._names()
        if self._alias in names:
            raise ConfigurationError(
                f"QDRANT_COLLECTION={self._alias} is a collection of an older layout and is left "
                "as it is: set another name, such as book, and ingest into that"
            )
        self._serving = self._collection in (await self._aliases()).values()
        self._there = await self._scrolled() if self._collection in names else {}
        return {chunk_id: chunk for chunk_id, (chunk, _) in self._there.items()}

    async def _names(self) -> set[str]:
        found = await self._qdrant.call(lambda client: client.get_collections())
        return {collection.name for collection in found.collections}

    async def _aliases(self) -> dict[str, str]:
        found = await self._qdrant.call(lambda client: client.get_aliases())
        return {alias.alias_name: alias.collection_name for alias in found.aliases}

    async def _prepare(self) -> None:
        """Create the collection and its indexes, if missing, before the first write."""
        async with self._preparing:
            if not self._ready:
                if self._collection not in await self._names():
                    await self._create(self._dimensions)
                await self._index_payload()
                self._ready = True

    async def _create(self, dimensions: int) -> None:
        """Create the collection with one shard, because IDF is computed per shard."""
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
                    shard_number=1,
                )
            )
        except UpstreamRejected:
            # An earlier attempt may have succeeded without a response.
            if name not in await self._names():
                raise

    async def _index_payload(self) -> None:
        """Create a payload index on every filtered field; repeating it changes nothing."""
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
        wanted = [*_COMPARED, "live"]
        there: dict[str, tuple[Chunk, bool]] = {}
        offset: Any = None
        while True:
            points, offset = await self._qdrant.call(
                lambda client, offset=offset: client.scroll(  # type: ignore[misc]
                    self._collection, limit=_READ, offset=offset, with_payload=wanted
                )
            )
            for point in points:
                if point.payload and "chunk_id" in point.payload:
                    chunk = read_chunk({"text": ""} | point.payload)
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
        return self._there[chunk_id][1] if chunk_id in self._there else not self._serving

    async def publish(
        self,
        info: IndexInfo,
        chunks: Sequence[Chunk],
        document_frequencies: Mapping[int, int],
        sparse: Mapping[str, SparseVector] | None = None,
    ) -> None:
        """Make exactly `chunks` the index: first show all new chunks, then delete the old ones.

        While `sparse` replaces vectors of live chunks, searches may see old and new weights.
        Raises ValueError if a chunk was never staged.
        """
        wanted = {chunk.chunk_id: chunk for chunk in chunks}
        if missing := wanted.keys() - self._there.keys():
            raise ValueError(f"{len(missing)} chunks were not staged")
        await self._prepare()
        for replacement in _set_sparse(sparse or {}):
            await self._update([replacement])
        buckets = _frequencies(document_frequencies)
        new = [chunk_id for chunk_id in wanted if not self._is_live(chunk_id)]
        gone = sorted(self._there.keys() - wanted.keys())
        gone += [bucket(n) for n in range(BUCKETS) if bucket(n) not in buckets]
        updates = [
            _set_payload([chunk_id], changed)
            for chunk_id, chunk in wanted.items()
            if (changed := _difference(self._there[chunk_id][0], chunk))
        ]
        updates += [_set_payload(ids, {"live": True}) for ids in _steps(new)]
        updates += [_delete(ids) for ids in _steps(gone)]
        # Write the record last: until then, the next run repeats all of this.
        updates.append(_upsert(buckets | {RECORD: {"record": asdict(info)}}))
        for operations in _requests(updates):
            await self._update(operations)
        self._there = {chunk_id: (chunk, True) for chunk_id, chunk in wanted.items()}
        await self._switch()
        self._serving = True

    async def _update(self, operations: Sequence[m.UpdateOperation]) -> None:
        await self._qdrant.call(
            lambda client: client.batch_update_points(self._collection, operations, wait=True)
        )

    async def _switch(self) -> None:
        """Move the alias here; delete the old collection and leftovers of failed attempts."""
        from qdrant_client import models as m

        create = m.CreateAlias(collection_name=self._collection, alias_name=self._alias)
        delete = m.DeleteAlias(alias_name=self._alias)
        aliases = await self._aliases()
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


_COMPARED = tuple(name for name in FIELDS if name != "text")


def _difference(before: Chunk, after: Chunk) -> dict[str, Any]:
    return {
        name: getattr(after, name)
        for name in _COMPARED
        if getattr(after, name) != getattr(before, name)
    }


def _frequencies(document_frequencies: Mapping[int, int]) -> dict[str, dict[str, Any]]:
    buckets: dict[str, dict[str, Any]] = {}
    for term, count in document_frequencies.items():
        buckets.setdefault(bucket(term), {"df": {}})["df"][str(term)] = count
    return buckets


def _set_sparse(vectors: Mapping[str, SparseVector]) -> list[m.UpdateOperation]:
    """Make operations that replace sparse vectors and keep the dense ones."""
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


# ---------------------------------------------------------------- updates

if TYPE_CHECKING:
    Update = tuple[int, m.UpdateOperation]
    """(number of points, operation); the server rejects operations without points."""


def _set_payload(ids: Sequence[str], payload: dict[str, Any]) -> Update:
    from qdrant_client import models as m

    change = m.SetPayload(payload=payload, points=list(ids))
    return len(ids), m.SetPayloadOperation(set_payload=change)


def _delete(ids: Sequence[str]) -> Update:
    from qdrant_client import models as m

    return len(ids), m.DeleteOperation(delete=m.PointIdsList(points=list(ids)))


def _upsert(payloads: Mapping[str, dict[str, Any]]) -> Update:
    """Upsert points without vectors."""
    from qdrant_client import models as m

    points = [m.PointStruct(id=key, vector={}, payload=value) for key, value in payloads.items()]
    return len(points), m.UpsertOperation(upsert=m.PointsList(points=points))


def _steps(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _POINTS] for start in range(0, len(ids), _POINTS))


def _requests(updates: Iterable[Update]) -> Iterator[list[m.UpdateOperation]]:
    """Group updates into as few requests as the limits allow, in order."""
    request: list[m.UpdateOperation] = []
    size = 0
    for points, operation in updates:
        if len(request) == _OPERATIONS or (request and size + points > _POINTS):
            yield request
            request, size = [], 0
        request.append(operation)
        size += points
    yield request
