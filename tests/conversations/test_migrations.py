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
from rag.conversations import migrations
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
    versions = query(database_url, "SELECT version FROM book.migrations")
    assert versions == [(migrations.VERSION,)]


def test_a_later_migration_is_picked_up_once(database_url: str) -> None:
    version = migrations.VERSION + 1
    change = {version: "ALTER TABLE book.turns ADD COLUMN liked integer;"}
    later = migrations.script(version, migrations.CHANGES | change)

    async def save(db: Postgres) -> None:
        await conversations.save(
            db, conversations.new_session_id(), Turn("q", "a"), new=True, retention_days=9
        )

    async def use(db: Postgres) -> None:
        await asyncio.gather(*(db.run("SELECT liked FROM book.turns") for _ in range(4)))
        assert await db.run("SELECT liked FROM book.turns") == [(None,)]
        assert await db.run("SELECT max(version) FROM book.migrations") == [(version,)]

    using(database_url, save)
    using(database_url, use, schema=later)
    using(database_url, save)


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
