"""One connection: pg8000's with one round trip a statement, deadlines and stricter TLS.

Importing this imports pg8000. The protocol: https://www.postgresql.org/docs/current/protocol.html
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import scramp
from pg8000.converters import make_params
from pg8000.core import DESCRIBE, PORTAL, SYNC, TERMINATE_MSG, Context
from pg8000.exceptions import DatabaseError, Error, InterfaceError
from pg8000.native import Connection as Pg8000Connection
from pg8000.native import to_statement

from rag.services.postgres_url import Server

BROKEN = (
    Error,
    OSError,
    scramp.ScramException,
    # What pg8000 lets through when the other end does not speak PostgreSQL.
    struct.error,
    LookupError,
    ValueError,
    AttributeError,
    MemoryError,
)
"""Failures after which a connection is of no more use."""

_parse = lru_cache(maxsize=256)(to_statement)


class ServerError(Exception):
    """An answer of the server that says no. `fatal` means that the connection is gone too."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.sqlstate = fields.get("C", "")
        self.message = fields.get("M", "")
        self.fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")


class Connection(Pg8000Connection):  # type: ignore[misc]
    """Not for use by two threads at once.

    Raises TimeoutError, ServerError or one of BROKEN, at construction and in `execute`.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self.sent = False
        """Whether the last statement left this machine completely."""
        self.used_at = time.time()
        """When it was last used; its owner keeps this."""
        self._server = server
        deadline = time.monotonic() + timeout
        raw = _connect(server, timeout)
        try:
            raw.settimeout(max(0.1, deadline - time.monotonic()))
            context = server.ssl_context
            if context is not None:
                raw = _secure(raw, context, server)
            super().__init__(
                server.user,
                database=server.database,
                password=server.password,
                application_name="ask-the-book",
                startup_params=dict(server.startup),
                sock=raw,
                ssl_context=False,
            )
        except BaseException as error:
            raw.close()
            raise _server_error(error) from error

    def execute(
        self, sql: str, parameters: dict[str, Any], timeout: float
    ) -> list[tuple[Any, ...]]:
        """Rows of one statement, or of a script where there are no parameters.

        `timeout`, in seconds, bounds each wait for the server. A parameter that cannot be
        encoded raises UnicodeEncodeError before anything is sent.
        """
        self.sent = False
        self._usock.settimeout(timeout)
        try:
            if parameters:
                context = self.execute_unnamed(*bind(sql, parameters))
            else:
                context = self.execute_simple(sql)
        except Error as error:
            raise _server_error(error) from error
        return [tuple(row) for row in context.rows or ()]

    def execute_simple(self, statement: str) -> Context:
        context = Context(statement)
        self.send_QUERY(statement)
        return self._exchange(context)

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> Context:
        """Parse, Bind, Describe and Execute under one Sync: one round trip, one transaction."""
        context = Context(statement)
        values = make_params(self.py_types, vals)
        for value in values:
            if value is not None:
                value.encode()
        self.send_PARSE(b"\0", statement, oids)
        self.send_BIND(b"\0", values)
        self._send_message(DESCRIBE, PORTAL + b"\0")
        self.send_EXECUTE()
        self._send_message(SYNC, b"")
        return self._exchange(context)

    def _exchange(self, context: Context) -> Context:
        self._sock.flush()
        self.sent = True
        self.handle_messages(context)
        return context

    def handle_ERROR_RESPONSE(self, data: bytes, context: Context) -> None:
        super().handle_ERROR_RESPONSE(data, context)
        if ServerError(context.error.args[0]).fatal:  # nothing follows, not even ReadyForQuery
            raise context.error

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Context) -> None:
        """Refuse what channel binding does not protect; say so when a password is missing."""
        (method,) = struct.unpack_from("!i", data)
        if method in (3, 5, 10) and self.password is None:
            raise _hopeless("the server asks for a password and DATABASE_URL has none")
        if method != 0:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        if self._server.require_channel_binding:
            bound = getattr(getattr(self, "auth", None), "mechanism_name", "").endswith("-PLUS")
            if not bound:
                raise _hopeless("the server does not offer the channel binding it must have")

    def close(self) -> None:
        """As pg8000 does it, which would hide a refusal of a server that has hung up already."""
        with suppress(*BROKEN):
            super().close()

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: an idle server has nothing to say but goodbye."""
        poll = select.poll()
        poll.register(self._usock, select.POLLIN)
        return not poll.poll(0)

    def abandon(self) -> None:
        """Close without waiting for anything, whatever state this is in."""
        with suppress(*BROKEN):
            self._usock.settimeout(0.5)
            self._sock.write(TERMINATE_MSG)
            self._sock.flush()
        for end in (self._sock, self._usock):
            with suppress(*BROKEN):
                end.close()


def bind(sql: str, parameters: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """`:name` to `$1`; a missing parameter is a mistake of ours, not of the connection."""
    statement, values = _parse(sql)
    try:
        return statement, values(parameters)
    except InterfaceError as error:
        raise TypeError(str(error)) from None


def _server_error(error: BaseException) -> BaseException:
    """pg8000's errors, told apart: the server's answer, a timeout, or what came."""
    if isinstance(error, DatabaseError) and isinstance(error.args[0], dict):
        return ServerError(error.args[0])
    if isinstance(error.__cause__, TimeoutError):
        return error.__cause__
    return error


def _hopeless(message: str) -> ServerError:
    """A refusal of our own: trying again would end the same way."""
    return ServerError({"V": "FATAL", "C": "28000", "M": message})


def _connect(server: Server, timeout: float) -> socket.socket:
    if not server.unix_socket:
        plain = socket.create_connection((server.host, server.port), timeout)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plain.settimeout(timeout)
        plain.connect(server.unix_socket)
    except BaseException:
        plain.close()
        raise
    return plain


def _secure(plain: socket.socket, context: ssl.SSLContext, server: Server) -> socket.socket:
    """Ask for TLS (SSLRequest, code 80877103); stay plain only where the mode allows it."""
    plain.sendall(struct.pack("!ii", 8, 80877103))
    answer = plain.recv(1)
    if answer == b"S":
        try:
            return context.wrap_socket(plain, server_hostname=server.host)
        except ssl.SSLCertVerificationError as error:
            raise _hopeless(f"the server's certificate: {error.verify_message}") from error
    if answer == b"N" and server.ssl_optional:
        return plain
    if answer == b"N":
        raise _hopeless("the server does not speak TLS, and sslmode asks for it")
    raise InterfaceError("the server went away when it was asked for TLS")
