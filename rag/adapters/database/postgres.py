"""Implement `rag.interfaces.Database` for Neon, any other PostgreSQL, or the embedded one.

pg8000 is synchronous: statements run on a few threads, behind one `await`. Every statement is
its own transaction, in one round trip and without session state, as PgBouncer's transaction
mode (Neon's `-pooler` hosts) requires.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from rag.adapters.database.neon_https import HttpsConnection
from rag.adapters.database.postgres_sql import render
from rag.adapters.database.postgres_url import parse_url
from rag.adapters.database.postgres_wire import Connection, ConnectionLost, ServerError
from rag.adapters.failures import connection_reason
from rag.errors import (
    Reason,
    StatementRejected,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)

AnyConnection: TypeAlias = Connection | HttpsConnection

CONNECT_PAUSES = (0.1, 0.3, 0.6, 1.0)
"""Seconds between attempts to connect: long enough for a server to restart."""
DOWN_SECONDS = 5.0
"""For this long after all attempts failed, or a statement timed out, statements try once and wait
at most DOWN_PATIENCE: a question needs several, and each would wait."""
DOWN_PATIENCE = 1.0
IDLE_SECONDS = 240.0
"""A connection unused for longer is replaced: Neon and routers drop them after 300 s."""

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_MISSING = frozenset({"42P01", "42703", "42883", "3F000"})  # table, column, function, schema
_UNDONE = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_BUSY = frozenset({"53300", "53400", "57P03"})  # too many connections, starting up
_REPEATABLE = re.compile(r"\s*(?:select\b|/\* idempotent \*/)", re.IGNORECASE)


class Postgres:
    """A few connections to one server, opened when they are needed.

    Statements run on the client's own threads, at most `connections` at once. Several event
    loops and threads may use it at the same time.

    A statement is repeated once, on a new connection, if its connection broke before all of it
    was sent, or if it is idempotent and its answer was lost. A statement counts as idempotent
    if it begins with SELECT or with the comment `/* idempotent */`. (So a SELECT that calls a
    function which writes must be safe to run twice.)

    Cancelling `run` does not interrupt a statement that has been sent; one that still waits for
    a connection is dropped.

    `schema` is a script that creates or migrates the tables. It runs when a statement names a
    missing table, column or function, and the statement then runs again. Several processes may
    run it at once.

    Raises ConfigurationError for an invalid connection string, and UpstreamError or a subclass,
    with service "postgres", for everything else. Messages contain neither the password nor
    parameters.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "",
        connections: int = 4,
        connect_timeout: float = 8.0,
        statement_timeout: float = 8.0,
    ) -> None:
        self._server = parse_url(url)
        self._schema = schema
        self._connect_timeout = min(connect_timeout, self._server.connect_timeout)
        self._statement_timeout = statement_timeout
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="postgres")
        self._idle: deque[AnyConnection] = deque()
        self._down_until = 0.0
        self._closed = False

    def prepare(self) -> None:
        """Load the TLS certificates; do not connect."""
        _ = self._server.ssl_context

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement with `:name` parameters; return its rows, or [].

        Without parameters it may also be a script of several statements. It is one transaction,
        and all its rows are returned.
        """
        statement = render(sql, parameters)
        self._check_open()
        abandoned = threading.Event()
        try:
            async with asyncio.timeout(self._connect_timeout + self._statement_timeout):
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._execute, statement, abandoned
                )
        except TimeoutError:
            raise UpstreamTimeout("no answer in time", service="postgres") from None
        finally:
            abandoned.set()

    async def close(self) -> None:
        """Close idle connections now, and busy ones when their statements end."""
        self._closed = True
        self._close_idle()
        self._threads.shutdown(wait=False)

    def _check_open(self) -> None:
        if self._closed:
            raise UpstreamError("the client is closed", service="postgres")

    # ------------------------------------------------------------ on a pool thread

    def _execute(self, sql: str, abandoned: threading.Event) -> list[tuple[Any, ...]]:
        """Run a statement, unless its caller `abandoned` it before it was sent."""
        tried: set[str] = set()
        while True:
            connection = self._idle_connection() or self._connect()
            remedy = ""
            failure: UpstreamError
            if abandoned.is_set():
                self._give_back(connection)
                return []
            try:
                rows = connection.execute(sql, self._patience(self._statement_timeout))
            except ServerError as error:
                failure, remedy = _refusal(error), _remedy(error, sql)
                if error.fatal:
                    connection.close()
                else:
                    self._give_back(connection)
            except TimeoutError:
                connection.close()
                self._down_until = time.monotonic() + DOWN_SECONDS
                failure = UpstreamTimeout("no answer in time", service="postgres")
            except ConnectionLost as error:
                connection.close()
                failure = UpstreamError(
                    "the connection was lost", service="postgres", reason="connection"
                )
                if not error.sent or _REPEATABLE.match(sql):
                    remedy = "reconnect"
            else:
                self._down_until = 0.0
                self._give_back(connection)
                return rows

            if not remedy or remedy in tried:
                raise failure
            tried.add(remedy)
            if remedy == "reconnect":
                self._close_idle()  # they have probably broken too
            elif remedy == "repeat":
                time.sleep(0.05)  # let the other statement of a deadlock end
            elif remedy == "migrate":
                if not self._schema:
                    raise failure
                self._migrate()

    def _migrate(self) -> None:
        connection = self._connect()
        try:
            connection.execute(self._schema, self._statement_timeout)
        except ServerError as error:
            raise _refusal(error, "the tables could not be created: ") from error
        except TimeoutError as error:
            raise UpstreamTimeout("creating the tables timed out", service="postgres") from error
        except ConnectionLost as error:
            raise UpstreamError(
                "lost while creating the tables", service="postgres", reason="connection"
            ) from error
        finally:
            connection.close()

    def _patience(self, seconds: float) -> float:
        """Return `seconds`, or less while the server is considered down."""
        return seconds if time.monotonic() > self._down_until else min(seconds, DOWN_PATIENCE)

    def _idle_connection(self) -> AnyConnection | None:
        """Return the most recently used idle connection that is still open."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            # The wall clock goes on while a laptop or a function sleeps; the monotonic may not.
            if 0 <= time.time() - connection.used_at < IDLE_SECONDS and connection.is_quiet():
                return connection
            connection.close()

    def _give_back(self, connection: AnyConnection) -> None:
        connection.used_at = time.time()
        self._idle.append(connection)
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _connect(self) -> AnyConnection:
        """Open a connection; try several times, because the server may be restarting."""
        self._check_open()
        deadline = time.monotonic() + self._patience(self._connect_timeout)
        pauses = iter(CONNECT_PAUSES if time.monotonic() > self._down_until else ())
        open_connection = HttpsConnection if self._server.over_https else Connection
        while True:
            failure: UpstreamError
            try:
                return open_connection(self._server, max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                self._down_until = time.monotonic() + DOWN_SECONDS
                raise UpstreamTimeout("no connection in time", service="postgres") from None
            except ServerError as error:
                failure = _refusal(error)
                if error.sqlstate not in _BUSY:
                    raise failure from error
            except OSError as error:
                failure = UpstreamError(
                    f"cannot connect: {error.strerror or error}",
                    service="postgres",
                    reason=connection_reason(error),
                )
            pause = next(pauses, None)
            if pause is None or time.monotonic() + pause >= deadline:
                self._down_until = time.monotonic() + DOWN_SECONDS
                raise failure
            time.sleep(pause)


def _remedy(error: ServerError, sql: str) -> str:
    """Return the step after which a refused statement may succeed, or an empty string."""
    if error.sqlstate in _MISSING:
        return "migrate"
    if error.sqlstate in _UNDONE:
        return "repeat"
    if error.fatal and _REPEATABLE.match(sql):
        return "reconnect"
    return ""


def _refusal(error: ServerError, prefix: str = "") -> UpstreamError:
    """Translate a refusal. Messages of class 22 quote data, perhaps a reader's words: drop them."""
    said = "" if error.sqlstate.startswith("22") else f"{error.message} "
    message = f"{prefix}{said}({error.sqlstate})"
    if error.sqlstate in _BUSY:
        return UpstreamOverloaded(message, service="postgres")
    if error.fatal and error.sqlstate.startswith("57P"):  # shut down during the statement
        return UpstreamError(message, service="postgres")
    if error.fatal:
        reason: Reason = "key" if error.sqlstate.startswith("28") else ""
        if connection_reason(error) == "tls":
            reason = "tls"
        return UpstreamRejected(message, service="postgres", reason=reason)
    return StatementRejected(message, service="postgres", sqlstate=error.sqlstate)
