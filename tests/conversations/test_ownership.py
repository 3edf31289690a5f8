"""Who does not know a conversation's id learns nothing, whatever they try instead."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import store as conversations
from rag.models import Turn
from tests.support.postgres import using
from tests.support.service import Service

QUESTION = "How do I delete a conversation?"


def strangers(session_id: str) -> dict[str, str]:
    """Ids that open nothing, by what is wrong with them."""
    return {
        "unknown": str(uuid.uuid4()),
        "malformed": "session_1731000000000_abc123",
        "in capitals": session_id.upper(),
        "without dashes": session_id.replace("-", ""),
        "too long": session_id + "0",
        "of another kind": str(uuid.uuid1()),
        "SQL": "' OR true --",
        "not ASCII": "séance",
    }


def request(http: httpx.Client, method: str, path: str) -> httpx.Response:
    body = {"rating": 1} if method == "POST" else None
    return http.request(method, path, json=body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chat/sessions/{}"),
        ("GET", "/chat/sessions/{}/export"),
        ("DELETE", "/chat/sessions/{}"),
        ("POST", "/chat/sessions/{}/turns/1/feedback"),
    ],
)
def test_all_get_the_same_answer(service: Service, method: str, path: str) -> None:
    with service.client() as http:
        session_id = http.post("/chat", json={"message": QUESTION}).json()["session_id"]
        told = {}
        for name, stranger in strangers(session_id).items():
            response = request(http, method, path.format(stranger))
            problem = response.json()
            assert problem.pop("request_id") == response.headers["x-request-id"]
            assert stranger not in response.text
            told[name] = (
                response.status_code,
                problem,
                sorted(set(response.headers) - {"x-request-id", "date"}),
            )
        assert {status for status, _, _ in told.values()} == {404}
        assert all(answer == told["unknown"] for answer in told.values()), told
        assert http.get(f"/chat/sessions/{session_id}").json()["total"] == 1
        assert request(http, method, path.format(session_id)).status_code == 200


def test_no_id_is_in_a_log_line_or_an_error(service: Service) -> None:
    with service.client() as http:
        session_id = http.post("/chat", json={"message": QUESTION}).json()["session_id"]
        path = f"/chat/sessions/{session_id}"
        http.get(path)
        for response in (
            http.get(path, params={"limit": "x"}),
            http.put(path),
            http.post(f"{path}/turns/1/feedback", json={"rating": 7}),
            http.post(f"{path}/turns/0/feedback", json={"rating": 1}),
            http.get(f"{path}/nothing"),
            http.post("/chat", json={"message": "", "session_id": session_id}),
            http.get(f"/chat/sessions/{session_id.upper()}"),
            http.get(f"/chat/sessions/{uuid.UUID(session_id).hex}"),
            http.get(f"{path}/"),
        ):
            assert response.status_code >= 400
            assert session_id not in response.text.lower()
        assert http.delete(path).status_code == 200
        assert http.delete(path).status_code == 404
    assert session_id not in service.log.lower()
    assert uuid.UUID(session_id).hex not in service.log
    assert any(session_id[:8] in line["path"] for line in service.requests)


class Recorder:
    """A database that remembers what it was asked, without the values."""

    def __init__(self, db: Postgres) -> None:
        self.db = db
        self.asked: list[str] = []

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        return await self.db.run(sql, **parameters)

    async def close(self) -> None:
        """It is somebody else's."""


def test_all_cost_the_same_statements(database_url: str) -> None:
    """So the time they take tells nothing either."""

    async def test(db: Postgres) -> None:
        session_id = conversations.new_session_id()
        await conversations.save(db, session_id, Turn("q", "a"), new=True, retention_days=90)
        asked = {}
        for name, stranger in strangers(session_id).items():
            recorder = Recorder(db)
            assert await conversations.page(recorder, stranger, 0, 9, retention_days=90) is None
            assert await conversations.rate(recorder, stranger, 1, 1) is False
            assert await conversations.delete(recorder, stranger) == 0
            asked[name] = recorder.asked
        assert all(statements == asked["unknown"] for statements in asked.values()), asked
        assert len(asked["unknown"]) == 3
        assert len(await conversations.recent(db, session_id, 9, retention_days=90) or ()) == 1

    using(database_url, test)


def test_down_is_down_for_all() -> None:
    """A malformed id does not get its 404 from a database that nobody reaches."""

    async def statuses() -> list[str]:
        db = Postgres("postgresql://reader@127.0.0.1:9/book?sslmode=disable", connect_timeout=1)
        found = []
        for stranger in strangers(conversations.new_session_id()).values():
            try:
                await conversations.page(db, stranger, 0, 9, retention_days=90)
            except Exception as error:  # noqa: BLE001
                found.append(type(error).__name__)
        await db.close()
        return found

    assert set(asyncio.run(statuses())) == {"UpstreamError"}
