"""Whatever keeps the database from starting, the book answers and says that nothing is kept."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.chat import ChatRequest, ChatResponse, chat
from handlers.history import history
from rag import providers
from rag.adapters.database import embedded
from rag.environment import load_settings
from rag.errors import UpstreamError
from rag.providers import Clients
from tests.support.service import Service, serving

QUESTION = "How do I delete a conversation?"


def old_version(postgres: Path) -> dict[str, str]:
    """Data of another major version, as after an update."""
    (postgres / "cluster").mkdir(parents=True)
    (postgres / "cluster" / "PG_VERSION").write_text("9\n")
    return {}


def in_the_way(postgres: Path) -> dict[str, str]:
    postgres.write_text("a file where the folder should be")
    return {}


def damaged(postgres: Path) -> dict[str, str]:
    cluster = postgres / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").mkdir()
    return {}


@pytest.fixture(
    params=[old_version, in_the_way, damaged],
    ids=lambda trouble: trouble.__name__,
)
def service(request: pytest.FixtureRequest, handbook: Path, tmp_path: Path) -> Iterator[Service]:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copytree(handbook / "index", data / "index")
    variables = request.param(data / "postgres")
    with serving(tmp_path / "log", DATA_DIR=str(data), **variables) as running:
        yield running


def ask(client: httpx.Client, accept: str = "application/json", **fields: Any) -> httpx.Response:
    return client.post("/chat", json={"message": QUESTION, **fields}, headers={"Accept": accept})


def test_the_book_answers_and_the_history_says_why_it_does_not(service: Service) -> None:
    with service.client() as client:
        answers = [ask(client), ask(client, session_id=str(uuid.uuid4())), ask(client)]
        for response in answers:
            assert response.status_code == 200, response.text
            answer = response.json()
            assert answer["sources"]
            assert (answer["metadata"]["saved"], answer["metadata"]["turn"]) == (False, None)
        streamed = ask(client, "text/event-stream").text
        assert '"saved":false' in streamed.rpartition("event: done")[2]
        assert client.post("/search", json={"query": "delete"}).json()["results"]
        path = f"/chat/sessions/{answers[0].json()['session_id']}"
        for refused in (
            client.get(path),
            client.delete(path),
            client.get(f"{path}/export"),
            client.post(f"{path}/turns/1/feedback", json={"rating": 1}),
        ):
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert "not being kept" in refused.json()["detail"]
    assert service.log.count("conversations are not kept") == 1
    assert service.log.count("the turn was not saved") == 1
    assert "Traceback" not in service.log
    assert "hunter2" not in service.log


def test_a_start_that_hangs_delays_one_question_and_no_other_engine(
    handbook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(handbook / "index", tmp_path / "index")
    let_go = threading.Event()

    def hang(folder: Path) -> None:
        let_go.wait(60)
        raise OSError("it never came up")

    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(embedded, "start", hang)
    monkeypatch.setattr(providers, "DATABASE_SECONDS", 1.0)
    providers.reset()

    async def work() -> None:
        began = time.monotonic()
        answer = await chat(ChatRequest(message=QUESTION))
        assert isinstance(answer, ChatResponse)
        assert (answer.metadata["saved"], bool(answer.sources)) == (False, True)
        assert time.monotonic() - began < 30
        began = time.monotonic()
        with pytest.raises(UpstreamError, match="still starting"):
            await history(answer.session_id)
        assert time.monotonic() - began < 0.5
        let_go.set()

    try:
        asyncio.run(work())
    finally:
        let_go.set()
        providers.reset()


def test_a_database_that_comes_up_late_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    starts, ready = 0, asyncio.Event()

    async def start() -> Any:
        nonlocal starts
        starts += 1
        await ready.wait()
        return "the database"

    async def work() -> None:
        clients = Clients(load_settings({}))
        monkeypatch.setattr(clients, "_make_database", start)
        waiting = [clients.database() for _ in range(5)]
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(failure) for failure in failures] == [UpstreamError] * 5
        assert starts == 1
        ready.set()
        await asyncio.sleep(0.01)
        assert await clients.database() == "the database"  # type: ignore[comparison-overlap]
        clients._made.clear()

    monkeypatch.setattr(providers, "DATABASE_SECONDS", 0.05)
    asyncio.run(work())
