"""Databases as administrators give them: few rights, settings of a role, encodings, limits."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import migrations, rate_limits, self_check
from rag.conversations import store as conversations
from rag.conversations.analytics import TABLES, TableView
from rag.conversations.rate_limit_keys import Key
from rag.conversations.rate_limits import Cost, Limits
from rag.errors import StatementRejected, UpstreamError, UpstreamRejected
from rag.models import Turn
from tests.support.postgres import new_database, query, using

OLDER = (Path(__file__).parent / "databases" / "version-3.sql").read_text()


@dataclass
class Given:
    """A database and a role for the service."""

    admin: str
    """The administrator's URL."""
    url: str
    """The URL that the service has."""
    role: str

    def do(self, *statements: str) -> None:
        """Run statements as the administrator, with the role's name for R."""
        for statement in statements:
            query(self.admin, re.sub(r"\bR\b", self.role, statement))


@pytest.fixture
def given(postgres_server: str) -> Iterator[Given]:
    """A role that may connect to a database of its own, and may do nothing else."""
    role = f"reader_{uuid.uuid4().hex}"
    with new_database(postgres_server) as admin:
        query(admin, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        joint = "&" if "?" in admin else "?"
        given = Given(admin, f"{admin}{joint}user={role}&password=x", role)
        database = query(admin, "SELECT current_database()")[0][0]
        query(admin, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        query(admin, f"GRANT CONNECT ON DATABASE {database} TO {role}")
        given.do("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        yield given
        given.do(f"REASSIGN OWNED BY R TO {query(admin, 'SELECT current_user')[0][0]}")
        given.do("DROP OWNED BY R")
    query(postgres_server, f"DROP ROLE {role}")


GRANTS = (
    "GRANT USAGE ON SCHEMA book TO R",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA book TO R",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA book TO R",
)
"""The statements that the handbook tells an administrator to run."""


# ---------------------------------------------------------------- few rights


def test_a_role_that_owns_its_schema_and_nothing_else(given: Given) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R")
    using(given.url, self_check.check)
    using(given.url, self_check.check)


def test_an_upgrade_by_a_role_whose_rights_were_taken_away(given: Given) -> None:
    database = query(given.admin, "SELECT current_database()")[0][0]
    given.do(f"GRANT CREATE ON DATABASE {database} TO R")
    query(given.url, OLDER)
    given.do(f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM R")
    using(given.url, self_check.check)
    newest = query(given.admin, "SELECT max(version) FROM book.migrations")
    assert newest == [(migrations.VERSION,)]


def test_a_role_with_rights_on_tables_only(given: Given) -> None:
    using(given.admin, self_check.check)
    given.do("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA book FROM PUBLIC")
    given.do(*GRANTS)
    using(given.url, self_check.check)


def test_an_upgrade_by_the_administrator_where_the_role_may_not(given: Given) -> None:
    query(given.admin, OLDER)
    given.do(*GRANTS)
    with pytest.raises(StatementRejected, match="permission denied for schema book") as failure:
        using(given.url, lambda db: conversations.expire(db, 90))
    assert failure.value.reason == "rights"
    using(given.admin, self_check.check)
    given.do(*GRANTS)
    using(given.url, self_check.check)


def test_a_right_that_is_missing_is_found_out(given: Given) -> None:
    using(given.admin, self_check.check)
    given.do(*GRANTS)
    for table, right in [
        ("turns", "INSERT"),
        ("turns", "SELECT"),
        ("turns", "UPDATE"),
        ("turns", "DELETE"),
        ("sessions", "DELETE"),
        ("embeddings", "INSERT"),
        ("rates", "INSERT"),
        ("rates", "DELETE"),
        ("upkeep", "UPDATE"),
    ]:
        given.do(f"REVOKE {right} ON book.{table} FROM R")
        with pytest.raises(StatementRejected, match=f"table {table}") as failure:
            using(given.url, self_check.check)
        assert failure.value.reason == "rights"
        given.do(f"GRANT {right} ON book.{table} TO R")
        using(given.url, self_check.check)
    assert query(given.admin, "SELECT count(*)::int FROM book.turns")[0][0] <= 3
    given.do("REVOKE USAGE ON SCHEMA book FROM R")
    with pytest.raises(StatementRejected, match="permission denied for schema book"):
        using(given.url, self_check.check)


def test_the_check_leaves_nothing_behind(given: Given) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R")
    using(given.url, self_check.check)
    for table in ("sessions", "turns", "embeddings", "rates", "days"):
        assert query(given.admin, f"SELECT count(*)::int FROM book.{table}") == [(0,)]


# ---------------------------------------------------------------- what a server refuses


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("default_transaction_read_only = on", "read-only"),
        ("statement_timeout = 1", "cancelled"),
        ("transaction_timeout = 20", "cancelled"),  # ends the connection too
    ],
)
@pytest.mark.parametrize("whose", ["ROLE R", "DATABASE D"])
def test_a_refusal_has_a_reason(
    postgres_server: str, given: Given, whose: str, setting: str, reason: str
) -> None:
    version = query(given.admin, "SELECT current_setting('server_version_num')::int")[0][0]
    if setting.startswith("transaction_timeout") and version < 170_000:
        pytest.skip("this PostgreSQL has no transaction_timeout")
    given.do("CREATE SCHEMA book AUTHORIZATION R")
    using(given.url, self_check.check)
    if reason == "cancelled":  # a fast machine may take less than a millisecond
        given.do(
            """CREATE FUNCTION book.slow() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'""",
            "CREATE TRIGGER slow BEFORE INSERT ON book.turns EXECUTE FUNCTION book.slow()",
        )
    database = query(given.admin, "SELECT current_database()")[0][0]
    given.do(f"ALTER {whose} SET {setting}".replace("DATABASE D", f"DATABASE {database}"))
    with pytest.raises(UpstreamRejected) as failure:
        using(given.url, self_check.check)
    query(postgres_server, f"ALTER DATABASE {database} RESET ALL")
    assert failure.value.reason == reason


def test_a_lock_that_is_not_waited_for_has_a_reason(given: Given) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R")
    using(given.url, self_check.check)
    given.do("ALTER ROLE R SET lock_timeout = 20")

    async def work(db: Postgres) -> None:
        other = Postgres(given.admin, connections=1)
        held = asyncio.create_task(other.run("LOCK TABLE book.turns; SELECT pg_sleep(1)::text"))
        await asyncio.sleep(0.3)
        with pytest.raises(StatementRejected) as failure:
            await self_check.check(db)
        assert failure.value.reason == "cancelled"
        await held
        await other.close()
        await self_check.check(db)

    using(given.url, work)


@pytest.mark.parametrize(
    "setting", ["idle_session_timeout = 50", "idle_in_transaction_session_timeout = 1"]
)
def test_sessions_that_the_server_ends_when_idle_are_opened_again(
    given: Given, setting: str
) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R", f"ALTER ROLE R SET {setting}")

    async def work(db: Postgres) -> None:
        for _ in range(3):
            await self_check.check(db)
            await asyncio.sleep(0.3)

    using(given.url, work)


def test_a_database_that_is_missing_has_a_reason(given: Given) -> None:
    with pytest.raises(UpstreamRejected, match="does not exist") as failure:
        query(f"{given.url}&dbname=nowhere", "SELECT 1")
    assert failure.value.reason == "database"


def test_a_new_connection_follows_a_failover(given: Given) -> None:
    """A server that has become read-only may be another one by the next connection."""
    given.do("CREATE SCHEMA book AUTHORIZATION R")

    async def work(db: Postgres) -> None:
        await self_check.check(db)
        await db.run("SET default_transaction_read_only = on")  # of this connection
        await self_check.check(db)

    using(given.url, work, connections=1)


# ---------------------------------------------------------------- settings of a role

SETTINGS = [
    "client_encoding = 'LATIN1'",
    "client_encoding = 'SQL_ASCII'",
    "bytea_output = escape",
    "datestyle = 'German, DMY'",
    "datestyle = 'SQL, MDY'",
    "timezone = 'Asia/Kolkata'",
    "timezone = 'America/St_Johns'",
    "intervalstyle = sql_standard",
    "intervalstyle = iso_8601",
    "extra_float_digits = -15",
    "standard_conforming_strings = off",
    "search_path = nowhere",
    "search_path = ''",
    "default_transaction_isolation = serializable",
    "lc_messages = 'C'",
]


async def _use(db: Postgres) -> None:
    await self_check.check(db)
    session = conversations.new_session_id()
    text = "é \\ ' – 世 😀"
    await conversations.save(db, session, Turn(text, text), new=True, retention_days=9)
    [turn] = await conversations.recent(db, session, 1000, retention_days=9) or [Turn("", "")]
    assert turn.question == text
    assert turn.created_at is not None
    assert turn.created_at.utcoffset() == UTC.utcoffset(None)
    admission = await rate_limits.admit(db, [Key(str(uuid.uuid4()))], Limits(), Cost(1, 5))
    assert isinstance(admission.day, date)
    rows = await TABLES["days"](db, TableView(days=2))
    assert [type(row["day"]) for row in rows] == [date, date]
    assert rows[1]["questions"] == 1
    assert await conversations.delete(db, session) == 1


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_of_a_role_matters(given: Given, setting: str) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R", f"ALTER ROLE R SET {setting}")
    using(given.url, _use)


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_readers_at_once_under_a_strict_isolation(given: Given, level: str) -> None:
    given.do(
        "CREATE SCHEMA book AUTHORIZATION R",
        f"ALTER ROLE R SET default_transaction_isolation = '{level}'",
    )

    async def work(db: Postgres) -> None:
        key = Key(str(uuid.uuid4()))
        cost = Cost(1, 10)
        await asyncio.gather(*(rate_limits.admit(db, [key], Limits(), cost) for _ in range(30)))
        assert await rate_limits.used_today(db) == (30, 300, 0, 0)

    using(given.url, work)


def _encoded(admin: str, encoding: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    query(
        admin,
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 "
        "LOCALE_PROVIDER libc LOCALE 'C'",
    )
    return name


@pytest.fixture
def encoded(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Create a database in an encoding; return its URL."""
    names = []

    def create(encoding: str) -> str:
        names.append(_encoded(postgres_server, encoding))
        joint = "&" if "?" in postgres_server else "?"
        return f"{postgres_server}{joint}dbname={names[-1]}"

    yield create
    for name in names:
        query(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
def test_a_database_that_cannot_hold_all_text_is_refused(
    encoded: Callable[[str], str], encoding: str
) -> None:
    with pytest.raises(UpstreamRejected, match=f"encoded in {encoding} and must be in UTF8") as e:
        using(encoded(encoding), self_check.check)
    assert e.value.reason == "encoding"


def test_a_database_without_an_encoding_holds_all_text(encoded: Callable[[str], str]) -> None:
    using(encoded("SQL_ASCII"), _use)


def test_a_row_that_cannot_be_read_is_no_lost_connection(encoded: Callable[[str], str]) -> None:
    async def work(db: Postgres) -> None:
        with pytest.raises(StatementRejected, match="a text is not in UTF-8") as refused:
            await db.run("SELECT chr(233)")
        assert refused.value.reason == "encoding"
        with pytest.raises(UpstreamError, match="a row cannot be read") as failure:
            await db.run("SET bytea_output = escape; SELECT 'é'::bytea")
        assert failure.value.reason == "malformed"
        assert await db.run("SELECT 1") == [(1,)]

    using(encoded("SQL_ASCII"), work)


# ---------------------------------------------------------------- scarce connections


@pytest.mark.parametrize("most", [1, 2, 3])
def test_twelve_readers_and_few_connections(given: Given, most: int) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R", f"ALTER ROLE R CONNECTION LIMIT {most}")

    async def work(db: Postgres) -> None:
        loop = asyncio.get_running_loop()
        await self_check.check(db)
        limits, key = Limits(per_minute=1, burst=5), Key(str(uuid.uuid4()))
        for burst in range(3):
            began = loop.time()
            asked = (rate_limits.admit(db, [key], limits) for _ in range(12))
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert loop.time() - began < 1.5, "a queue, not a pause"
            admitted = [one for one in found if not isinstance(one, BaseException)]
            assert len(admitted) == (5 if burst == 0 else 0)
            assert not [one for one in found if isinstance(one, UpstreamError)], json.dumps(
                [str(one) for one in found]
            )

    using(given.url, work)


def test_connections_that_others_hold_are_waited_for(given: Given) -> None:
    given.do("CREATE SCHEMA book AUTHORIZATION R", "ALTER ROLE R CONNECTION LIMIT 1")

    async def work(db: Postgres) -> None:
        other = Postgres(given.url, connections=1)
        slow = asyncio.create_task(other.run("SELECT pg_sleep(1)::text"))
        await asyncio.sleep(0.3)
        asked = [asyncio.create_task(db.run("SELECT 1")) for _ in range(6)]
        await slow
        await other.close()
        assert await asyncio.gather(*asked) == [[(1,)]] * 6

    using(given.url, work)


def test_a_waiting_statement_ends_with_the_client(given: Given) -> None:
    given.do("ALTER ROLE R CONNECTION LIMIT 1")

    async def work(db: Postgres) -> None:
        running = asyncio.create_task(db.run("SELECT pg_sleep(0.5)::text"))
        await asyncio.sleep(0.2)
        waiting = [asyncio.create_task(db.run("SELECT 1")) for _ in range(3)]
        await asyncio.sleep(0.1)
        await db.close()
        await running
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert ["closed" in str(error) for error in found] == [True] * 3

    using(given.url, work)


def test_no_connection_at_all_is_said_within_seconds(given: Given) -> None:
    given.do("ALTER ROLE R CONNECTION LIMIT 0")
    with pytest.raises(UpstreamError, match="too many connections") as failure:
        query(given.url, "SELECT 1")
    assert failure.value.reason == "connections"


# ---------------------------------------------------------------- stored times


@pytest.mark.parametrize("ahead", ["2 hours", "40 days", "100 years"])
def test_a_clock_that_was_ahead_delays_nothing(database_url: str, ahead: str) -> None:
    async def work(db: Postgres) -> None:
        reader, old, new = Key(str(uuid.uuid4())), *(conversations.new_session_id(),) * 2
        new = conversations.new_session_id()
        limits = Limits(daily_questions=10, share=0.3)
        await rate_limits.admit(db, [reader], limits, Cost(3))
        for session in (old, new):
            await conversations.save(db, session, Turn("q", "a"), new=True, retention_days=9)
        await db.run(f"UPDATE book.upkeep SET done_at = now() + interval '{ahead}'")
        await db.run(f"UPDATE book.sessions SET used_at = now() + interval '{ahead}'")
        await db.run(
            "UPDATE book.sessions SET used_at = now() - interval '10 days' WHERE session_id = :s",
            s=old,
        )
        await db.run(
            f"""UPDATE book.rates SET free_at = now() + interval '{ahead}',
                  day = (now() + interval '{ahead}')::date"""
        )
        await db.run(f"UPDATE book.days SET day = (now() + interval '{ahead}')::date")
        other = Key(str(uuid.uuid4()))
        assert (await rate_limits.admit(db, [other], limits)).upkeep_due
        assert await conversations.expire(db, 9) == 1
        assert not (await rate_limits.admit(db, [other], limits)).upkeep_due
        assert await db.run("SELECT max(used_at) <= now() FROM book.sessions") == [(True,)]
        assert await db.run("SELECT done_at <= now() FROM book.upkeep") == [(True,)]
        if ahead != "2 hours":  # the next day is not yet wrong
            admission = await rate_limits.admit(db, [reader], limits, Cost(3))
            assert admission.within_budget, "a share of a day to come is given back"

    using(database_url, work)


def test_a_save_also_notices_a_clock_that_was_ahead(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        old, new = conversations.new_session_id(), conversations.new_session_id()
        await conversations.save(db, old, Turn("q", "a"), new=True, retention_days=9)
        await db.run("UPDATE book.upkeep SET done_at = now() + interval '1 day'")
        await db.run("UPDATE book.sessions SET used_at = now() - interval '10 days'")
        await conversations.save(db, new, Turn("q", "a"), new=True, retention_days=9)
        assert await db.run("SELECT count(*)::int FROM book.sessions") == [(1,)]

    using(database_url, work)


def test_upkeep_without_a_record_of_the_last_run(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await self_check.check(db)
        for statement in ("DELETE FROM book.upkeep", "INSERT INTO book.upkeep VALUES (now())"):
            await db.run(statement)
            key = Key(str(uuid.uuid4()))
            due = (await rate_limits.admit(db, [key], Limits())).upkeep_due
            assert due == statement.startswith("DELETE")
            await conversations.expire(db, 9)
            assert not (await rate_limits.admit(db, [key], Limits())).upkeep_due

    using(database_url, work)
