"""What the handbook promises about privacy: everything a reader typed, everywhere it could be.

The real service with the real SDKs, a real PostgreSQL, and a log that is read to the end.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.postgres import query
from tests.support.service import Service, serving
from tests.upstreams import Upstreams


@pytest.fixture
def service(upstreams: Upstreams, database_url: str, tmp_path: Path) -> Iterator[Service]:
    variables = {**upstreams.environ(), "DATABASE_URL": database_url}
    with serving(tmp_path / "log", DATA_DIR=str(tmp_path / "data"), **variables) as running:
        yield running


def tables(url: str) -> dict[str, list[str]]:
    """Every row of every table that is not PostgreSQL's own, as text."""
    names = query(
        url,
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    assert len(names) >= 6
    return {
        name: [row[0] for row in query(url, f"SELECT t::text FROM {name} t")] for (name,) in names
    }


def holders(url: str, *needles: str) -> set[str]:
    """The tables of which a row holds one of the needles."""
    return {
        name
        for name, rows in tables(url).items()
        if any(needle.lower() in row.lower() for row in rows for needle in needles)
    }


def ask(http: httpx.Client, message: str, **fields: Any) -> str:
    response = http.post(
        "/chat", json={"message": message, **fields}, headers={"Idempotency-Key": str(uuid.uuid4())}
    )
    assert response.status_code == 200, response.text
    return str(response.json()["session_id"])


def converse(http: httpx.Client, words: dict[str, str]) -> str:
    """A conversation that leaves words of the reader's in every place that takes some."""
    session = ask(http, f"How do I delete a conversation about {words['question']}?")
    ask(
        http,
        f"And about {words['follow-up']}?",
        session_id=session,
        context=f"Highlighted: {words['highlighted']}",
        page={"url": f"https://x/{words['address']}", "title": words["title"]},
    )
    streamed = http.post(
        "/chat",
        json={"message": f"Once more about {words['streamed']}?", "session_id": session},
        headers={"Accept": "text/event-stream"},
    )
    assert "event: done" in streamed.text
    rated = http.post(
        f"/chat/sessions/{session}/turns/1/feedback",
        json={"rating": -1, "comment": f"Not about {words['comment']}."},
    )
    assert rated.status_code == 200
    assert http.get(f"/chat/sessions/{session}").json()["total"] == 3
    assert http.get(f"/chat/sessions/{session}/export").status_code == 200
    assert http.post("/search", json={"query": words["searched"]}).status_code == 200
    # What is refused is not logged either.
    assert http.post("/chat", json={"message": words["refused"] * 400}).status_code == 422
    assert http.post("/chat", content=f'{{"message": "{words["broken"]}').status_code == 422
    return session


PLACES = [
    "question",
    "follow-up",
    "highlighted",
    "address",
    "title",
    "streamed",
    "comment",
    "searched",
    "refused",
    "broken",
]


def test_deleting_leaves_no_row_and_no_line(service: Service, database_url: str) -> None:
    words = {place: f"zanzibar{uuid.uuid4().hex[:12]}" for place in PLACES}
    with service.client() as http:
        session = converse(http, words)
        other = ask(http, "How do I delete a conversation about nothing?")
        assert holders(database_url, *words.values()) == {"book.turns"}
        assert len(tables(database_url)["book.embeddings"]) >= 4

        assert http.delete(f"/chat/sessions/{session}").json()["deleted"] == 3
        assert holders(database_url, *words.values(), session, session[:8]) == set()
        rows = tables(database_url)
        assert [len(rows[name]) for name in ("book.sessions", "book.turns")] == [1, 1]
        assert len(rows["book.embeddings"]) == 1, "only the other conversation's question"

        for again in (session, session, str(uuid.uuid4())):
            answer = http.delete(f"/chat/sessions/{again}")
            assert answer.status_code == 404
            assert "already deleted" in answer.json()["detail"]
        assert http.get(f"/chat/sessions/{session}").status_code == 404
        assert http.get(f"/chat/sessions/{other}").status_code == 200
    service.stop()
    log = service.log
    assert session not in log
    assert [word for word in words.values() if word in log] == []
    assert log.count('"path": "/chat"') == 6, "it was the log of all this"
    assert "127.0.0.1" not in re.sub(r"listening on \S+", "", log), "no reader's address"


def test_retention_runs_with_the_questions_of_others(service: Service, database_url: str) -> None:
    """No scheduler: the next question after an hour deletes what has expired."""
    words = {place: f"zanzibar{uuid.uuid4().hex[:12]}" for place in PLACES}
    with service.client() as http:
        session = converse(http, words)
        query(
            database_url,
            "UPDATE book.sessions SET used_at = now() - interval '91 days' WHERE session_id = :s",
            s=session,
        )
        # From this moment on it cannot be read; the rows go with the next look.
        assert http.get(f"/chat/sessions/{session}").status_code == 404
        assert http.get(f"/chat/sessions/{session}/export").status_code == 404
        query(database_url, "UPDATE book.upkeep SET done_at = now() - interval '2 hours'")
        kept = ask(http, "How do I delete a conversation?")
        assert holders(database_url, *words.values(), session) == set()
        rows = tables(database_url)
        assert [len(rows[name]) for name in ("book.sessions", "book.turns")] == [1, 1]
        assert kept in rows["book.sessions"][0]
        assert len(rows["book.embeddings"]) == 1
