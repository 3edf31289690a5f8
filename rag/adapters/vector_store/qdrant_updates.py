"""Make the requests that update Qdrant's points, each of a bounded size.

A server takes requests of up to 32 MB, and a small one should answer each within a second or two,
so that no attempt runs into its time limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from rag.adapters.vector_store.qdrant import DENSE, SPARSE, bucket
from rag.models import Point, SparseVector

if TYPE_CHECKING:
    from qdrant_client import models as m

T = TypeVar("T")

OPERATIONS = 500
"""Operations per request."""
POINTS = 5_000
"""Points per update or delete request: about one second on a small server."""
VECTORS = 64
"""Points with vectors per request."""
BYTES = 2_000_000
"""Bytes of JSON per request, by an estimate; a single point may be larger."""
_NUMBER = 24
"""Longest JSON of a vector's value and its comma."""
_ID = 40

Update: TypeAlias = "tuple[int, int, m.UpdateOperation]"
"""(number of points, bytes of JSON, operation); the server rejects operations without points."""


def structs(points: Sequence[Point], marks: Sequence[bool]) -> Iterator[list[m.PointStruct]]:
    """Make whole points, one list per request. `marks` says which of them are live."""
    from qdrant_client import models as m

    for group in _groups(zip(points, marks, strict=True), lambda item: _size(item[0]), VECTORS):
        yield [
            m.PointStruct(
                id=point.chunk.chunk_id,
                vector={DENSE: list(point.dense), SPARSE: _sparse(point.sparse)},
                payload=asdict(point.chunk) | {"place": point.chunk.place, "live": live},
            )
            for point, live in group
        ]


def _size(point: Point) -> int:
    numbers = len(point.dense) + 2 * len(point.sparse.indices)
    return numbers * _NUMBER + _json_size(asdict(point.chunk))


def _json_size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _sparse(vector: SparseVector) -> m.SparseVector:
    from qdrant_client import models as m

    return m.SparseVector(indices=list(vector.indices), values=list(vector.values))


def set_sparse(vectors: Mapping[str, SparseVector]) -> Iterator[Update]:
    """Replace sparse vectors and keep the dense ones."""
    from qdrant_client import models as m

    for chunk_id, vector in vectors.items():
        points = [m.PointVectors(id=chunk_id, vector={SPARSE: _sparse(vector)})]
        change = m.UpdateVectorsOperation(update_vectors=m.UpdateVectors(points=points))
        yield 1, 2 * len(vector.indices) * _NUMBER + 2 * _ID, change


def set_payload(ids: Iterable[str], payload: Mapping[str, Any]) -> Iterator[Update]:
    from qdrant_client import models as m

    for group in _groups(ids, lambda _: _ID, POINTS):
        change = m.SetPayload(payload=dict(payload), points=list(group))
        size = len(group) * _ID + _json_size(payload)
        yield len(group), size, m.SetPayloadOperation(set_payload=change)


def delete(ids: Iterable[str]) -> Iterator[Update]:
    from qdrant_client import models as m

    for group in _groups(ids, lambda _: _ID, POINTS):
        points = m.PointIdsList(points=list(group))
        yield len(group), len(group) * _ID, m.DeleteOperation(delete=points)


def upsert(payloads: Mapping[str, Mapping[str, Any]]) -> Iterator[Update]:
    """Upsert points without vectors."""
    from qdrant_client import models as m

    for group in _groups(payloads.items(), _json_size, POINTS):
        points = [m.PointStruct(id=key, vector={}, payload=dict(value)) for key, value in group]
        size = sum(map(_json_size, group))
        yield len(group), size, m.UpsertOperation(upsert=m.PointsList(points=points))


def frequencies(counts: Mapping[int, int]) -> dict[str, dict[str, Any]]:
    """Make the payloads that hold document frequencies, by point id."""
    buckets: dict[str, dict[str, Any]] = {}
    for term, count in counts.items():
        buckets.setdefault(bucket(term), {"df": {}})["df"][str(term)] = count
    return buckets


def requests(updates: Iterable[Update]) -> Iterator[list[m.UpdateOperation]]:
    """Group updates into as few requests as the limits allow, in order."""
    request: list[m.UpdateOperation] = []
    points = size = 0
    for more_points, more_size, operation in updates:
        full = points + more_points > POINTS or size + more_size > BYTES
        if request and (full or len(request) == OPERATIONS):
            yield request
            request, points, size = [], 0, 0
        request.append(operation)
        points += more_points
        size += more_size
    if request:
        yield request


def _groups(items: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Group items up to `most` and up to `BYTES` together."""
    group: list[T] = []
    total = 0
    for item in items:
        more = size(item)
        if group and (len(group) == most or total + more > BYTES):
            yield group
            group, total = [], 0
        group.append(item)
        total += more
    if group:
        yield group
