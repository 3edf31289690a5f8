"""Imitate Qdrant's REST API as qdrant-client uses it, on the client's local engine.

Errors are those of server 1.18.2 (`test_qdrant_server.py`). Strict mode is imitated: a filter
on a field without a payload index gets 400. Not covered: snapshots, clusters, facets, groups,
partial vector updates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from tests.upstreams.http import Request, Reset, Response, Service

_COLLECTION = r"/collections/(?P<name>[^/]+)"
_LARGEST = 32 * 2**20
"""The server breaks the connection while a larger request comes."""
_NO_KEY = "Must provide an API key or an Authorization bearer token"


class Qdrant(Service):
    """The key is `key`; others get 401, as text."""

    key = "qdrant-test-key"
    asks_for_a_key = True
    engine: AsyncQdrantClient

    def __init__(self) -> None:
        super().__init__()
        self._indexed: dict[str, set[str]] = {}
        self._known: dict[tuple[str, str, bytes], bytes] = {}
        """Cache of reads since the last write, because the local engine filters point by point in
        Python, far slower than a server, and benchmarks repeat questions."""

    async def opened(self) -> None:
        self.engine = AsyncQdrantClient(":memory:")

    async def closed(self) -> None:
        await self.engine.close()

    async def answer(self, request: Request) -> Response:
        if len(request.body) > _LARGEST:
            raise Reset
        if (given := request.headers.get("api-key")) != self.key:
            said = "Invalid API key or JWT" if given else _NO_KEY
            return Response(401, said.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        for method, pattern, handler in _ROUTES:
            if method == request.method and (found := re.fullmatch(pattern, request.path)):
                reads = request.method == "GET" or handler in _READS
                if not reads:
                    self._known.clear()
                key = (request.method, request.path, request.body)
                if key not in self._known:
                    try:
                        result = await handler(self, request, **found.groupdict())
                    except (KeyError, ValueError) as error:
                        return _refused(error)
                    data = {"result": _plain(result), "status": "ok", "time": 0.001}
                    if not reads:
                        return Response(200, data)
                    self._known[key] = json.dumps(data, ensure_ascii=False).encode()
                return Response(200, self._known[key])
        return _error(404, f"no such path {request.method} {request.path}")

    async def collections(self, request: Request) -> object:
        return await self.engine.get_collections()

    async def aliases(self, request: Request) -> object:
        return await self.engine.get_aliases()

    async def change_aliases(self, request: Request) -> object:
        actions = _body(request, m.ChangeAliasesOperation).actions
        return await self.engine.update_collection_aliases(actions)

    async def collection(self, request: Request, name: str) -> object:
        return await self.engine.get_collection(name)

    async def exists(self, request: Request, name: str) -> object:
        return {"exists": await self.engine.collection_exists(name)}

    async def create(self, request: Request, name: str) -> object:
        body = _body(request, m.CreateCollection)
        vectors: Any = body.vectors
        return await self.engine.create_collection(
            name, vectors_config=vectors, sparse_vectors_config=body.sparse_vectors
        )

    async def drop(self, request: Request, name: str) -> object:
        self._indexed.pop(name, None)
        return await self.engine.delete_collection(name)

    async def index(self, request: Request, name: str) -> object:
        await self.engine.get_collection(name)
        self._indexed.setdefault(name, set()).add(request.json()["field_name"])
        return m.UpdateResult(operation_id=0, status=m.UpdateStatus.COMPLETED)

    async def upsert(self, request: Request, name: str) -> object:
        return await self.engine.upsert(name, _body(request, m.PointsList).points)

    async def retrieve(self, request: Request, name: str) -> object:
        body = _body(request, m.PointRequest)
        return await self.engine.retrieve(
            name, body.ids, with_payload=_or(body.with_payload, True), with_vectors=False
        )

    async def scroll(self, request: Request, name: str) -> object:
        body = _body(request, m.ScrollRequest)
        await self._check(name, request.json())
        points, after = await self.engine.scroll(
            name,
            scroll_filter=body.filter,
            limit=_or(body.limit, 10),
            offset=body.offset,
            with_payload=_or(body.with_payload, True),
        )
        return {"points": [_plain(point) for point in points], "next_page_offset": after}

    async def count(self, request: Request, name: str) -> object:
        body = _body(request, m.CountRequest)
        await self._check(name, request.json())
        return await self.engine.count(name, count_filter=body.filter)

    async def query(self, request: Request, name: str) -> object:
        body = _body(request, m.QueryRequest)
        await self._check(name, request.json())
        return (await self.engine.query_batch_points(name, [body]))[0]

    async def query_batch(self, request: Request, name: str) -> object:
        searches = _body(request, m.QueryRequestBatch).searches
        await self._check(name, request.json())
        return await self.engine.query_batch_points(name, searches)

    async def batch(self, request: Request, name: str) -> object:
        operations = _body(request, m.UpdateOperations).operations
        await self._check(name, request.json())
        return await self.engine.batch_update_points(name, operations)

    async def delete(self, request: Request, name: str) -> object:
        selector: Any = _body(request, m.PointsSelector)
        await self._check(name, request.json())
        return await self.engine.delete(name, selector)

    async def set_payload(self, request: Request, name: str) -> object:
        body = _body(request, m.SetPayload)
        return await self.engine.set_payload(name, body.payload, points=body.points or [])

    async def delete_payload(self, request: Request, name: str) -> object:
        body = _body(request, m.DeletePayload)
        return await self.engine.delete_payload(name, body.keys, points=body.points or [])

    async def _check(self, name: str, body: object) -> None:
        """Enforce strict mode: filters may only use fields with a payload index."""
        await self.engine.get_collection(name)
        aliases = {
            a.alias_name: a.collection_name for a in (await self.engine.get_aliases()).aliases
        }
        indexed = self._indexed.get(aliases.get(name, name), set())
        for key in _filtered(body):
            if key not in indexed:
                raise ValueError(f'Index required but not found for "{key}"')


_Handler = Callable[..., Awaitable[object]]
_ROUTES: tuple[tuple[str, str, _Handler], ...] = (
    ("GET", r"/collections", Qdrant.collections),
    ("GET", r"/aliases", Qdrant.aliases),
    ("POST", r"/collections/aliases", Qdrant.change_aliases),
    ("GET", _COLLECTION, Qdrant.collection),
    ("PUT", _COLLECTION, Qdrant.create),
    ("DELETE", _COLLECTION, Qdrant.drop),
    ("GET", _COLLECTION + "/exists", Qdrant.exists),
    ("PUT", _COLLECTION + "/index", Qdrant.index),
    ("PUT", _COLLECTION + "/points", Qdrant.upsert),
    ("POST", _COLLECTION + "/points", Qdrant.retrieve),
    ("POST", _COLLECTION + "/points/scroll", Qdrant.scroll),
    ("POST", _COLLECTION + "/points/count", Qdrant.count),
    ("POST", _COLLECTION + "/points/query", Qdrant.query),
    ("POST", _COLLECTION + "/points/query/batch", Qdrant.query_batch),
    ("POST", _COLLECTION + "/points/batch", Qdrant.batch),
    ("POST", _COLLECTION + "/points/delete", Qdrant.delete),
    ("POST", _COLLECTION + "/points/payload", Qdrant.set_payload),
    ("POST", _COLLECTION + "/points/payload/delete", Qdrant.delete_payload),
)
_READS = (Qdrant.retrieve, Qdrant.scroll, Qdrant.count, Qdrant.query, Qdrant.query_batch)


def _body(request: Request, model: Any) -> Any:
    """Parse the body with the client's model. Raises ValueError."""
    try:
        # The model accepts NaN and infinity; servers do not.
        from_json(request.body, allow_inf_nan=False)
        return _adapter(model).validate_json(request.body)
    except ValueError as error:
        raise ValueError(f"{_FORMAT}: {error}") from None


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _filtered(body: object) -> set[str]:
    """Return the payload fields used by the filters in a request."""
    if isinstance(body, list):
        return {key for item in body for key in _filtered(item)}
    if not isinstance(body, dict):
        return set()
    found = {key for name, item in body.items() if name != "payload" for key in _filtered(item)}
    if isinstance(body.get("key"), str) and {"match", "range"} & body.keys():
        found.add(body["key"])
    return found


_FORMAT = "Format error in JSON body"
_INVALID = "Validation error in JSON body: "
_REFUSALS = (
    (f"^{_FORMAT}.*", 400, r"\g<0>"),
    (r"(Point id \S+ is not a valid UUID|Indices must be between.*)", 400, rf"{_FORMAT}: \1"),
    (r"(must specify points.*|Indices .*must .*|limit value 0.*)", 422, rf"{_INVALID}\1"),
    (r"(Empty update request|Index required.*)", 400, r"Bad request: \1"),
    (r"(Collection \S+) not found", 404, r"Not found: \1 doesn't exist!"),
    (r"^Collection \S+ already exists", 409, r"Wrong input: \g<0>"),
    (
        r"shapes .* and \((\d+),\) not aligned: (\d+)",
        400,
        r"Wrong input: Vector dimension error: expected dim: \2, got \1",
    ),
    (r"ector (\S*) is not found", 400, r"Wrong input: Not existing vector name error: \1"),
)
"""The local engine's message, the server's status and the server's message."""


def _refused(error: KeyError | ValueError) -> Response:
    """Turn an error of the local engine into the server's response."""
    if isinstance(error, KeyError):
        return _error(404, f"Not found: No point with id {error.args[0]} found")
    message = str(error)
    for pattern, status, said in _REFUSALS:
        if found := re.search(pattern, message):
            return _error(status, found.expand(said))
    return _error(400, f"Wrong input: {message}")


def _error(status: int, message: str) -> Response:
    return Response(status, {"status": {"error": message}, "time": 0.0})
