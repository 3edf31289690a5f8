"""One connection to PostgreSQL: pg8000's, with timeouts and libpq's rules for TLS.

pg8000 sends a statement with bound parameters in three round trips, and the three may reach
different servers behind a pooler. So parameters are written into the SQL (`postgres_sql`), and
it goes out as one simple query: https://www.postgresql.org/docs/current/protocol.html
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from contextlib import suppress
from typing import Any

from pg8000.native import DatabaseError

from rag.adapters.database.postgres_fatal import Pg8000
from rag.adapters.database.postgres_url import Server

_STARTUP = {"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC"}
"""Settings that rows are read by. A role may have others. PgBouncer's transaction mode keeps these
and refuses most others, so no statement may depend on any other."""
_ENCODINGS = ("UTF8", "SQL_ASCII", "")
"""Encodings of databases that hold every text; empty if a pooler does not say."""

INSECURE = "08001"
"""SQLSTATE of a connection that is not as secure as DATABASE_URL requires."""


class ServerError(Exception):
    """The server refused. `fatal` means that it has closed the connection too."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.sqlstate = fields.get("C", "")
        self.message = fields.get("M", "")
        self.fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")


class ConnectionLost(ConnectionError):
    """The connection broke, or the other end does not speak the protocol."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent
        """Whether the server may have received the whole statement."""


class Unreadable(Exception):
    """A row holds bytes that are not text in UTF-8, or another value that cannot be read."""


class Connection:
    """A blocking connection, for one thread at a time.

    Raises OSError (TimeoutError, ConnectionLost) or ServerError, at construction and in `execute`,
    which may also raise Unreadable. After that the connection must be closed.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self.used_at = time.time()
        """When it was last used; its owner keeps this up to date."""
        deadline = time.monotonic() + timeout
        self._socket = _connect(server, timeout)
        try:
            self._socket.settimeout(max(0.1, deadline - time.monotonic()))
            self._socket = _secure(self._socket, server)
            self._pg8000 = Pg8000(
                server.user,
                database=server.database,
                password=server.password or "",
                application_name="ask-the-book",
                startup_params={**_STARTUP, **server.startup},
                sock=self._socket,
                ssl_context=False,
            )
            if server.require_channel_binding and not getattr(self._socket, "bound", False):
                raise _unbound()
            encoding = self._pg8000.parameter_statuses.get("server_encoding", "")
            if encoding not in _ENCODINGS:
                raise _refused(
                    f"the database is encoded in {encoding} and must be in UTF8", "22P05"
                )
        except Exception as error:
            _hang_up(self._socket)
            failure = _classified(error)
            if getattr(failure, "sqlstate", "") == "28P01" and not server.password:
                failure = _refused(
                    "the server asks for a password, but DATABASE_URL has none", "28P01"
                )
            raise failure from error

    def execute(self, sql: str, seconds: float) -> list[tuple[Any, ...]]:
        """Run one statement or a script; return its rows. `seconds` bounds each wait for data."""
        try:
            self._socket.settimeout(seconds)
            return [tuple(row) for row in self._pg8000.run(sql) or ()]
        except ValueError as error:
            raise Unreadable(type(error).__name__) from error
        except Exception as error:
            raise _classified(self._pg8000.fatal or error) from error

    def is_quiet(self) -> bool:
        """Whether there is nothing to read. To an idle client a server only reports its end."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Terminate the session and close the socket without waiting, in any state."""
        with suppress(Exception):
            self._socket.settimeout(0)
            self._pg8000.close()
        _hang_up(self._socket)


def _classified(error: Exception) -> Exception:
    """Return the server's refusal or the timeout in the chain of `error`, else ConnectionLost.

    pg8000 fails in many ways if the other end does not speak PostgreSQL. If the server has
    hung up after refusing a login, closing fails too, and that error hides the refusal.
    """
    sent = True
    link: BaseException | None = error
    while link:
        if isinstance(link, DatabaseError) and isinstance(link.args[0], dict):
            return ServerError(link.args[0])
        if isinstance(link, TimeoutError | ServerError):
            return link
        if isinstance(link, BrokenPipeError):  # only a write fails this way: part was not sent
            sent = False
        link = link.__cause__ or link.__context__
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConnectionLost(reason, sent=sent)


def _refused(message: str, code: str = INSECURE) -> ServerError:
    """Return an error for a login that must not be tried again."""
    return ServerError({"V": "FATAL", "C": code, "M": message})


def _unbound() -> ServerError:
    return _refused("the server does not offer the channel binding that DATABASE_URL requires")


# ---------------------------------------------------------------- sockets


class _BoundSocket(ssl.SSLSocket):
    """A TLS socket that sends a password only as SCRAM bound to this TLS channel.

    Passwords and the first message of SCRAM are messages of type `p`.
    """

    bound = False

    def send(self, data: Any, flags: int = 0) -> int:
        message = bytes(data[:64])
        if not self.bound and message.startswith(b"p"):
            if b"SCRAM-SHA-256-PLUS\0" not in message:
                raise _unbound()
            self.bound = True
        return super().send(data, flags)


def _connect(server: Server, timeout: float) -> socket.socket:
    if not server.unix_socket:
        connected = socket.create_connection((server.host, server.port), timeout)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        connected.connect(server.unix_socket)
    except BaseException:
        connected.close()
        raise
    return connected


def _secure(plain: socket.socket, server: Server) -> socket.socket:
    """Request TLS (SSLRequest, code 80877103); continue without it only if sslmode allows."""
    context, answer = server.ssl_context, b"N"
    if context:
        plain.sendall(struct.pack("!ii", 8, 80877103))
        answer = plain.recv(1)
    if context and answer == b"S":
        if server.require_channel_binding:
            context.sslsocket_class = _BoundSocket
        try:
            return context.wrap_socket(plain, server_hostname=server.host)
        except ssl.SSLCertVerificationError as error:
            raise _refused(f"the server's certificate: {error.verify_message}") from error
    if answer != b"N":
        raise ConnectionError("the server closed the connection when asked for TLS")
    if server.require_channel_binding:
        raise _unbound()
    if context and not server.ssl_optional:
        raise _refused("the server does not support TLS, which sslmode requires")
    return plain


def _hang_up(connected: socket.socket) -> None:
    """Close the socket now, even if a traceback still holds a file made from it."""
    if (number := connected.detach()) >= 0:
        socket.close(number)
