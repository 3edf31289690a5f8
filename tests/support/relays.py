"""Relays in front of a server: plain, with TLS, and as an office's proxy with a password."""

from __future__ import annotations

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeAlias
from urllib.parse import urlsplit

import trustme

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
REFUSED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
    b'Proxy-Authenticate: Basic realm="office"\r\nConnection: close\r\n\r\n'
)


@contextmanager
def in_front_of(address: str, host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The port of a server that passes everything on to a host and port, or a Unix socket."""
    with _listening(_to(address), host, port, None) as found:
        yield found


@contextmanager
def tls_in_front_of(
    address: str, authority: trustme.CA, name: str, host: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """The same with TLS, and a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with _listening(_to(address), host, port, context) as found:
        yield found


def _to(address: str) -> Callable[[Reader, Writer], Awaitable[None]]:
    async def relay(reader: Reader, writer: Writer) -> None:
        await _join(reader, writer, address)

    return relay


@contextmanager
def office_proxy(login: str) -> Iterator[int]:
    """The port of an HTTP proxy that asks for this user name and password."""
    expected = b"proxy-authorization: basic " + b64encode(login.encode()).lower()

    async def relay(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if expected not in head.lower():
            writer.write(REFUSED)
            return
        await _join(reader, writer, urlsplit(head.split()[1].decode()).netloc, head)

    with _listening(relay, "127.0.0.1", 0, None) as found:
        yield found


@contextmanager
def _listening(
    relay: Callable[[Reader, Writer], Awaitable[None]],
    host: str,
    port: int,
    context: ssl.SSLContext | None,
) -> Iterator[int]:
    writers: list[Writer] = []

    async def accept(reader: Reader, writer: Writer) -> None:
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await relay(reader, writer)
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = []
    try:
        made = asyncio.start_server(accept, host, port, ssl=context)
        servers.append(asyncio.run_coroutine_threadsafe(made, loop).result(10))
        yield servers[0].sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(servers, writers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(servers: Sequence[asyncio.Server], writers: Sequence[Writer]) -> None:
    for server in servers:
        server.close()
        await server.wait_closed()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0.05)


async def _join(reader: Reader, writer: Writer, address: str, head: bytes = b"") -> None:
    host, _, port = address.rpartition(":")
    if address.startswith("/"):
        back, forth = await asyncio.open_unix_connection(address)
    else:
        back, forth = await asyncio.open_connection(host, int(port))
    forth.write(head)
    answering = asyncio.create_task(_copy(back, writer))
    try:
        await _copy(reader, forth)
        await answering
    finally:
        answering.cancel()
        forth.close()


async def _copy(reader: Reader, writer: Writer) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
