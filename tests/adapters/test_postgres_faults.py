"""The PostgreSQL adapter where a connection is lost, the server is silent, slow or away."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rag.adapters.database import postgres_pool
from rag.adapters.database.postgres import Postgres
from rag.conversations import migrations, rate_limit_keys, rate_limits
from rag.conversations import store as conversations
from rag.errors import UpstreamError, UpstreamRejected, UpstreamTimeout
from rag.models import Turn
from tests.support.postgres import query, using, with_name
from tests.support.postgres_proxy import Proxy, proxy


def through_proxy(
    url: str, work: Callable[[Postgres, Proxy], Awaitable[None]], **options: Any
) -> None:
    async def main() -> None:
        async with proxy(url) as between:
            db = Postgres(between.url, **{"connections": 2, "schema": migrations.SCRIPT, **options})
            try:
                await work(db, between)
            finally:
                await db.close()

    asyncio.run(main())


def test_a_statement_is_one_round_trip(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("SELECT 1")
        before = between.exchanges
        await db.run("SELECT :x::int", x=1)
        await db.run("SELECT 1")
        assert between.exchanges == before + 2
        assert between.connections == 1

    through_proxy(database_url, work)


def test_dead_pooled_connections_are_replaced(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("CREATE SCHEMA book; CREATE TABLE book.t (i int)")
        await asyncio.gather(*(db.run("SELECT pg_sleep(0.1)::text") for _ in range(2)))
        assert between.connections == 2
        between.hang_up()
        await asyncio.sleep(0.1)
        await asyncio.gather(*(db.run("INSERT INTO book.t VALUES (:i)", i=i) for i in range(4)))
        assert between.connections == 4
        assert await db.run("SELECT count(*) FROM book.t") == [(4,)]

    through_proxy(database_url, work)


def test_a_connection_long_unused_is_not_trusted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("SELECT 1")
        await db.run("SELECT 1")
        assert between.connections == 1
        monkeypatch.setattr(postgres_pool, "IDLE_SECONDS", 0.0)
        await db.run("SELECT 1")
        assert between.connections == 2

    through_proxy(database_url, work)


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("CREATE SCHEMA book; CREATE TABLE book.t (i int PRIMARY KEY)")
        between.lose_answers = 1
        assert await db.run("SELECT 7") == [(7,)]

        between.lose_answers = 1
        with pytest.raises(UpstreamError, match="lost"):
            await db.run("INSERT INTO book.t VALUES (1)")
        assert await db.run("SELECT i FROM book.t") == [(1,)], "not repeated"

        between.lose_answers = 1
        sql = "/* idempotent */ INSERT INTO book.t VALUES (2) ON CONFLICT DO NOTHING"
        await db.run(sql)
        assert await db.run("SELECT count(*)::int FROM book.t") == [(2,)]

        between.lose_answers = 2
        with pytest.raises(UpstreamError, match="lost"):
            await db.run("SELECT 7")
        assert await db.run("SELECT 7") == [(7,)]

    through_proxy(database_url, work)


def test_a_question_whose_admission_was_lost_is_counted_once(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        rules, cost = rate_limits.Limits(burst=40), rate_limits.Cost(1, 5)
        await rate_limits.admit(db, [rate_limit_keys.Key(str(uuid.uuid4()))], rules, cost)
        between.lose_answers = 1
        with pytest.raises(UpstreamError, match="lost"):
            await rate_limits.admit(db, [rate_limit_keys.Key(str(uuid.uuid4()))], rules, cost)
        assert await rate_limits.used_today(db) == rate_limits.Cost(2, 10)

    through_proxy(database_url, work)


def test_a_turn_whose_answer_was_lost_is_there_once(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        sid = conversations.new_session_id()
        await conversations.delete(db, sid)
        for n in range(1, 5):
            between.lose_answers = 1
            turn = Turn(f"q{n}", "a")
            saved = await conversations.save(db, sid, turn, new=n == 1, retention_days=9)
            assert saved
            assert (saved.session_id, saved.n) == (sid, n)
        found = await conversations.recent(db, sid, 1000, retention_days=9) or []
        assert [turn.question for turn in found] == ["q1", "q2", "q3", "q4"]
        between.lose_answers = 1
        await conversations.delete(db, sid)
        assert await conversations.recent(db, sid, 1000, retention_days=9) is None

    through_proxy(database_url, work)


def test_the_error_with_which_a_server_hangs_up_is_not_lost(database_url: str) -> None:
    """pg8000 forgets it: see rag/adapters/database/postgres_fatal.py."""
    with pytest.raises(UpstreamError, match=r"administrator command \(57P01\)") as failure:
        query(database_url, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert failure.value.reason == "connection"


def test_a_silent_server_ends_in_a_timeout(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("SELECT 1")
        between.speaking.clear()
        with pytest.raises(UpstreamTimeout):
            await db.run("SELECT 2")
        between.speaking.set()
        assert await db.run("SELECT 3") == [(3,)]

    through_proxy(database_url, work, statement_timeout=0.3)


def test_after_a_silent_server_others_wait_only_briefly(database_url: str) -> None:
    """A question needs several statements; not each of them waits its whole time."""

    async def body() -> None:
        async with proxy(database_url) as server:
            db = Postgres(server.url, statement_timeout=0.3)
            await db.run("SELECT 1")
            assert db._pool.patience(8.0) == 8.0
            server.speaking.clear()
            with pytest.raises(UpstreamTimeout):
                await db.run("SELECT 1")
            assert db._pool.patience(8.0) == postgres_pool.DOWN_PATIENCE
            server.speaking.set()
            assert await db.run("SELECT 2") == [(2,)]
            assert db._pool.patience(8.0) == 8.0
            await db.close()

    asyncio.run(body())


def test_waiting_for_a_connection_is_bounded_too(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        slow = [asyncio.create_task(db.run("SELECT pg_sleep(0.4)::text")) for _ in range(6)]
        done = await asyncio.gather(*slow, return_exceptions=True)
        assert any(isinstance(result, UpstreamTimeout) for result in done)
        assert await db.run("SELECT 3") == [(3,)]

    using(database_url, work, connections=1, statement_timeout=0.7, connect_timeout=0.3)


def test_a_server_that_comes_back_is_waited_for(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("SELECT 1")
        await between.refuse()
        asked = asyncio.create_task(db.run("SELECT 2"))
        await asyncio.sleep(0.3)
        await between.listen()
        assert await asked == [(2,)]

    through_proxy(database_url, work)


def test_a_statement_cancelled_before_it_is_sent_never_runs(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await db.run("CREATE SCHEMA book; CREATE TABLE book.t (i int)")
        await between.refuse()
        asked = asyncio.create_task(db.run("INSERT INTO book.t VALUES (:i)", i=1))
        await asyncio.sleep(0.2)
        asked.cancel()
        await between.listen()
        await asyncio.sleep(0.5)
        assert between.connections == 2, "it was still connecting"
        assert await db.run("SELECT * FROM book.t") == []
        assert between.connections == 2, "its connection is used by the next"

    through_proxy(database_url, work)


def test_a_server_that_stays_away_is_not_waited_for_each_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        await between.refuse()
        for _ in range(2):
            with pytest.raises(UpstreamError, match="cannot connect"):
                await db.run("SELECT 1")
        assert pauses == list(postgres_pool.CONNECT_PAUSES)
        await between.listen()
        assert await db.run("SELECT 2") == [(2,)]

    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    through_proxy(database_url, work)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 40, b"", b"Z"])
def test_a_server_that_speaks_something_else(answer: bytes, unused_tcp_port: int) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(other, "127.0.0.1", unused_tcp_port):
            url = f"postgresql://u:s3cret@127.0.0.1:{unused_tcp_port}/d"
            for mode in ("disable", "require"):
                db = Postgres(f"{url}?sslmode={mode}", connect_timeout=2)
                with pytest.raises(UpstreamError) as failure:
                    await db.run("SELECT 1")
                assert "s3cret" not in str(failure.value)
                await db.close()

    asyncio.run(main())


def test_a_server_that_never_answers(unused_tcp_port: int) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client has given up
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(mute, "127.0.0.1", unused_tcp_port):
            db = Postgres(f"postgresql://u@127.0.0.1:{unused_tcp_port}/d", connect_timeout=0.3)
            with pytest.raises(UpstreamTimeout):
                await db.run("SELECT 1")
            await db.close()
            await asyncio.sleep(0.1)

    asyncio.run(main())


def test_a_deadlock_is_tried_again(database_url: str) -> None:
    """Two scripts change two rows crosswise; only their first runs stop in between."""

    async def work(db: Postgres) -> None:
        await db.run("""CREATE SCHEMA book; CREATE SEQUENCE book.runs;
            CREATE TABLE book.t AS SELECT 1 AS i, 0 AS n UNION SELECT 2, 0""")
        script = """UPDATE book.t SET n = n + 1 WHERE i = {0};
            SELECT pg_sleep(CASE WHEN nextval('book.runs') <= 2 THEN 0.5 ELSE 0 END)::text;
            UPDATE book.t SET n = n + 1 WHERE i = {1}"""
        await asyncio.gather(db.run(script.format(1, 2)), db.run(script.format(2, 1)))
        assert await db.run("SELECT n FROM book.t") == [(2,), (2,)]
        assert await db.run("SELECT last_value FROM book.runs") == [(3,)], "there was a deadlock"

    using(database_url, work)


def test_an_unknown_database_is_named(database_url: str) -> None:
    for _ in range(20):  # the server hangs up behind its refusal, sooner or later
        with pytest.raises(UpstreamRejected, match=r"no_such_database.*3D000"):
            query(with_name(database_url, "no_such_database"), "SELECT 1")


def test_tables_are_made_on_first_use_and_cost_nothing_later(database_url: str) -> None:
    async def work(db: Postgres, between: Proxy) -> None:
        assert (
            await conversations.recent(db, conversations.new_session_id(), 5, retention_days=9)
            is None
        )
        before = between.exchanges
        assert (
            await conversations.recent(db, conversations.new_session_id(), 5, retention_days=9)
            is None
        )
        assert between.exchanges == before + 1

    through_proxy(database_url, work)
