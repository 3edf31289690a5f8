"""A proxy for PostgreSQL that drops, delays and refuses on command."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

from rag.adapters.database.postgres_url import parse_url

READY = b"Z\0\0\0\5I"


class Proxy:
    """Listens on a Unix socket; everything may be changed while it runs."""

    def __init__(self, url: str) -> None:
        self._server = parse_url(url)
        self._folder = tempfile.mkdtemp(prefix="proxy-")
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        login = f"{self._server.user}:{quote(self._server.password or '', safe='')}"
        self.url = (
            f"postgresql://{login}@/{self._server.database}?sslmode=disable"
            f"&host={quote(self._folder, safe='')}&port={self._server.port}"
        )
        self.connections = 0
        self.lose_answers = 0
        """Number of answers to drop, each with its connection, after the server has given them."""
        self.speaking = asyncio.Event()
        """While it is cleared, no answers arrive."""
        self.speaking.set()
        self.delay = 0.0
        """Seconds before every answer."""
        self.exchanges = 0
        """Answers that ended in ReadyForQuery."""

    async def listen(self) -> None:
        path = f"{self._folder}/.s.PGSQL.{self._server.port}"  # replaces one that is closed
        self._listener = await asyncio.start_unix_server(self._accept, path)

    async def refuse(self) -> None:
        """Close all connections and refuse new ones, as a suspended server does."""
        if self._listener:
            self._listener.close()
        self.hang_up()
        await asyncio.sleep(0.05)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._folder)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        server = self._server
        if server.unix_socket:
            back, forth = await asyncio.open_unix_connection(server.unix_socket)
        else:
            back, forth = await asyncio.open_connection(server.host, server.port)
        self._writers |= {writer, forth}
        with suppress(OSError):
            asking = asyncio.create_task(self._ask(reader, forth))
            await self._answer(back, writer)
            asking.cancel()
        for end in (writer, forth):
            end.transport.abort()
        self._writers -= {writer, forth}
        self._tasks.discard(task)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted = False
        pending = b""
        while data := await reader.read(65536):
            pending += data
            whole = pending.endswith(READY)
            if greeted and not whole:
                continue  # answers to statements go on whole, so that they are lost whole
            self.exchanges += whole and greeted
            if greeted and self.lose_answers:
                self.lose_answers -= 1
                return
            if greeted:
                await self.speaking.wait()
                await asyncio.sleep(self.delay)
            writer.write(pending)
            await writer.drain()
            greeted, pending = greeted or whole, b""


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    running = Proxy(url)
    await running.listen()
    try:
        yield running
    finally:
        await running.close()
