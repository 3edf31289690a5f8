"""A small HTTP/1.1 server that can misbehave, the base of every imitated service.

It runs on its own event loop and thread, so it keeps running while a test blocks or fails.
Not covered: chunked request bodies, pipelining, `Expect`, HTTP/2 and TLS.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many"}

UPKEEP = "/v1/models"
"""What a running service asks once a day, at any time, besides when its health is checked."""
Fault = Literal["reset", "hang", "drip", "malformed", "shape", "cut", "empty"]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Header names are lower-case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(slots=True)
class Response:
    """A response: JSON (or its bytes), or pieces of text that are streamed."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[str] | None = None


@dataclass(slots=True)
class Planned:
    """A planned fault: a status or a kind, for a number of requests below a path."""

    what: int | Fault
    times: int
    path: str
    headers: dict[str, str]
    body: Any


class Reset(Exception):
    """Raised by a service to break its connection during a response."""


class Service:
    """One imitated service. Subclasses implement `answer`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """All requests received, including those that failed, but UPKEEP."""
        self.upkeep: list[Request] = []
        self.latency = 0.0
        """Seconds before every response."""
        self.abandoned = 0
        """Responses whose client disconnected before the end."""
        self.url = ""
        self._planned: list[Planned] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    # ------------------------------------------------------------ for tests

    def fail(
        self,
        what: int | Fault,
        *,
        times: int = 1,
        path: str = "",
        retry_after: float | str | None = None,
        body: Any = None,
    ) -> None:
        """Fail the next `times` requests below `path` with a status or a broken response.

        A path that ends with `$` must match exactly.

        reset: the connection breaks. hang: no response. drip: one byte per second.
        malformed: 200 with truncated JSON. shape: 200 with unexpected JSON. cut: the
        connection ends during the response. empty: 200 without a body.
        """
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._planned.append(Planned(what, times, path, headers, body))

    def heal(self) -> None:
        self._planned.clear()

    def forget(self) -> None:
        self.requests.clear()
        self.upkeep.clear()

    # ------------------------------------------------------------ for subclasses

    async def answer(self, request: Request) -> Response:
        raise NotImplementedError

    async def opened(self) -> None:
        """Called on the server's loop before the first request."""

    async def closed(self) -> None:
        """Called on the server's loop after the last request."""

    # ------------------------------------------------------------ the server

    async def open(self, port: int = 0) -> None:
        await self.opened()
        await self.listen(port)

    async def listen(self, port: int = 0) -> None:
        """Listen on this port; by default on the previous one."""
        port = port or (urlsplit(self.url).port or 0)
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def vanish(self) -> None:
        """Break all connections and refuse new ones, until `listen`."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.vanish()
        await self.closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                upkeep = request.path.startswith(UPKEEP)
                (self.upkeep if upkeep else self.requests).append(request)
                await self._reply(request, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except ValueError:  # such as TLS where HTTP is spoken
            writer.write(_head(400, {}, 0))
        except Reset:
            _break(writer)
        finally:
            writer.close()

    async def _reply(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self._next_fault(request)
        if fault is None:
            response = await self.answer(request)
            if response.stream is None:
                await _send(writer, response)
            else:
                await self._send_stream(writer, reader, response)
        elif isinstance(fault.what, int):
            body = fault.body
            if body is None:
                body = {"message": f"as planned: {fault.what}"}
            await _send(writer, Response(fault.what, body, fault.headers))
        else:
            await self._misbehave(fault.what, request, reader, writer)

    def _next_fault(self, request: Request) -> Planned | None:
        for planned in self._planned:
            if planned.times > 0 and f"{request.path}$".startswith(planned.path):
                planned.times -= 1
                return planned
        return None

    async def _misbehave(
        self,
        what: str,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if what == "hang":
            await reader.read(1)
            self.abandoned += 1
            raise ConnectionResetError
        if what == "shape":
            return await _send(writer, Response(200, {"unexpected": ["form"]}))
        if what == "empty":
            return await _send(writer, Response(200, b""))
        if what == "reset":
            raise Reset
        response = await self.answer(request)
        body = _encoded(response.data)
        if what == "malformed":
            return await _send(writer, Response(200, body[: len(body) // 2] or b"{"))
        writer.write(_head(200, {"Content-Type": "application/json"}, len(body)))
        for n in range(len(body) // 2):
            writer.write(body[n : n + 1])
            if what == "drip":
                await writer.drain()
                await asyncio.sleep(1)
        await writer.drain()
        raise Reset

    async def _send_stream(
        self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader, response: Response
    ) -> None:
        """Stream the pieces, and stop producing them when the client disconnects."""
        headers = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        writer.write(_head(response.status, headers | response.headers, None))
        sending = asyncio.ensure_future(self._send_pieces(writer, response))
        gone = asyncio.ensure_future(_hung_up(reader))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self.abandoned += 1
                raise ConnectionResetError
            sending.result()
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send_pieces(self, writer: asyncio.StreamWriter, response: Response) -> None:
        assert response.stream is not None
        async for piece in response.stream:
            data = piece.encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _hung_up(reader: asyncio.StreamReader) -> None:
    """Wait for the client to disconnect without consuming bytes of its next request."""
    while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    first = await reader.read(1)
    if not first:
        return None
    if not first.isalpha():
        raise ValueError
    line = first + await reader.readline()
    method, target, _ = line.decode().split()
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Request(method, unquote(parts.path), query, headers, body)


def _encoded(data: object) -> bytes:
    return data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()


async def _send(writer: asyncio.StreamWriter, response: Response) -> None:
    body = _encoded(response.data)
    headers = {"Content-Type": "application/json"} | response.headers
    writer.write(_head(response.status, headers, len(body)) + body)
    await writer.drain()


def _head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def _break(writer: asyncio.StreamWriter) -> None:
    """Close with a reset (RST) instead of FIN."""
    socket = writer.get_extra_info("socket")
    if socket is not None:
        socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
