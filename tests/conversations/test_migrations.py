"""The tables: made by whoever comes first, migrated once, by several processes at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import migrations, rate_limit_keys, rate_limits
from rag.conversations import store as conversations
from rag.errors import StatementRejected
from rag.models import Turn
from tests.support.postgres import query, using

ROOT = Path(__file__).parents[2]

_FIRST_USE = """
import asyncio, json, sys
from rag.conversations import migrations, store as turns
from rag.adapters.database.postgres import Postgres
from rag.models import Turn

async def main(url):
    db = Postgres(url, schema=migrations.SCRIPT)
    ids = [turns.new_session_id() for _ in range(4)]
    places = await asyncio.gather(
        *(turns.save(db, i, Turn("q", "a"), new=True, retention_days=9) for i in ids)
    )
    await db.close()
    print(len([place for place in places if place]))

asyncio.run(main(sys.argv[1]))
"""


def test_many_processes_make_the_tables_at_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _FIRST_USE, database_url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [json.loads(out or b"0") for out, _ in outputs] == [4] * 4, outputs
    assert query(database_url, "SELECT count(*)::int FROM book.turns") == [(16,)]
    versions = [(n,) for n in range(1, len(migrations.MIGRATIONS) + 1)]
    assert query(database_url, "SELECT version FROM book.migrations ORDER BY version") == versions


def test_a_later_migration_is_picked_up_once(database_url: str) -> None:
    later = migrations.script(
        (*migrations.MIGRATIONS, "ALTER TABLE book.turns ADD COLUMN liked integer;")
    )

    async def save(db: Postgres) -> None:
        await conversations.save(
            db, conversations.new_session_id(), Turn("q", "a"), new=True, retention_days=9
        )

    async def use(db: Postgres) -> None:
        await asyncio.gather(*(db.run("SELECT liked FROM book.turns") for _ in range(4)))
        assert await db.run("SELECT liked FROM book.turns") == [(None,)]
        version = await db.run("SELECT max(version) FROM book.migrations")
        assert version == [(len(migrations.MIGRATIONS) + 1,)]

    using(database_url, save)
    using(database_url, use, schema=later)
    using(database_url, save)


def test_conversations_of_the_first_version_go_on(database_url: str) -> None:
    session = conversations.new_session_id()

    async def begin(db: Postgres) -> None:
        await db.run("SELECT FROM book.turns")
        assert await db.run("SELECT max(version) FROM book.migrations") == [(1,)]
        await db.run("INSERT INTO book.sessions VALUES (:session, 1)", session=session)
        await db.run(
            """INSERT INTO book.turns
               VALUES (:session, 1, gen_random_uuid(), now(), 'q', 'a', '[]', '{}')""",
            session=session,
        )

    async def go_on(db: Postgres) -> None:
        key, cost = rate_limit_keys.Key(str(uuid.uuid4())), rate_limits.Cost(1, 5)
        assert (await rate_limits.admit(db, [key], rate_limits.Limits(), cost)).within_budget
        saved = await conversations.save(db, session, Turn("r", "b"), new=False, retention_days=9)
        assert saved == conversations.Saved(session, 2)
        kept = await conversations.export(db, session, retention_days=9)
        assert [turn.question for turn in kept or ()] == ["q", "r"]

    using(database_url, begin, schema=migrations.script(migrations.MIGRATIONS[:1]))
    using(database_url, go_on)


def test_a_schema_that_does_not_help_is_tried_once(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        with pytest.raises(StatementRejected, match="nowhere"):
            await db.run("SELECT * FROM book.nowhere")

    using(database_url, work)


def test_tables_that_may_not_be_made_are_explained(database_url: str) -> None:
    role = f"reader_{uuid.uuid4().hex}"
    query(database_url, f"CREATE ROLE {role}")

    async def work(db: Postgres) -> None:
        with pytest.raises(StatementRejected, match=r"tables could not be created.*42501"):
            await conversations.recent(db, conversations.new_session_id(), 5, retention_days=9)

    try:
        using(database_url, work, schema=f"SET LOCAL ROLE {role}; {migrations.SCRIPT}")
    finally:
        query(database_url, f"DROP ROLE {role}")
