"""PostgreSQL over HTTPS with Neon's protocol, in front of a real server."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rag.adapters.database.postgres import Postgres
from rag.adapters.database.postgres_sql import split
from rag.adapters.database.postgres_url import parse_url
from rag.conversations import migrations
from rag.conversations import store as conversations
from rag.errors import StatementRejected, UpstreamError, UpstreamRejected
from rag.models import Source, Turn
from tests.deploy.neon import Neon, neon_over

URL = "postgresql://reader:7f3a%2F55@ep-blue-1.eu-central-1.aws.neon.tech:443/book?sslmode=require"
SOURCE = Source("c1", "Install", "Linux", "docs/install#linux", "https://x/#a", "Run it.", 0.91)
TURN = Turn("How? ü 日本 ;--'", "Like this [1].", (SOURCE,), {"tokens_used": 12})
DAYS = 90


@pytest.fixture
def neon(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Neon]:
    with neon_over(database_url) as neon:

        def plain(host: str, port: int, timeout: float) -> http.client.HTTPConnection:
            assert (host, port) == ("ep-blue-1.eu-central-1.aws.neon.tech", 443)
            return http.client.HTTPConnection("127.0.0.1", neon.port, timeout=timeout)

        monkeypatch.setattr(http.client, "HTTPSConnection", plain)
        yield neon


def using(work: Callable[[Postgres], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Postgres(URL, schema=migrations.SCRIPT)
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(run())


def test_only_neon_on_port_443_is_asked_over_https() -> None:
    assert parse_url(URL).over_https
    assert not parse_url(URL.replace(":443", "")).over_https
    assert not parse_url("postgresql://u:p@db.example:443/book").over_https


def test_a_conversation_is_kept_and_deleted(neon: Neon) -> None:
    async def work(database: Postgres) -> None:
        session = conversations.new_session_id()
        embedding = conversations.QuestionEmbedding("m", "How?", (0.5, -0.25))
        for n in (1, 2):
            saved = await conversations.save(
                database,
                session,
                TURN,
                new=n == 1,
                retention_days=DAYS,
                extras=conversations.Extras(embedding=embedding),
            )
            assert saved
            assert (saved.session_id, saved.n) == (session, n)
        first, second = await conversations.recent(database, session, 9, retention_days=DAYS) or []
        assert (first.n, second.n, first.question, first.answer) == (
            1,
            2,
            TURN.question,
            TURN.answer,
        )
        assert (first.sources, first.metadata) == (TURN.sources, TURN.metadata)
        assert first.created_at is not None
        assert await conversations.delete(database, session) == 2
        assert await conversations.recent(database, session, 9, retention_days=DAYS) is None

    using(work)
    told = "postgresql://reader:7f3a%2F55@ep-blue-1.eu-central-1.aws.neon.tech/book?sslmode=require"
    assert set(neon.told) == {told}
    words = [[query["query"].split()[0] for query in body["queries"]] for body in neon.asked]
    assert words.count(["SET"] * 3 + ["DO"]) == 1, "the tables are created once, at once"


def test_errors_are_told_apart(neon: Neon) -> None:
    async def work(database: Postgres) -> None:
        with pytest.raises(StatementRejected) as refused:
            await database.run("SELECT 1 / :zero::integer", zero=0)
        assert refused.value.sqlstate == "22012"
        with pytest.raises(StatementRejected, match="not valid text"):
            await database.run("SELECT :text::text", text="\ud800")
        neon.broken = 503
        with pytest.raises(UpstreamError) as broken:
            await database.run("INSERT INTO x VALUES (:n)", n=1)
        assert not isinstance(broken.value, UpstreamRejected)
        assert "7f3a" not in str(broken.value)

    using(work)


def test_a_script_is_split_between_statements_only() -> None:
    script = (
        "SELECT ';' ; -- a; comment\nDO $a$ BEGIN x; END $a$;\n/* ; */ SELECT 'it''s; so';\n-- end;"
    )
    assert list(split(script)) == [
        "SELECT ';'",
        "-- a; comment\nDO $a$ BEGIN x; END $a$",
        "/* ; */ SELECT 'it''s; so'",
    ]
