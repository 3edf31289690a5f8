"""The connections of one process to one server, and what their failures mean.

The server may allow fewer connections than there are threads, for example by a role's CONNECTION
LIMIT. Threads then queue for the ones that exist.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, repeat
from typing import TypeAlias

from rag.adapters.database.neon_https import HttpsConnection
from rag.adapters.database.postgres_url import Server
from rag.adapters.database.postgres_wire import INSECURE, Connection, ServerError, Unreadable
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
FULL_SECONDS = 4.0
"""For how long a connection is tried for while others have taken all that the server allows."""
SCARCE_SECONDS = 60.0
"""For how long no more connections are opened than the server has allowed."""
DOWN_SECONDS = 5.0
"""For this long after all attempts failed, or a statement timed out, statements try once and wait
at most DOWN_PATIENCE: a question needs several, and each would wait."""
DOWN_PATIENCE = 1.0
IDLE_SECONDS = 240.0
"""A connection unused for longer is replaced: Neon and routers drop them after 300 s."""

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_FULL = "53300"  # too many connections
_BUSY = frozenset({_FULL, "53400", "57P03"})  # starting up
_REASONS: dict[str, Reason] = {
    "42501": "rights",
    "25006": "read-only",
    "53100": "full",
    "22021": "encoding",
    "22P05": "encoding",
    "57014": "cancelled",  # by statement_timeout
    "55P03": "cancelled",  # by lock_timeout
    "25P04": "cancelled",  # by transaction_timeout
    "3D000": "database",
    "28000": "key",
    "28P01": "key",
    INSECURE: "tls",
    _FULL: "connections",
}


class Pool:
    """Connections that are opened when they are needed. Its methods block; use it from threads."""

    def __init__(self, server: Server, connect_timeout: float) -> None:
        self._server = server
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._idle: deque[AnyConnection] = deque()
        self._open = 0
        self._waiting: deque[Future[AnyConnection | None]] = deque()
        """Threads that queue. Each is given a connection, or None if it may open one."""
        self._scarce_until = 0.0
        self._down_until = 0.0
        self._closed = False

    def acquire(self) -> AnyConnection:
        """Return an idle connection, a new one, or the next that another thread releases."""
        deadline = time.monotonic() + self.patience(self._connect_timeout)
        while True:
            if (connection := self._idle_connection()) or (connection := self._connect(deadline)):
                return connection
            if (waiter := self._join_queue()) is None:
                continue
            try:
                if connection := waiter.result(max(0.0, deadline - time.monotonic())):
                    return connection
            except TimeoutError:
                with self._lock:
                    if not waiter.done():
                        self._waiting.remove(waiter)
                        waiter.cancel()
                if not waiter.cancelled() and (connection := waiter.result()):
                    return connection
                raise UpstreamOverloaded(
                    "all connections are in use", service="postgres", reason="connections"
                ) from None

    def release(self, connection: AnyConnection) -> None:
        """Pass a connection on to the next thread that waits, or keep it."""
        connection.used_at = time.time()
        with self._lock:
            if self._waiting and not self._closed:
                self._waiting.popleft().set_result(connection)
                return
            if not self._closed:
                self._idle.append(connection)
                return
        self.discard(connection)

    def discard(self, connection: AnyConnection) -> None:
        """Close a connection. The next thread that waits may open another."""
        connection.close()
        with self._lock:
            self._open -= 1
            while self._waiting:
                self._waiting.popleft().set_result(None)
                if self._open and not self._closed:
                    break  # the others wait for those

    def discard_idle(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while connection := self._pop_idle():
            self.discard(connection)

    def close(self) -> None:
        """Close idle connections now, and busy ones when they are released."""
        with self._lock:
            self._closed = True
        self.discard_idle()

    def check_open(self) -> None:
        if self._closed:
            raise UpstreamError("the client is closed", service="postgres")

    def set_down(self, *, down: bool = True) -> None:
        """Record that the server does not answer, or that it does."""
        self._down_until = time.monotonic() + DOWN_SECONDS if down else 0.0

    def patience(self, seconds: float) -> float:
        """Return `seconds`, or less while the server is considered down."""
        return seconds if time.monotonic() > self._down_until else min(seconds, DOWN_PATIENCE)

    def _join_queue(self) -> Future[AnyConnection | None] | None:
        """Queue behind the threads that wait, unless there is a connection after all."""
        with self._lock:
            if self._idle or self._closed or not self._open:
                return None
            waiter: Future[AnyConnection | None] = Future()
            self._waiting.append(waiter)
            return waiter

    def _idle_connection(self) -> AnyConnection | None:
        """Return the most recently used idle connection that is still open."""
        while connection := self._pop_idle():
            # The wall clock goes on while a laptop or a function sleeps; the monotonic may not.
            if 0 <= time.time() - connection.used_at < IDLE_SECONDS and connection.is_quiet():
                return connection
            self.discard(connection)
        return None

    def _pop_idle(self) -> AnyConnection | None:
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self, deadline: float) -> AnyConnection | None:
        """Open a connection; try several times, because the server may be restarting.

        Return None if the server allows no more than this pool has.
        """
        self.check_open()
        is_down = time.monotonic() <= self._down_until
        pauses = iter(() if is_down else CONNECT_PAUSES)
        full = chain((0.05, 0.1), repeat(0.2))
        full_until = min(deadline, time.monotonic() + FULL_SECONDS)
        open_connection = HttpsConnection if self._server.over_https else Connection
        while True:
            if self._open and time.monotonic() < self._scarce_until:
                return None
            failure: UpstreamError
            try:
                connection = open_connection(self._server, max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                self.set_down()
                raise UpstreamTimeout("no connection in time", service="postgres") from None
            except ServerError as error:
                failure = failure_of(error)
                if error.sqlstate not in _BUSY:
                    raise failure from error
            except OSError as error:
                failure = UpstreamError(
                    f"cannot connect: {error.strerror or error}",
                    service="postgres",
                    reason=connection_reason(error),
                )
            else:
                with self._lock:
                    self._open += 1
                return connection
            if failure.reason == "connections":
                if self._open:
                    self._scarce_until = time.monotonic() + SCARCE_SECONDS
                    continue
                pause: float | None = next(full)
                last = full_until
            else:
                pause, last = next(pauses, None), deadline
            if pause is None or time.monotonic() + pause >= last:
                self.set_down()
                raise failure
            time.sleep(pause)


def failure_of(error: Exception, prefix: str = "") -> UpstreamError:
    """Translate what a connection raises. `prefix` precedes the message."""
    if isinstance(error, ServerError):
        return _refusal(error, prefix)
    if isinstance(error, TimeoutError):
        text = f"{prefix}no answer in time"
        return UpstreamTimeout(text, service="postgres", reason="slow")
    if isinstance(error, Unreadable):
        text = f"{prefix}a row cannot be read ({error})"
        return UpstreamError(text, service="postgres", reason="malformed")
    text = f"{prefix}the connection was lost"
    return UpstreamError(text, service="postgres", reason="connection")


def _refusal(error: ServerError, prefix: str) -> UpstreamError:
    """Messages of class 22 quote data, perhaps a reader's words, and are left out."""
    quotes_data = error.sqlstate.startswith("22") and not error.fatal
    said = "" if quotes_data else f"{error.message} "
    reason = _REASONS.get(error.sqlstate, "")
    if quotes_data and reason == "encoding":
        said = "a text is not in UTF-8, or the database cannot hold it "
    message = f"{prefix}{said}({error.sqlstate})"
    if error.sqlstate in _BUSY:
        return UpstreamOverloaded(message, service="postgres", reason=reason)
    if error.fatal and error.sqlstate.startswith("57P"):  # shut down during the statement
        return UpstreamError(message, service="postgres", reason="connection")
    if error.fatal:
        return UpstreamRejected(message, service="postgres", reason=reason)
    return StatementRejected(message, service="postgres", sqlstate=error.sqlstate, reason=reason)
