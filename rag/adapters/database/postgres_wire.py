"""One connection: pg8000's with one round trip a statement, without a thread, with deadlines
and stricter TLS.

Importing this imports pg8000. The protocol: https://www.postgresql.org/docs/current/protocol.html
"""

from __future__ import annotations

import asyncio
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
from pg8000.core import (
    DESCRIBE,
    FLUSH_MSG,
    PORTAL,
    READY_FOR_QUERY,
    SYNC,
    TERMINATE_MSG,
    Context,
)
from pg8000.exceptions import DatabaseError, Error, InterfaceError
from pg8000.native import Connection as Pg8000Connection
from pg8000.native import to_statement

from rag.adapters.database.postgres_url import Server

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

_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_parse = lru_cache(maxsize=256)(to_statement)


class ServerError(Exception):
    """An answer of the server that says no. `fatal` means that the connection is gone too."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.sqlstate = fields.get("C", "")
        self.message = fields.get("M", "")
        self.fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")


class _Memory:
    """What pg8000 writes to and reads from, once it is connected: nothing here waits.

    A statement is put together in `out`; its answer is read when all of it has come.
    """

    def __init__(self, come: bytes) -> None:
        self.out = bytearray()
        self._come = bytearray(come)
        self._read = 0
        """How much of what has come pg8000 has read."""
        self._seen = 0
        """Where the first message begins whose end nobody has looked for yet."""

    def write(self, data: bytes) -> None:
        """Without the Flush behind each message: it has the server answer in four packets."""
        if data is not FLUSH_MSG:
            self.out += data

    def flush(self) -> None:
        """What is in `out` is sent by the connection."""

    def read(self, size: int) -> bytes:
        """Nothing, as at the end of a file, where no more has come."""
        data = bytes(self._come[self._read : self._read + size])
        self._read += len(data)
        return data

    def close(self) -> None:
        self.out.clear()

    def feed(self, data: bytes) -> None:
        self._come += data

    def is_answered(self) -> bool:
        """Whether ReadyForQuery has come, the last message of an answer."""
        while len(self._come) >= self._seen + 5:
            code, length = struct.unpack_from("!ci", self._come, self._seen)
            if len(self._come) <= self._seen + length:
                return False
            if code == READY_FOR_QUERY:
                return True
            self._seen += 1 + max(4, length)
        return False

    def forget(self) -> None:
        """Make room for the next answer."""
        del self._come[: self._read]
        self._read = self._seen = 0


class Connection(Pg8000Connection):  # type: ignore[misc]
    """Made in a thread, because connecting waits; then used in a loop, by one task at a time.

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
            raw.setblocking(False)
            come = b""
            with suppress(*_BLOCKED):
                come = self._sock.peek()  # what the server said after its greeting
            self._memory = _Memory(come)
            self._sock: Any = self._memory
        except BaseException as error:
            _hang_up(raw)
            raise _server_error(error) from error

    async def execute(
        self, sql: str, parameters: dict[str, Any], seconds: float
    ) -> list[tuple[Any, ...]]:
        """Rows of one statement, or of a script where there are no parameters.

        `seconds` bounds the wait for the server. A parameter that cannot be
        encoded raises UnicodeEncodeError before anything is sent. Where this is cancelled
        on the way, `finish` takes what still comes.
        """
        self.sent = False
        if parameters:
            context = self._put(*bind(sql, parameters))
        else:
            context = Context(sql)
            self.send_QUERY(sql)
        async with asyncio.timeout(seconds):
            await self._send()
            await self._answered()
        self._read(context)
        return [tuple(row) for row in context.rows or ()]

    def _put(self, statement: str, values: Sequence[Any]) -> Context:
        """Parse, Bind, Describe and Execute under one Sync: one round trip, one transaction."""
        texts = make_params(self.py_types, values)
        for text in texts:
            if text is not None:
                text.encode()
        self.send_PARSE(b"\0", statement, ())
        self.send_BIND(b"\0", texts)
        self._send_message(DESCRIBE, PORTAL + b"\0")
        self.send_EXECUTE()
        self._send_message(SYNC, b"")
        return Context(statement)

    async def _send(self) -> None:
        loop, out, number = asyncio.get_running_loop(), self._memory.out, self._usock.fileno()
        while out:
            try:
                del out[: self._usock.send(out)]
            except _BLOCKED:
                room = loop.create_future()
                loop.add_writer(number, _done, room)
                try:
                    await room
                finally:
                    loop.remove_writer(number)
        self.sent = True

    async def finish(self) -> None:
        """Take the answer to a statement whose caller has gone, so that another can follow."""
        if not self.sent:
            raise InterfaceError("the statement was not sent completely")
        await self._answered()
        with suppress(ServerError):
            self._read(Context(""))

    def _read(self, context: Context) -> None:
        try:
            self.handle_messages(context)
        except Error as error:
            raise _server_error(error) from error
        finally:
            self._memory.forget()

    async def _answered(self) -> None:
        """Wait until an answer is complete, or the server has hung up."""
        if self._memory.is_answered():
            return
        # By its number: the loop would make a text of the socket, with its addresses.
        loop, number = asyncio.get_running_loop(), self._usock.fileno()
        answered = loop.create_future()
        loop.add_reader(number, self._receive, answered)
        try:
            await answered
        finally:
            loop.remove_reader(number)

    def _receive(self, answered: asyncio.Future[None]) -> None:
        """Take what has come. TLS may hold more than the socket says, so until nothing comes."""
        try:
            while not answered.done():
                data = self._usock.recv(65_536)
                self._memory.feed(data)
                if not data or self._memory.is_answered():
                    answered.set_result(None)
        except _BLOCKED:
            return
        except OSError as error:
            answered.set_exception(error)

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
            self._usock.send(TERMINATE_MSG)
        with suppress(*BROKEN):
            self._usock.close()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


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


def _hang_up(connected: socket.socket) -> None:
    """Close it at once, even if a file made of it lives on in a traceback."""
    if (number := connected.detach()) >= 0:
        socket.close(number)


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
