"""What a Qdrant server (1.18.2) answers to requests at the edge, and the imitation with it.

Where QDRANT_TEST_URL names a real server, that is held to the same table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.upstreams import Upstreams
from tests.upstreams.qdrant_server import QDRANTS, qdrant

FIRST, NOWHERE = str(UUID(int=1)), str(UUID(int=99))
EMPTY = "Bad request: Empty update request"
FORMAT, VALIDATION = "Format error in JSON body", "Validation error"
NOT_FOUND = f"Not found: No point with id {NOWHERE} found"

DIMENSION = "Wrong input: Vector dimension error: expected dim: 4, got 3"
NAN = '{"points": [{"id": 1, "vector": {"dense": [NaN, 0, 0, 0]}}]}'
SURROGATE = '{"points": [{"id": 1, "vector": {}, "payload": {"a": "\\ud800"}}]}'
FILTERED = {"filter": {"must": [{"key": "mark", "match": {"value": 1}}]}}
UNINDEXED = 'Bad request: Index required but not found for "mark"'


class Server:
    """A collection of one point that tests may change, and how to ask for it."""

    def __init__(self, up: Upstreams) -> None:
        self.up = up
        self.name = f"edge-{uuid4().hex}"
        self.alias = f"{self.name}-alias"
        headers = {"api-key": up.qdrant.key, "Content-Type": "application/json"}
        self.http = httpx.Client(base_url=up.qdrant.url, headers=headers)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Below the collection, unless the path begins with a slash. An update is waited for."""
        path = path if path.startswith("/") else f"/collections/{self.name}/{path}".rstrip("/")
        content = body if isinstance(body, str) else json.dumps(body)
        return self.http.request(method, path, params={"wait": "true"}, content=content)

    def make(self) -> None:
        body = {
            "vectors": {"dense": {"size": 4, "distance": "Cosine"}},
            "sparse_vectors": {"bm25": {"modifier": "idf"}},
            "strict_mode_config": {"enabled": True, "unindexed_filtering_retrieve": False},
        }
        alias = {"create_alias": {"collection_name": self.name, "alias_name": self.alias}}
        for method, path, said in (
            ("PUT", "", body),
            ("POST", "/collections/aliases", {"actions": [alias]}),
            ("PUT", "points", {"points": [point(FIRST)]}),
        ):
            self.ask(method, path, said).raise_for_status()


def point(point_id: Any = FIRST, dense: Any = (1, 0, 0, 0), **more: Any) -> dict[str, Any]:
    return {"id": point_id, "vector": {"dense": dense}, **more}


def sparse(indices: list[int], values: list[float]) -> dict[str, Any]:
    return {"id": FIRST, "vector": {"bm25": {"indices": indices, "values": values}}}


def upsert(*points: Any) -> dict[str, Any]:
    return {"points": list(points)}


def payload(*ids: str) -> dict[str, Any]:
    return {"payload": {"a": 1}, "points": list(ids)}


def batch(**operation: Any) -> dict[str, Any]:
    return {"operations": [operation]}


@pytest.fixture(scope="module", params=QDRANTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Upstreams(qdrant=qdrant(request.param)) as up:
        server = Server(up)
        with server.http:
            server.make()
            yield server


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        # without points
        ("PUT", "points", upsert(), 400, EMPTY),
        ("POST", "points/payload", payload(), 400, EMPTY),
        ("POST", "points/delete", upsert(), 400, EMPTY),
        ("POST", "points/batch", batch(upsert=upsert()), 400, EMPTY),
        ("POST", "points/batch", batch(delete=upsert()), 400, EMPTY),
        ("POST", "points/batch", batch(set_payload=payload()), 400, EMPTY),
        ("POST", "points/batch", batch(update_vectors=upsert()), 422, "must specify points"),
        ("POST", "points/batch", {"operations": []}, 200, ""),
        ("POST", "/collections/aliases", {"actions": []}, 200, ""),
        # points that are not there
        ("POST", "points/payload", payload(NOWHERE), 404, NOT_FOUND),
        ("POST", "points/batch", batch(update_vectors=upsert(point(NOWHERE))), 404, NOT_FOUND),
        ("POST", "points/delete", {"points": [NOWHERE]}, 200, ""),
        # JSON
        ("PUT", "points", '{"points": ', 400, FORMAT),
        ("PUT", "points", NAN, 400, FORMAT),
        ("PUT", "points", SURROGATE, 400, FORMAT),
        ("PUT", "points", upsert(point(payload={"a": "\0"})), 200, ""),
        ("PUT", "points", upsert(point("no-uuid")), 400, FORMAT),
        ("PUT", "points", upsert(sparse([2**32], [1.0])), 400, FORMAT),
        # what the model refuses
        ("PUT", "points", upsert(sparse([1, 1], [1.0, 2.0])), 422, VALIDATION),
        ("PUT", "points", upsert(sparse([1, 2], [1.0])), 422, VALIDATION),
        ("POST", "points/query", {"using": "dense", "limit": 0}, 422, VALIDATION),
        # vectors
        ("PUT", "points", upsert(sparse([], [])), 200, ""),
        ("PUT", "points", upsert(sparse([3, 1], [1.0, 2.0])), 200, ""),
        ("PUT", "points", upsert(point(dense=[0, 0, 0, 0])), 200, ""),
        ("PUT", "points", upsert({"id": FIRST, "vector": {}}), 200, ""),
        ("PUT", "points", upsert(point(dense=[1, 0, 0])), 400, DIMENSION),
        # filters and indexes
        ("POST", "points/scroll", FILTERED, 400, UNINDEXED),
        ("PUT", "index", {"field_name": "a", "field_schema": "keyword"}, 200, ""),
        ("PUT", "index", {"field_name": "a", "field_schema": "integer"}, 200, ""),
        # collections
        ("PUT", "", {"vectors": {}}, 409, "already exists"),
    ],
)
def test_it_answers(
    server: Server, method: str, path: str, body: Any, status: int, said: str
) -> None:
    answer = server.ask(method, path, body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    if status == 200:
        assert answer.json()["status"] == "ok"
    else:
        assert said in answer.json()["status"]["error"]


def test_operations_before_a_refused_one_are_applied(server: Server) -> None:
    operations = [{"upsert": upsert(point(7, payload={"new": True}))}, {"delete": upsert()}]
    refused = server.ask("POST", "points/batch", {"operations": operations})
    assert (refused.status_code, refused.json()["status"]) == (400, {"error": EMPTY})
    found = server.ask("POST", "points", {"ids": [7], "with_payload": True}).json()["result"]
    assert [point["payload"] for point in found] == [{"new": True}]


def test_an_alias_is_no_collection(server: Server) -> None:
    made = server.ask("PUT", f"/collections/{server.alias}", {"vectors": {}})
    assert made.status_code == 400
    for name in (server.alias, f"{server.name}-nowhere"):
        gone = server.ask("DELETE", f"/collections/{name}")
        assert (gone.status_code, gone.json()["result"]) == (200, False)
    assert server.ask("GET", f"/collections/{server.alias}").status_code == 200


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"api-key": "wrong"}, "Invalid API key or JWT"),
        ({}, "Must provide an API key or an Authorization bearer token"),
    ],
)
def test_who_has_no_key_is_told_in_plain_text(
    server: Server, headers: dict[str, str], said: str
) -> None:
    if not server.up.qdrant.asks_for_a_key:
        pytest.skip("the server asks for no key")
    answer = httpx.get(f"{server.up.qdrant.url}/collections", headers=headers)
    assert (answer.status_code, answer.text) == (401, said)
    assert answer.headers["content-type"].startswith("text/plain")
