"""Deep health: the author learns everything, strangers which services are down, no more."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.environment import load_settings
from rag.ops import diagnostics
from rag.providers import Clients
from tests.support.postgres import new_database, query
from tests.support.service import Service, serving
from tests.upstreams import Upstreams

TOKEN = "correct-horse-battery-staple"
PAGE = "<html>squid/5.7 at proxy-7.internal cannot be displayed</html>"
TELLING = ("127.0.0.1", "squid", "internal", "<html", "/", "token", "budget", "API_KEY", "ingest")
"""Words of addresses, paths, upstream pages, budgets and remedies."""
HOST = {"SPACE_ID": "author/book", "FORWARDED_ALLOW_IPS": "127.0.0.1", "ADMIN_TOKEN": TOKEN}


def deep(service: Service, token: str = "", address: str = "203.0.113.7") -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Forwarded-For": address}
    if token:
        headers["Authorization"] = token.encode("latin-1")
    with httpx.Client(base_url=service.url, timeout=60) as client:
        response = client.get("/health", params={"deep": True}, headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def told(found: dict[str, Any]) -> str:
    return json.dumps({"problems": found["problems"]})


@pytest.fixture
def troubled(
    upstreams: Upstreams, postgres_server: str, tmp_path: Path
) -> Iterator[tuple[Service, Upstreams]]:
    """On a host: no model by its key, a proxy's page instead of vectors, the budget used up."""
    with new_database(postgres_server) as database:
        variables = {**upstreams.environ(), **HOST, "DATABASE_URL": database}
        with serving(tmp_path / "log", **variables) as service:
            with service.client() as client:
                assert client.post("/chat", json={"message": "How?"}).status_code == 200
            query(database, "UPDATE book.days SET tokens = 4999999")
            upstreams.heal()
            upstreams.openai.fail(401, times=9)
            upstreams.qdrant.fail(502, times=50, body={"status": {"error": PAGE}})
            yield service, upstreams


def test_a_stranger_learns_which_service_is_down(troubled: tuple[Service, Upstreams]) -> None:
    service, _ = troubled
    for token in ("", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer \u00e9"):
        found = deep(service, token)
        assert found["status"] == "degraded"
        states = [found[name] for name in ("qdrant", "postgres", "openai", "cohere")]
        assert states == ["down", "ok", "down", "ok"]
        assert list(found["problems"]) == ["qdrant", "openai"]
        assert not [word for word in TELLING if word in told(found)]
    author = deep(service, f"Bearer {TOKEN}")
    assert list(author["problems"]) == ["qdrant", "openai", "budget"]
    assert "Create a key" in author["problems"]["openai"]
    assert "4,999,999 of 5,000,000 tokens" in author["problems"]["budget"]


def test_services_are_asked_once_a_minute_by_however_many(
    troubled: tuple[Service, Upstreams],
) -> None:
    service, upstreams = troubled
    with ThreadPoolExecutor(20) as threads:
        addresses = [f"203.0.113.{n}" for n in range(20)]
        answers = list(threads.map(lambda address: deep(service, address=address), addresses))
    assert all(answer == answers[0] for answer in answers)
    assert sum(request.path == "/v2/embed" for request in upstreams.cohere.requests) == 1
    upstreams.heal()  # also that it is well again is seen only after a minute
    for token in ("", f"Bearer {TOKEN}"):
        assert deep(service, token)["status"] == "degraded"
    assert not any(each.requests for each in upstreams.services)


def test_nothing_is_told_of_an_embedded_database_that_cannot_start(
    handbook: Path, tmp_path: Path
) -> None:
    data = tmp_path / "hunter2"
    data.mkdir()
    shutil.copytree(handbook / "index", data / "index")
    (data / "postgres").write_text("in the way")
    with serving(tmp_path / "log", **HOST, EMBEDDED="1", DATA_DIR=str(data)) as service:
        stranger, author = deep(service), deep(service, f"Bearer {TOKEN}")
    assert stranger["postgres"] == author["postgres"] == "down"
    assert not [word for word in (*TELLING, "hunter2") if word in told(stranger)]
    assert "hunter2" in author["problems"]["postgres"]


@pytest.mark.parametrize(
    ("variables", "address", "detailed"),
    [
        ({}, "127.0.0.1", True),
        ({}, "203.0.113.7", False),  # a proxy on this machine
        ({"HOST": "0.0.0.0"}, "127.0.0.1", False),
        ({"ADMIN_TOKEN": TOKEN}, "127.0.0.1", False),
        ({"SPACE_ID": "a/b", "EMBEDDED": "1"}, "127.0.0.1", False),
    ],
    ids=["a laptop", "through a proxy", "on all addresses", "with a token", "on a host"],
)
def test_only_a_laptop_without_a_token_tells_without_one(
    tmp_path: Path, variables: dict[str, str], address: str, detailed: bool
) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(tmp_path / "data"), **variables) as service:
        found = deep(service, address=address)
    assert found["qdrant"] == "down"
    assert ("ingest.py" in found["problems"]["qdrant"]) is detailed


def test_a_check_that_its_caller_leaves_is_shared_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = 0

    async def slow(clients: Clients) -> dict[str, diagnostics.Problem]:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0.05)
        return {"qdrant": diagnostics.Problem(f"{checks}", "")}

    async def work() -> None:
        clients = Clients(load_settings({}))
        leaver = asyncio.create_task(diagnostics.shared_check(clients))
        await asyncio.sleep(0.01)
        leaver.cancel()
        assert diagnostics.recent_check(clients) is None
        for _ in range(2):
            assert (await diagnostics.shared_check(clients))["qdrant"].remedy == "1"
        monkeypatch.setattr(diagnostics, "CHECKED_SECONDS", 0.0)  # a minute later
        assert diagnostics.recent_check(clients) is None
        assert (await diagnostics.shared_check(clients))["qdrant"].remedy == "2"

    monkeypatch.setattr(diagnostics, "check_services", slow)
    asyncio.run(work())


def test_a_check_that_fails_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(clients: Clients) -> dict[str, diagnostics.Problem]:
        raise RuntimeError

    async def work() -> None:
        clients = Clients(load_settings({}))
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await diagnostics.shared_check(clients)
        assert diagnostics.recent_check(clients) is None

    monkeypatch.setattr(diagnostics, "check_services", broken)
    asyncio.run(work())
