"""The PostgreSQL adapter: connection strings, parameters, rows, loops, cancelled tasks."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

import pytest

from rag.adapters.database.postgres import Postgres
from rag.adapters.database.postgres_url import Server, parse_url
from rag.errors import ConfigurationError, StatementRejected, UpstreamError
from tests.support.postgres import query, using

NEON = (
    "postgresql://owner:npg_s3cret@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/neondb"
    "?sslmode=require&channel_binding=require"
)


# ---------------------------------------------------------------- connection strings


def test_a_connection_string_of_neon() -> None:
    server = parse_url(NEON)
    assert server == Server(
        host="ep-cool-name-123-pooler.eu-central-1.aws.neon.tech",
        port=5432,
        user="owner",
        database="neondb",
        password="npg_s3cret",
        ssl_mode="require",
        require_channel_binding=True,
    )
    assert server.ssl_context is not None
    assert "s3cret" not in repr(server)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u@h/d", {"host": "h", "port": 5432, "user": "u", "password": None}),
        ("postgresql://u:p@h:6000/d", {"port": 6000, "password": "p", "database": "d"}),
        ("postgresql://u:p%40%2F%3A%23%25+@h/d", {"password": "p@/:#%+"}),
        ("postgresql://u%40x:p@h", {"user": "u@x", "database": "u@x"}),
        ("postgresql://u:a@b@h/d", {"password": "a@b", "host": "h"}),
        ("postgresql://u:p@[::1]:6000/d", {"host": "::1", "port": 6000}),
        ("postgresql://u:p@[::1]/d", {"host": "::1", "port": 5432}),
        ("postgresql://u@/d?host=/tmp/a+b", {"unix_socket": "/tmp/a+b/.s.PGSQL.5432"}),
        ("postgresql://u@/d?host=%2Ftmp%2FX&port=7", {"unix_socket": "/tmp/X/.s.PGSQL.7"}),
        ("postgresql://u@%2Ftmp%2FX/d", {"unix_socket": "/tmp/X/.s.PGSQL.5432"}),
        ("postgresql:///d?user=u&password=p&host=h&dbname=e", {"host": "h", "database": "e"}),
        ("postgresql://u@h/d?options=endpoint%3Dep-x", {"startup": {"options": "endpoint=ep-x"}}),
        ("postgresql://u@h/d?connect_timeout=7&what=ever", {"connect_timeout": 7.0}),
        ("postgresql://u@h/d?connect_timeout=nan", {"connect_timeout": 3600.0}),
        ("postgresql://u@h/d?connect_timeout=inf", {"connect_timeout": 3600.0}),
        (" POSTGRESQL://u@h/d\n", {"host": "h", "database": "d"}),
        ("postgresql://u@bücher.example/d", {"host": "bücher.example"}),
        ("postgresql://u@h/d", {"ssl_mode": "prefer", "ssl_optional": True}),
        ("postgresql://u@h/d?sslmode=disable", {"ssl_context": None}),
    ],
)
def test_connection_strings(url: str, expected: dict[str, Any]) -> None:
    server = parse_url(url)
    assert {name: getattr(server, name) for name in expected} == expected


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@h/d",
        "postgresql://u:s3cret/x@h/d",
        "postgresql://u:s3cret#x@h/d",
        "postgresql://u:s3cret@h:port/d",
        "postgresql://u:s3cret@h1,h2/d",
        "postgresql://u:s3cret@[::1/d",
        "postgresql://u:s3cret@h/d?sslmode=s3cret",
        "postgres:u:s3cret@h/d",
        "psql postgresql://u:s3cret@h/d",
        "host=h user=u password=s3cret",
        "postgresql://u:s3cret@h/d?port=0",
        "postgresql://u:s3cret@h/d?port=99999",
        "postgresql://u:s3cret@h/d?port=-1",
        "postgresql://u:s3cret@a..b/d",
        "postgresql://u:s3cret@.h/d",
        "postgresql://u:s3cret@h%20h/d",
        "postgresql://u:s3cret@h%00x/d",
        "postgresql://u%00:s3cret@h/d",
        "postgresql://u:s3cret%00@h/d",
        "postgresql://u:s3cret@h/d%00e",
        "postgresql://u:s3cret@h/d?options=%00",
        "postgresql://u:s3cret@h\ud800/d",
        f"postgresql://u:s3cret@{'a' * 70}.example/d",
        f"postgresql://u:s3cret@/d?host=/{'x' * 200}",
        "postgresql://u:s3cret@h/d?port=s3cret",
        "postgresql://u:s3cret@h/d?sslmode=require&sslrootcert=/s3cret",
    ],
)
def test_a_bad_connection_string_is_explained_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as failure:
        assert parse_url(url).ssl_context
    assert "s3cret" not in str(failure.value)
    assert failure.value.__cause__ is None


# ---------------------------------------------------------------- statements


def test_parameters_and_rows(database_url: str) -> None:
    key = uuid.uuid4()
    text = "a'b\"c\\d :x $1 \u202eשלום 👩‍👩‍👧"
    row = query(
        database_url,
        "SELECT :t::text, :n::bigint, :f::float8, :b::bytea, :u::uuid, :none::text, :yes::bool, "
        ":ids::uuid[], :t::text || '::x'",
        t=text,
        n=2**62,
        f=0.1,
        b=b"\0\xff",
        u=key,
        none=None,
        yes=True,
        ids=[str(key)],
    )
    assert row == [(text, 2**62, 0.1, b"\0\xff", key, None, True, [key], text + "::x")]
    assert query(database_url, "SELECT 1 WHERE false") == []
    assert query(database_url, "CREATE TABLE pg_temp.t (i int)") == []


@pytest.mark.parametrize("standard", ["on", "off"])
def test_no_text_can_leave_its_quotes(database_url: str, standard: str) -> None:
    joint = "&" if "?" in database_url else "?"
    url = f"{database_url}{joint}options=-c%20standard_conforming_strings%3D{standard}"
    pieces = ["'", "\\", "''", "$$", "--", "/*", ";", ":x", "E'", '"', "{", ",", "\n", "x", "é"]
    texts = ["".join(three) for three in itertools.product(pieces, repeat=3)]
    names = [f"text{i}" for i in range(len(texts))]
    rows = query(
        url,
        f"SELECT current_setting('standard_conforming_strings'), :texts::text[], "
        f"ARRAY[{','.join(f':{name}' for name in names)}]",
        texts=texts,
        **dict(zip(names, texts, strict=True)),
    )
    assert rows == [(standard, texts, texts)]


def test_only_names_outside_quotes_and_comments_are_parameters(database_url: str) -> None:
    sql = """SELECT ':a', E'\\n:a', $$:a$$, $q$:a$q$, 1 AS ":a", /* :a */ 5-:a::int -- :a
        , :a::smallint, :a::text::varchar, (ARRAY[7, 8])[1:1]"""
    rows = query(database_url, sql, a=-32768)
    assert rows == [(":a", "\n:a", ":a", ":a", 1, 32773, -32768, "-32768", [7])]


def test_a_refused_statement_leaves_the_connection_usable(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        for sql, value, state in [
            ("SELECT :x::text", "a\0b", "22021"),
            ("SELECT :x::text", "a\ud800b", "22021"),
            ("SELECT :x::uuid", "reader's words", "22P02"),
            ("SELEC :x", 0, "42601"),
            ("SELECT 1/(:x::int)", 0, "22012"),
        ]:
            with pytest.raises(StatementRejected) as failure:
                await db.run(sql, x=value)
            assert failure.value.sqlstate == state
            assert failure.value.service == "postgres"
            assert "reader" not in str(failure.value)
        with pytest.raises(TypeError, match="missing"):
            await db.run("SELECT :missing", x=1)
        assert await db.run("SELECT :x::int", x=1) == [(1,)]

    using(database_url, work, connections=1)


def test_a_script_is_one_transaction(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        with pytest.raises(StatementRejected):
            await db.run("CREATE TABLE half (i int); SELECT 1/0")
        with pytest.raises(StatementRejected, match="half"):
            await db.run("SELECT * FROM half")

    using(database_url, work)


def test_answers_do_not_get_mixed_up(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sql = "SELECT :i::int, pg_sleep(random() / 100)::text"
        found = await asyncio.gather(*(db.run(sql, i=i) for i in range(100)))
        assert [rows[0][0] for rows in found] == list(range(100))

    using(database_url, work, connections=5)


def test_several_loops_share_one_client(database_url: str) -> None:
    db = Postgres(database_url, connections=3)
    found: list[int] = []

    async def ask(i: int) -> None:
        rows = await asyncio.gather(*(db.run("SELECT :i::int", i=i) for _ in range(10)))
        found.extend(row[0][0] for row in rows)

    threads = [threading.Thread(target=lambda i=i: asyncio.run(ask(i))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(list(range(4)) * 10)
    asyncio.run(db.close())


def test_a_cancelled_task_harms_nothing(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await db.run("CREATE TABLE book_cancelled (i int)")
        slow = "INSERT INTO book_cancelled SELECT :i::int FROM pg_sleep(0.2)"
        tasks = [asyncio.create_task(db.run(slow, i=i)) for i in range(4)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        assert await db.run("SELECT :x::text", x="mine") == [("mine",)]
        found = await db.run("SELECT i FROM book_cancelled ORDER BY i")
        assert found == [(0,)], "the running one ended; the waiting ones never began"
        await db.run("DROP TABLE book_cancelled")

    using(database_url, work, connections=1)


@pytest.mark.parametrize("steps", range(5))
def test_a_task_cancelled_as_its_answer_arrives_blocks_no_other(
    database_url: str, steps: int
) -> None:
    async def work(db: Postgres) -> None:
        await db.run("SELECT 1")
        task = asyncio.create_task(db.run("SELECT 2"))
        await asyncio.sleep(0)  # the statement is sent
        time.sleep(0.1)  # noqa: ASYNC251 - its answer comes while the loop is busy
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(5):
            assert await db.run("SELECT 3") == [(3,)]
        with suppress(asyncio.CancelledError):
            assert await task == [(2,)]

    using(database_url, work, connections=1)


def test_closing_lets_running_statements_end(database_url: str) -> None:
    async def main() -> None:
        db = Postgres(database_url, connections=2)
        running = asyncio.create_task(db.run("SELECT 'done', pg_sleep(0.2)::text"))
        await asyncio.sleep(0.1)
        await db.close()
        await db.close()
        assert (await running)[0][0] == "done"
        with pytest.raises(UpstreamError, match="closed"):
            await db.run("SELECT 1")

    asyncio.run(main())


def test_a_statement_that_waits_while_the_client_closes_fails(database_url: str) -> None:
    async def main() -> None:
        db = Postgres(database_url, connections=1)
        running = asyncio.create_task(db.run("SELECT pg_sleep(0.2)::text"))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(db.run("SELECT 1"))
        await asyncio.sleep(0)
        await db.close()
        await running
        with pytest.raises(UpstreamError, match="closed"):
            await waiting

    asyncio.run(main())
