"""Helpers around a PostgreSQL for tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from rag.adapters.database.embedded import EmbeddedPostgres
from rag.adapters.database.postgres import Postgres
from rag.conversations import migrations

T = TypeVar("T")


def with_name(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def new_database(url: str) -> Iterator[str]:
    """Create an empty database, yield its URL, drop it."""
    name = f"test_{uuid.uuid4().hex}"
    query(url, f"CREATE DATABASE {name}")
    try:
        yield with_name(url, name)
    finally:
        query(url, f"DROP DATABASE {name} WITH (FORCE)")


def server_pid(server: EmbeddedPostgres) -> int | None:
    """The process id of an embedded server; None while it is not running."""
    try:
        return int((server.data_dir / "cluster" / "postmaster.pid").read_bytes().split()[0])
    except (OSError, IndexError):
        return None


def query(url: str, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run one statement on its own connection, without the schema."""

    async def once() -> list[tuple[Any, ...]]:
        db = Postgres(url, connections=1)
        try:
            return await db.run(sql, **parameters)
        finally:
            await db.close()

    return asyncio.run(once())


def using(url: str, work: Callable[[Postgres], Awaitable[T]], **options: Any) -> T:
    """Run `work` in a new event loop, with a client that knows the schema."""

    async def main() -> T:
        db = Postgres(url, **{"schema": migrations.SCRIPT, **options})
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(main())
