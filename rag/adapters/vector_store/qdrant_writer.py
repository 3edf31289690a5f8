"""Write the index to Qdrant. `qdrant.py` describes the layout."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, NamedTuple

from rag.adapters.retry import RetryLimits
from rag.adapters.vector_store import qdrant_updates as updates
from rag.adapters.vector_store.qdrant import BUCKETS, DENSE, FIELDS, RECORD, SPARSE, bucket
from rag.adapters.vector_store.qdrant_sdk import Connection
from rag.errors import ConfigurationError, UpstreamRejected
from rag.models import Chunk, IndexInfo, Page, Point, SparseVector

_READ = 10_000
"""Points per read request, of which only ids, hashes and marks are read: about 2 MB."""


class _Stored(NamedTuple):
    """A point of the collection. Its id stands for its text."""

    place: str
    order_index: int
    live: bool
    gone: bool = False


class QdrantWriter:
    """Writes the index. Every request can be repeated, so every request is retried."""

    def __init__(self, url: str, api_key: str = "", collection: str = "book") -> None:
        limits = RetryLimits(120.0, attempts=6, attempt_seconds=60.0)
        self._qdrant = Connection(url, api_key, limits)
        self._alias = collection
        self._collection = ""
        self._dimensions = 0
        self._ready = False
        """Whether the collection exists with its payload indexes."""
        self._preparing = asyncio.Lock()
        self._serving = False
        """Whether the alias points to this collection. If not, chunks are staged as live and moving
        the alias publishes them."""
        self._there: dict[str, _Stored] = {}
        """The chunks in the collection, by id."""
        self._switching = False
        """Whether a publication was interrupted after readers saw it."""

    def prepare(self) -> None:
        self._qdrant.prepare()

    async def open(self, info: IndexInfo) -> Mapping[str, str]:
        """Return the places of the chunks already in the collection for this model, by id.

        Nothing is written yet. Raises ConfigurationError if the name belongs to another project's
        collection.
        """
        label = f"{info.embedding_model}/{info.dimensions}"
        self._collection = f"{self._alias}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
        self._dimensions, self._ready = info.dimensions, False
        self._there, self._switching = {}, False
        names = await self._names()
        if self._alias in names:
            raise ConfigurationError(
                f"QDRANT_COLLECTION={self._alias} is a collection of an older layout and is left "
                "as it is: set another name, such as book, and ingest into that"
            )
        self._serving = self._collection in (await self._aliases()).values()
        if self._collection in names:
            await self._scroll()
        # After an interrupted switch, the first write deletes what is gone.
        return {
            chunk_id: stored.place
            for chunk_id, stored in self._there.items()
            if not (self._switching and stored.gone)
        }

    async def _names(self) -> set[str]:
        found = await self._qdrant.call("get_collections")
        return {collection.name for collection in found.collections}

    async def _aliases(self) -> dict[str, str]:
        found = await self._qdrant.call("get_aliases")
        return {alias.alias_name: alias.collection_name for alias in found.aliases}

    async def _prepare(self) -> None:
        """Before the first write, make the collection, and complete what was interrupted."""
        async with self._preparing:
            if not self._ready:
                if self._collection not in await self._names():
                    await self._create(self._dimensions)
                await self._index_payload()
                if self._switching:  # or readers would see what is staged
                    await self._settle()
                self._ready = True

    async def _create(self, dimensions: int) -> None:
        """Create the collection with one shard, because IDF is computed per shard."""
        from qdrant_client import models as m

        name = self._collection
        try:
            await self._qdrant.call(
                "create_collection",
                name,
                vectors_config={DENSE: m.VectorParams(size=dimensions, distance=m.Distance.COSINE)},
                sparse_vectors_config={SPARSE: m.SparseVectorParams(modifier=m.Modifier.IDF)},
                shard_number=1,
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
            ("gone", m.PayloadSchemaType.BOOL),
            ("order_index", m.PayloadSchemaType.INTEGER),
        ):
            await self._qdrant.call(
                "create_payload_index", self._collection, field, field_schema=schema, wait=True
            )

    async def _scroll(self) -> None:
        wanted = ["place", "order_index", "live", "gone", "switching"]
        offset: Any = None
        while True:
            points, offset = await self._qdrant.call(
                "scroll", self._collection, limit=_READ, offset=offset, with_payload=wanted
            )
            for point in points:
                payload = point.payload or {}
                if "order_index" in payload:
                    self._there[str(point.id)] = _Stored(
                        payload.get("place", ""),
                        payload["order_index"],
                        bool(payload.get("live")),
                        bool(payload.get("gone")),
                    )
                elif point.id == RECORD:
                    self._switching = bool(payload.get("switching"))
            if offset is None:
                return

    async def stage(self, points: Sequence[Point]) -> None:
        await self._prepare()
        marks = [self._is_live(point.chunk.chunk_id) for point in points]
        for structs in updates.structs(points, marks):
            await self._qdrant.call("upsert", self._collection, structs, wait=True)
        for point, live in zip(points, marks, strict=True):
            self._there[point.chunk.chunk_id] = _stored(point.chunk, live)

    def _is_live(self, chunk_id: str) -> bool:
        return self._there[chunk_id].live if chunk_id in self._there else not self._serving

    async def publish(
        self,
        info: IndexInfo,
        chunks: Sequence[Chunk],
        document_frequencies: Mapping[int, int],
        sparse: Mapping[str, SparseVector] | None = None,
        pages: Sequence[Page] = (),
    ) -> None:
        """Make exactly `chunks` the index, in the three steps that `qdrant.py` describes.

        Readers see replaced vectors (`sparse`), document frequencies and changed payloads of
        chunks that stay, such as the links of a renamed page, as they are written. Raises
        ValueError if a chunk was never staged.
        """
        wanted = {chunk.chunk_id: chunk for chunk in chunks}
        if missing := wanted.keys() - self._there.keys():
            raise ValueError(f"{len(missing)} chunks were not staged")
        await self._prepare()
        gone = sorted(self._there.keys() - wanted.keys())
        buckets = updates.frequencies(document_frequencies)
        unused = [bucket(n) for n in range(BUCKETS) if bucket(n) not in buckets]
        self._switching = bool(gone) or not all(self._there[name].live for name in wanted)
        record = {"record": asdict(info), "switching": self._switching}
        await self._update(
            updates.set_sparse(sparse or {}),
            (
                update
                for chunk_id, chunk in wanted.items()
                if (changed := _difference(self._there[chunk_id], chunk))
                for update in updates.set_payload([chunk_id], changed)
            ),
            updates.set_payload((i for i in gone if not self._there[i].gone), {"gone": True}),
            updates.set_payload((i for i in wanted if self._there[i].gone), {"gone": False}),
            # The record comes last: until then, the next run repeats all of this.
            updates.upsert(buckets | {RECORD: record}),
            updates.delete(unused),
        )
        self._there = {
            chunk_id: _stored(wanted[chunk_id], stored.live)
            if chunk_id in wanted
            else stored._replace(gone=True)
            for chunk_id, stored in self._there.items()
        }
        if self._switching:
            await self._settle()
        await self._switch()
        self._serving = True

    async def _settle(self) -> None:
        """Bring the marks in line with what readers see since the record was written."""
        gone = [chunk_id for chunk_id, stored in self._there.items() if stored.gone]
        kept = {key: stored for key, stored in self._there.items() if not stored.gone}
        await self._update(
            updates.set_payload((i for i in kept if not kept[i].live), {"live": True}),
            updates.delete(gone),
            updates.set_payload([RECORD], {"switching": False}),
        )
        self._there = {chunk_id: stored._replace(live=True) for chunk_id, stored in kept.items()}
        self._switching = False

    async def _update(self, *changes: Iterable[updates.Update]) -> None:
        for operations in updates.requests(chain.from_iterable(changes)):
            await self._qdrant.call("batch_update_points", self._collection, operations, wait=True)

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
            await self._qdrant.call("update_collection_aliases", changes)
        ours = re.compile(rf"{re.escape(self._alias)}_[0-9a-f]{{8}}")
        used = {self._collection} | {aliases[name] for name in aliases if name != self._alias}
        for name in filter(ours.fullmatch, await self._names() - used):
            await self._qdrant.call("delete_collection", name)

    async def close(self) -> None:
        await self._qdrant.close()


_COMPARED = tuple(name for name in FIELDS if name != "text")


def _stored(chunk: Chunk, live: bool) -> _Stored:
    return _Stored(chunk.place, chunk.order_index, live)


def _difference(before: _Stored, after: Chunk) -> dict[str, Any]:
    if before.place != after.place:
        changed = {name: getattr(after, name) for name in _COMPARED}
        return changed | {"place": after.place}
    if before.order_index != after.order_index:
        return {"order_index": after.order_index}
    return {}
