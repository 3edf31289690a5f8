"""Peers that are too slow, over real sockets. Limits are short here; waits are only bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from rag.environment import load_settings
from web.http_timeouts import HEAD_BYTES, BoundedProtocol
from web.server import make_config

LONGEST = 20.0
"""Seconds after which a test has failed."""


class Hasty(BoundedProtocol):
    receive_seconds = 0.5
    stalled_seconds = 0.5


class App:
    """Reads the body of /read and answers at once; /flood answers without end, /drip slowly."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/read":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        pieces = {"/flood": 10_000, "/drip": 12}.get(scope["path"], 1)
        gone = asyncio.ensure_future(self._disconnected(receive))
        for _ in range(pieces):
            if self.left.is_set():
                break
            body = b"x" * 65_536 if scope["path"] == "/flood" else b"x"
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if scope["path"] == "/drip":
                await asyncio.sleep(0.1)
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _disconnected(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def with_server(test: Callable[[Connect, App], Awaitable[None]]) -> None:
    async def main() -> None:
        app = App()
        listener = socket.create_server(("127.0.0.1", 0))
        config = make_config(app, load_settings({}))
        assert config.http is BoundedProtocol
        config.http, config.lifespan, config.timeout_graceful_shutdown = Hasty, "off", 1
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(*listener.getsockname())

        try:
            async with asyncio.timeout(LONGEST):
                await test(connect, app)
        finally:
            server.should_exit = True
            await serving

    asyncio.run(main())


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a byte now and then until the server has hung up; what it said before that."""

    async def forever() -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    sending = asyncio.ensure_future(forever())
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nX-Slow: ",
        head("/read", "Content-Length: 100000"),
        head("/", "Content-Length: 100000"),  # answered before its body is there
        head("/read", "Content-Length: 0") + b"POST / HTTP/1.1\r\nX-Slow: ",
    ],
    ids=["nothing", "head", "body", "body of an answered request", "second head"],
)
def test_a_request_that_trickles_in_is_cut_off(sent: bytes) -> None:
    async def test(connect: Connect, app: App) -> None:
        reader, writer = await connect()
        writer.write(sent)
        await trickle(reader, writer)

    with_server(test)


def test_who_is_silent_from_the_start_is_cut_off() -> None:
    async def test(connect: Connect, app: App) -> None:
        reader, writer = await connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        writer.close()

    with_server(test)


def test_who_does_not_read_is_cut_off() -> None:
    async def test(connect: Connect, app: App) -> None:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            _, writer = await connect()
            address = writer.get_extra_info("peername")
            writer.close()
            await asyncio.get_running_loop().sock_connect(peer, address)
            await asyncio.get_running_loop().sock_sendall(peer, head("/flood", "Content-Length: 0"))
            await app.left.wait()

    with_server(test)


def test_a_patient_reader_of_a_slow_answer_is_left_alone() -> None:
    """Longer than both limits, and again on the same connection."""

    async def test(connect: Connect, app: App) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(head("/drip", "Content-Length: 0"))
            answer = await reader.readuntil(b"\r\n0\r\n\r\n")
            assert answer.count(b"1\r\nx\r\n") == 12
        writer.close()

    with_server(test)


def test_a_head_that_is_too_long_is_refused() -> None:
    async def test(connect: Connect, app: App) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * HEAD_BYTES * 2)
        assert (await reader.read(100)).startswith(b"HTTP/1.1 400 ")
        writer.close()

    with_server(test)
