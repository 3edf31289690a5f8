"""Make the requests that update Qdrant's points, each of a bounded size.

A server takes requests of up to 32 MB, and a small one should answer each within a second or two,
so that no attempt runs into its time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from pydantic_core import to_json

from rag.adapters.vector_store.qdrant import DENSE, SPARSE, bucket
from rag.models import Point, SparseVector

T = TypeVar("T")

OPERATIONS = 500
"""Operations per request."""
POINTS = 5_000
"""Points per update or delete request: about one second on a small server."""
VECTORS = 64
"""Points with vectors per request."""
BYTES = 2_000_000
"""Bytes of JSON per request; a single point may be larger."""

Operation: TypeAlias = Mapping[str, Any]
Update: TypeAlias = tuple[int, Operation]
"""The number of points and the operation; the server rejects operations without points."""


def structs(points: Sequence[Point], marks: Sequence[bool]) -> Iterator[list[Operation]]:
    """Make whole points, one list per request. `marks` says which of them are live."""
    made = (
        {
            "id": point.chunk.chunk_id,
            "vector": {DENSE: list(point.dense), SPARSE: _sparse(point.sparse)},
            "payload": asdict(point.chunk) | {"place": point.chunk.place, "live": live},
        }
        for point, live in zip(points, marks, strict=True)
    )
    return _groups(made, lambda struct: max(1 / VECTORS, len(to_json(struct)) / BYTES))


def _sparse(vector: SparseVector) -> Operation:
    return {"indices": vector.indices, "values": vector.values}


def set_sparse(vectors: Mapping[str, SparseVector]) -> Iterator[Update]:
    """Replace sparse vectors and keep the dense ones."""
    for chunk_id, vector in vectors.items():
        points = [{"id": chunk_id, "vector": {SPARSE: _sparse(vector)}}]
        yield 1, {"update_vectors": {"points": points}}


def set_payload(ids: Iterable[str], payload: Mapping[str, Any]) -> Iterator[Update]:
    for group in _id_groups(ids):
        yield len(group), {"set_payload": {"payload": payload, "points": group}}


def delete(ids: Iterable[str]) -> Iterator[Update]:
    for group in _id_groups(ids):
        yield len(group), {"delete": {"points": group}}


def upsert(payloads: Mapping[str, Mapping[str, Any]]) -> Iterator[Update]:
    """Upsert points without vectors."""
    made = ({"id": name, "vector": {}, "payload": value} for name, value in payloads.items())
    for group in _groups(made, lambda struct: max(1 / POINTS, len(to_json(struct)) / BYTES)):
        yield len(group), {"upsert": {"points": group}}


def frequencies(counts: Mapping[int, int]) -> dict[str, dict[str, Any]]:
    """Make the payloads that hold document frequencies, by point id."""
    buckets: dict[str, dict[str, Any]] = {}
    for term, count in counts.items():
        buckets.setdefault(bucket(term), {"df": {}})["df"][str(term)] = count
    return buckets


def requests(updates: Iterable[Update]) -> Iterator[list[Operation]]:
    """Group updates into few requests within the limits, in order."""

    def share(update: Update) -> float:
        points, operation = update
        return max(1 / OPERATIONS, points / POINTS, len(to_json(operation)) / BYTES)

    for group in _groups(updates, share):
        yield [operation for _, operation in group]


def _id_groups(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while group := list(islice(rest, POINTS)):
        yield group


def _groups(items: Iterable[T], share: Callable[[T], float]) -> Iterator[list[T]]:
    """Group items whose shares of the largest request add up to one."""
    group: list[T] = []
    total = 0.0
    for item in items:
        more = share(item)
        if group and total + more > 1 + 1e-9:
            yield group
            group, total = [], 0.0
        group.append(item)
        total += more
    if group:
        yield group
