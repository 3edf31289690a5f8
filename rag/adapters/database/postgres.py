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
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rag.adapters.database.postgres_pool import Pool, failure_of
from rag.adapters.database.postgres_sql import render
from rag.adapters.database.postgres_url import parse_url
from rag.adapters.database.postgres_wire import ConnectionLost, ServerError, Unreadable
from rag.errors import UpstreamTimeout

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_MISSING = frozenset({"42P01", "42703", "42883", "3F000"})  # table, column, function, schema
_UNDONE = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_READ_ONLY = "25006"
_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
"""Precedes statements that failed by the stricter default of a role: none of them needs it."""
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
        self._pool = Pool(self._server, self._connect_timeout)

    def prepare(self) -> None:
        """Load the TLS certificates; do not connect."""
        _ = self._server.ssl_context

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement with `:name` parameters; return its rows, or [].

        Without parameters it may also be a script of several statements. It is one transaction,
        and all its rows are returned.
        """
        statement = render(sql, parameters)
        self._pool.check_open()
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
        self._pool.close()
        self._threads.shutdown(wait=False)

    # ------------------------------------------------------------ on a pool thread

    def _execute(self, sql: str, abandoned: threading.Event) -> list[tuple[Any, ...]]:
        """Run a statement, unless its caller `abandoned` it before it was sent."""
        tried: set[str] = set()
        while True:
            connection = self._pool.acquire()
            if abandoned.is_set():
                self._pool.release(connection)
                return []
            try:
                rows = connection.execute(sql, self._pool.patience(self._statement_timeout))
            except (ServerError, OSError, Unreadable) as error:
                failure, remedy = failure_of(error), _remedy(error, sql)
                if isinstance(error, ServerError) and not error.fatal and remedy != "reconnect":
                    self._pool.release(connection)
                else:
                    self._pool.discard(connection)
                if isinstance(error, TimeoutError):
                    self._pool.set_down()
            else:
                self._pool.set_down(down=False)
                self._pool.release(connection)
                return rows

            if not remedy or remedy in tried:
                raise failure
            tried.add(remedy)
            if remedy == "reconnect":
                self._pool.discard_idle()  # they have probably broken too
            elif remedy == "repeat":
                sql = f"{_READ_COMMITTED}{sql}"
                time.sleep(0.05)  # let the other statement of a deadlock end
            elif remedy == "migrate":
                self._migrate()

    def _migrate(self) -> None:
        """Create the tables, or bring them up to date, on a new connection."""
        self._pool.discard_idle()
        connection = self._pool.acquire()
        try:
            connection.execute(self._schema, self._statement_timeout)
        except (ServerError, OSError, Unreadable) as error:
            raise failure_of(error, "the tables could not be created: ") from error
        finally:
            self._pool.discard(connection)


def _remedy(error: Exception, sql: str) -> str:
    """Return the step after which a failed statement may succeed, or an empty string."""
    repeatable = bool(_REPEATABLE.match(sql))
    if isinstance(error, ConnectionLost):
        return "reconnect" if repeatable or not error.sent else ""
    if not isinstance(error, ServerError):
        return ""
    if error.sqlstate in _MISSING:
        return "migrate"
    if error.sqlstate in _UNDONE:
        return "repeat"
    # After a failover, a new connection leads elsewhere.
    return "reconnect" if error.sqlstate == _READ_ONLY or (error.fatal and repeatable) else ""
