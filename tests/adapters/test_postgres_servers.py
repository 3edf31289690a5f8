"""The PostgreSQL adapter over TLS and behind PgBouncer.

The wheel's PostgreSQL has no TLS, so these use Debian's packages postgresql and pgbouncer.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Iterator
from datetime import timedelta

import pytest
import trustme

from rag.adapters.database.postgres import Postgres
from rag.adapters.database.postgres_url import parse_url
from rag.conversations import self_check
from rag.conversations import store as conversations
from rag.errors import UpstreamError, UpstreamRejected
from rag.models import Turn
from tests.support import postgres_servers
from tests.support.postgres import query, using
from tests.support.postgres_servers import (
    as_nobody,
    find_program,
    needs_postgresql,
    server_folder,
    wait_until_ready,
)

needs_pgbouncer = pytest.mark.skipif(
    not find_program("pgbouncer"), reason="no PgBouncer here: install Debian's pgbouncer"
)


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def tls_server() -> Iterator[str]:
    """The URL of such a server, and the folder of its CA files."""
    with postgres_servers.tls_server() as (url, folder):
        yield f"{url}?folder={folder}"


ENCRYPTED = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@needs_postgresql
@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=require&channel_binding=require",
        "sslmode=require&sslrootcert={folder}/ca.pem",
        "sslmode=verify-ca&sslrootcert={folder}/ca.pem",
        "sslmode=verify-full&sslrootcert={folder}/ca.pem&channel_binding=require",
    ],
)
def test_tls(tls_server: str, parameters: str) -> None:
    base, folder = tls_server.split("?folder=")
    assert query(f"{base}?{parameters.format(folder=folder)}", ENCRYPTED) == [(True, "TLSv1.3")]


@needs_postgresql
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("sslmode=disable", "no encryption"),
        ("sslmode=require&sslrootcert={folder}/other.pem", "certificate"),
        ("sslmode=verify-ca&sslrootcert={folder}/other.pem", "certificate"),
        ("sslmode=verify-full", "certificate"),
        ("sslmode=require&password=wr0ng", "password authentication failed"),
        ("sslmode=require&user=stranger", "authentication failed"),
        ("sslmode=require&channel_binding=require&dbname=trusted", "channel binding"),
        ("sslmode=disable&channel_binding=require", "channel binding"),
    ],
)
def test_tls_refused(tls_server: str, parameters: str, reason: str) -> None:
    base, folder = tls_server.split("?folder=")
    with pytest.raises(UpstreamError, match=reason) as failure:
        query(f"{base}?{parameters.format(folder=folder)}", ENCRYPTED)
    assert not {"s3cret", "wr0ng"} & set(str(failure.value).split())
    assert "cret" not in str(failure.value)


@needs_postgresql
def test_the_certificate_must_be_for_the_host(tls_server: str) -> None:
    base, folder = tls_server.split("?folder=")
    other = base.replace("@localhost", "@127.0.0.1") + f"?sslrootcert={folder}/ca.pem&sslmode="
    assert query(f"{other}verify-ca", ENCRYPTED) == [(True, "TLSv1.3")]
    with pytest.raises(UpstreamError, match="certificate"):
        query(f"{other}verify-full", ENCRYPTED)


@pytest.mark.parametrize(
    "demand",
    [
        pytest.param(b"\0\0\0\3", id="plain text"),
        pytest.param(b"\0\0\0\5salt", id="MD5"),
        pytest.param(b"\0\0\0\nSCRAM-SHA-256\0\0", id="SCRAM without binding"),
    ],
)
def test_no_password_leaves_without_the_channel_binding_it_needs(demand: bytes) -> None:
    received = []

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(context)
        await writer.start_tls(context)
        await reader.read(1000)
        writer.write(b"R" + struct.pack("!i", len(demand) + 4) + demand)
        received.append(await reader.read(1000))
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(impostor, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            url = f"postgresql://u:s3cret@127.0.0.1:{port}/d?sslmode=require"
            db = Postgres(f"{url}&channel_binding=require")
            with pytest.raises(UpstreamRejected, match="channel binding"):
                await db.run("SELECT 1")
            await db.close()

    asyncio.run(main())
    assert received == [b""]


@needs_postgresql
def test_a_missing_password_is_reported(tls_server: str) -> None:
    base, _ = tls_server.split("?folder=")
    bare = base.replace(":s3cret%2F%40%23@", "@")
    with pytest.raises(UpstreamError, match="asks for a password"):
        query(f"{bare}?sslmode=require", "SELECT 1")


@needs_postgresql
def test_a_role_that_has_used_up_its_connections(tls_server: str) -> None:
    base, _ = tls_server.split("?folder=")
    url = f"{base}?sslmode=require"
    query(url, "CREATE ROLE few LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    with pytest.raises(UpstreamRejected, match="few"):
        query(url.replace("owner:s3cret%2F%40%23", "few:wrong"), "SELECT 1")
    with pytest.raises(UpstreamError, match="too many connections"):
        query(url.replace("owner:s3cret%2F%40%23", "few:x"), "SELECT 1")


# ---------------------------------------------------------------- PgBouncer


@pytest.fixture
def pgbouncer(database_url: str) -> Iterator[str]:
    """PgBouncer in transaction mode with two server connections, before the test's database."""
    server = parse_url(database_url)
    with server_folder() as folder:
        target = f"host={server.host} port={server.port} dbname={server.database}"
        password = f"password='{server.password}'" if server.password else ""
        (folder / "pgbouncer.ini").write_text(
            f"""
[databases]
book = {target} user={server.user} {password}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
"""
        )
        (folder / "pgbouncer.ini").chmod(0o644)
        bouncer = as_nobody([find_program("pgbouncer"), "-q", str(folder / "pgbouncer.ini")])
        try:
            url = f"postgresql://{server.user}@/book?host={folder}&port=6432"
            wait_until_ready(url, bouncer)
            yield url
        finally:
            bouncer.send_signal(2)
            bouncer.wait(20)


@needs_pgbouncer
def test_statements_behind_pgbouncer_do_not_get_mixed_up(pgbouncer: str) -> None:
    """Two server connections serve eight of ours: each statement must be whole in itself."""

    async def work(db: Postgres) -> None:
        pids = set()
        for _ in range(5):
            found = await asyncio.gather(
                *(
                    db.run(f"SELECT :i::int + {i}, pg_backend_pid(), pg_sleep(0.002)::text", i=i)
                    for i in range(40)
                )
            )
            assert [rows[0][0] for rows in found] == [2 * i for i in range(40)]
            pids |= {rows[0][1] for rows in found}
        assert len(pids) == 2

    using(pgbouncer, work, connections=8)


@needs_pgbouncer
def test_conversations_behind_pgbouncer(pgbouncer: str) -> None:
    async def work(db: Postgres) -> None:
        other = Postgres(pgbouncer, connections=8)
        sid = conversations.new_session_id()
        assert await conversations.save(db, sid, Turn("q", "a"), new=True, retention_days=9)
        await asyncio.gather(
            *(
                conversations.save(client, sid, Turn(f"q{i}", "a"), new=False, retention_days=9)
                for i in range(20)
                for client in (db, other)
            )
        )
        history = await conversations.page(db, sid, 0, 100, retention_days=9)
        assert history is not None
        assert [turn.n for turn in history.turns] == list(range(1, 42))
        assert await conversations.delete(db, sid) == 41
        await other.close()

    using(pgbouncer, work, connections=8)


@needs_pgbouncer
@pytest.mark.parametrize(
    "setting",
    [
        "datestyle = 'German, DMY'",
        "timezone = 'Asia/Kolkata'",
        "client_encoding = 'LATIN1'",
        "bytea_output = escape",
        "intervalstyle = sql_standard",
        "standard_conforming_strings = off",
        "default_transaction_isolation = serializable",
    ],
)
def test_no_setting_of_a_database_matters_behind_pgbouncer(
    pgbouncer: str, database_url: str, setting: str
) -> None:
    name = parse_url(database_url).database
    query(database_url, f"ALTER DATABASE {name} SET {setting}")
    try:
        query(database_url, "SELECT 1")
        using(pgbouncer, _with_dates, connections=8)
    finally:
        query(database_url, f"ALTER DATABASE {name} RESET ALL")


async def _with_dates(db: Postgres) -> None:
    await asyncio.gather(*(self_check.check(db) for _ in range(6)))
    (row,) = await db.run(
        "SELECT now(), (now() AT TIME ZONE 'UTC')::date, '2026-10-30'::date::text, 'é – 世'"
    )
    assert row[0].utcoffset() == timedelta(0)
    assert row[1] == row[0].date()
    assert row[2:] == ("2026-10-30", "é – 世")
