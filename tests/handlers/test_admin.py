"""The author's view over HTTP: who may see it, and what it hands out."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from handlers import admin
from handlers import author as tokens
from rag import providers
from rag.adapters.database.postgres import Postgres
from rag.conversations import analytics
from rag.errors import NotFound, RateLimited, Unauthorized
from rag.interfaces import Database
from tests.support.postgres import using
from tests.support.readers import month
from tests.support.service import Service, serving

TOKEN = "correct-horse-battery-staple"
AUTHOR = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def author(
    handbook: Path, test_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with a token, in front of a month of conversations."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copytree(handbook, folder / "data")

    async def seed(db: Postgres) -> None:
        await db.run("DROP SCHEMA IF EXISTS book CASCADE")
        await month(db)

    using(test_database, seed)
    variables = {"DATABASE_URL": test_database, "ADMIN_TOKEN": TOKEN, "TOKEN_PRICE": "0.5"}
    with serving(folder / "log", DATA_DIR=str(folder / "data"), **variables) as running:
        yield running
        assert TOKEN not in running.log
    using(test_database, lambda db: db.run("DROP SCHEMA IF EXISTS book CASCADE"))


@pytest.fixture
def http(author: Service) -> Iterator[httpx.Client]:
    with author.client() as client:
        yield client


def test_without_a_token_there_is_no_view(service: Service) -> None:
    with service.client() as client:
        unknown = client.get("/nowhere")
        for path in ("/admin", "/admin/days", "/admin/nothing"):
            absent = client.get(path, headers=AUTHOR)
            for response in (unknown, absent):
                response.headers.pop("x-request-id")
                response.headers.pop("date")
            assert (absent.status_code, absent.headers) == (404, unknown.headers)
            assert absent.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
            unknown = client.get("/nowhere")
        assert "/admin" not in client.get("/openapi.json").text


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe"],
)
def test_a_wrong_token_opens_nothing(http: httpx.Client, authorization: str) -> None:
    for table in ("days", "questions", "warnings"):
        response = http.get(
            f"/admin/{table}", headers={b"Authorization": authorization.encode("latin-1")}
        )
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["content-type"] == "application/problem+json"
        assert "token" in response.json()["detail"]
        assert response.json()["code"] == "unauthorized"
    assert http.get("/admin/days", params={"token": TOKEN}).status_code == 401


def test_the_page_is_closed_to_everything_foreign(http: httpx.Client) -> None:
    page = http.get("/admin")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "How do I" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page.text
    assert "set-cookie" not in page.headers


def test_the_author_gets_json(http: httpx.Client) -> None:
    days = http.get("/admin/days", headers=AUTHOR, params={"days": 7}).json()
    assert (days["table"], days["days"], len(days["rows"])) == ("days", 7, 7)
    assert days["rows"][-1]["cost"] == days["rows"][-1]["tokens"] * 0.5 / 1e6
    first = http.get("/admin/questions", headers=AUTHOR, params={"limit": 3}).json()
    assert (len(first["rows"]), first["next"]) == (3, 3)
    rest = http.get("/admin/questions", headers=AUTHOR, params={"offset": 3, "limit": 5000}).json()
    assert rest["next"] is None
    assert first["rows"][-1] not in rest["rows"]


def test_the_author_gets_sheets(http: httpx.Client) -> None:
    for table in ("days", "sections", "unanswered", "ratings", "answerers", "questions"):
        response = http.get(f"/admin/{table}", headers=AUTHOR, params={"format": "csv"})
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert f'filename="{table}.csv"' in response.headers["content-disposition"]
        assert response.headers["cache-control"] == "no-store"
        rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize(
    "path",
    ["/admin/sessions", "/admin/days?days=0", "/admin/days?days=x", "/admin/questions?limit=5001"],
)
def test_what_there_is_not_is_refused(http: httpx.Client, path: str) -> None:
    assert http.get(path, headers=AUTHOR).status_code == 422


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (["192.0.2.1"], "192.0.2.2"),
        ([f"2001:db8::{n:x}" for n in range(99)], "2001:db8:0:1::1"),
    ],
    ids=["IPv4", "IPv6"],
)
def test_guessing_is_bounded(
    addresses: list[str], other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also for the right token, or the one lucky guess would still get through.

    A household has one IPv4 address, and as many of IPv6 as it likes.
    """
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    providers.reset()

    async def guess() -> None:
        for n in range(tokens.RATE.burst):
            address = addresses[n % len(addresses)]
            with pytest.raises(Unauthorized):
                await admin.insights("days", authorization=f"Bearer {n:020}", address=address)
        with pytest.raises(RateLimited):
            await admin.insights("days", authorization=f"Bearer {TOKEN}", address=addresses[0])
        with pytest.raises(Unauthorized):
            await admin.insights("days", authorization="Bearer wrong", address=other)

    asyncio.run(guess())
    providers.reset()


def test_the_author_never_takes_more_than_one_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    """Readers need the others: a page of slow tables must not make anybody wait."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    providers.reset()
    running, most = 0, 0

    async def slow(db: Database, view: analytics.TableView) -> list[analytics.Row]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await db.run("SELECT pg_sleep(0.05)")
        running -= 1
        return []

    monkeypatch.setattr(analytics, "TABLES", {"days": slow})

    async def load() -> None:
        await asyncio.gather(
            *(admin.insights("days", authorization=AUTHOR["Authorization"]) for _ in range(6))
        )

    asyncio.run(load())
    assert most == 1
    providers.reset()


def test_called_as_a_function_it_is_closed_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("ADMIN_TOKEN", raising=False)
    providers.reset()

    async def call() -> None:
        with pytest.raises(NotFound):
            await admin.insights("days", authorization="Bearer ")

    asyncio.run(call())
    providers.reset()
