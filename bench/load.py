"""Simulate concurrent readers with as little CPU as possible."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.processes import Server
from bench.upstreams import QUESTION

_numbers = itertools.count(1)
TIMEOUT = 120.0


@dataclass(slots=True)
class Timing:
    """Timing of one chat, in seconds."""

    total: float
    first: float
    """Time to the first token, or to the whole answer without streaming."""
    ok: bool


@dataclass(slots=True)
class Result:
    """Result of one round of chats."""

    timings: list[Timing] = field(default_factory=list)
    cpu_ms: float = 0.0
    """Server CPU per chat."""
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        return sum(not timing.ok for timing in self.timings)

    def p50(self, what: str = "total") -> float:
        """Return the median in milliseconds."""
        return statistics.median(getattr(timing, what) for timing in self.timings) * 1000

    def worst(self) -> float:
        return max(timing.total for timing in self.timings) * 1000


class _Reader(asyncio.Protocol):
    """A keep-alive connection that records when data arrives."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.data = bytearray()
        self.first = 0.0
        self.ended: asyncio.Future[bool] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def begin(self, request: bytes, stream: bool) -> asyncio.Future[bool]:
        self.data.clear()
        self.first = 0.0
        self.ended = self._loop.create_future()
        self._stream = stream
        self.transport.write(request)
        return self.ended

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.first and (not self._stream or b"event: token" in self.data):
            self.first = time.perf_counter()
        if self._stream:
            if self.data.endswith(b"0\r\n\r\n"):
                self._end(b"event: done" in self.data)
            elif b"content-length" in self.data[:400] and b"200 OK" not in self.data[:20]:
                self._end(False)
            return
        head = self.data.find(b"\r\n\r\n")
        if head > 0:
            length = self.data.lower().index(b"content-length:")
            size = int(self.data[length + 15 : self.data.index(b"\r", length)])
            if len(self.data) >= head + 4 + size:
                fell_back = b'"fallback":"' in self.data or b'"saved":false' in self.data
                self._end(b" 200 " in self.data[:20] and not fell_back)

    def _end(self, ok: bool) -> None:
        if not self.ended.done():
            self.ended.set_result(ok)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(False)


async def _visit(server: Server, questions: Iterable[bytes], stream: bool) -> list[Timing]:
    loop = asyncio.get_running_loop()
    timings = []
    transport, reader = await loop.create_connection(_Reader, "127.0.0.1", server.port)
    try:
        for request in questions:
            began = time.perf_counter()
            async with asyncio.timeout(TIMEOUT):
                ok = await reader.begin(request, stream)
            ended = time.perf_counter()
            timings.append(Timing(ended - began, (reader.first or ended) - began, ok))
    finally:
        transport.close()
    return timings


def request(body: dict[str, object], stream: bool, path: str = "/chat") -> bytes:
    data = json.dumps(body).encode()
    accept = "text/event-stream" if stream else "application/json"
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode() + data


def _question(stream: bool) -> bytes:
    """Make a new question each time, so that no embedding is cached."""
    return request({"message": f"{QUESTION} ({next(_numbers)})"}, stream)


async def requests(server: Server, made: Sequence[bytes]) -> Result:
    """Send requests in sequence over one connection."""
    cpu, began = server.cpu(), time.perf_counter()
    timings = await _visit(server, made, False)
    return Result(timings, (server.cpu() - cpu) * 1000 / len(timings), time.perf_counter() - began)


async def chats(server: Server, readers: int, times: int = 1, *, stream: bool = False) -> Result:
    """Run concurrent readers, each asking `times` questions in sequence."""
    questions = [[_question(stream) for _ in range(times)] for _ in range(readers)]
    cpu, began = server.cpu(), time.perf_counter()
    visits = await asyncio.gather(
        *(_visit(server, asked, stream) for asked in questions), return_exceptions=True
    )
    seconds = time.perf_counter() - began
    timings: list[Timing] = []
    for visit in visits:
        if isinstance(visit, BaseException):
            timings += [Timing(seconds, seconds, False)] * times
        else:
            timings += visit
    return Result(timings, (server.cpu() - cpu) * 1000 / len(timings), seconds)


def median(results: Sequence[Result], what: str = "total") -> float:
    """Return the median of the rounds' medians, in milliseconds."""
    return statistics.median(result.p50(what) for result in results)


def cpu(results: Sequence[Result]) -> float:
    return statistics.median(result.cpu_ms for result in results)
