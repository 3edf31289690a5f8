"""Choose an adapter for each role and create it on first use.

A role uses its external service if the secrets are set, otherwise the embedded engine. Service
clients belong to the event loop that created them, because an HTTP client fails in another loop.
Embedded engines belong to the process.

Adapters are imported here, only when chosen, and in a thread: importing an SDK takes up to a
second and would block the loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from rag.conversations import migrations
from rag.conversations.rate_limits import MemoryLimits
from rag.errors import ConfigurationError
from rag.interfaces import (
    Answerer,
    Database,
    Embedder,
    IndexWriter,
    Reranker,
    VectorStore,
)
from rag.settings import Settings, load_settings

log = logging.getLogger(__name__)

RETRIEVALS = 64
"""Maximum concurrent retrievals per process; others queue. Without a limit, a thousand
simultaneous questions would hold 100 MB of candidates and upstream requests would time out."""

Client = TypeVar("Client")


@functools.cache
def get_settings() -> Settings:
    return load_settings()


def get_clients() -> Clients:
    """Return the clients of the running event loop."""
    loop = asyncio.get_running_loop()
    if (clients := _per_loop.get(loop)) is None:
        clients = _per_loop[loop] = Clients(get_settings())
    return clients


class Clients:
    """The clients of one event loop. Each is created on first use and then reused."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.retrieving = asyncio.Semaphore(RETRIEVALS)
        """Held during retrieval, to limit concurrency."""
        self._made: dict[str, asyncio.Task[Any]] = {}
        self._closer: AsyncIterator[None] | None = None
        self.author_lock = asyncio.Lock()
        """Held during analytics queries, so that they use only one connection."""
        self.author_limits = MemoryLimits()
        self.light_limits = MemoryLimits()
        """Of requests that cost almost nothing, for which no database is woken."""
        self.outline_lock = asyncio.Lock()
        """Held while the book's outline is read, so that it is read once."""

    async def embedder(self) -> Embedder:
        return await self._once("embedder", self._make_embedder)

    async def store(self) -> VectorStore:
        return await self._once("store", self._make_store)

    async def reranker(self) -> Reranker | None:
        if not (self.settings.rerank_model and self.settings.cohere_api_key):
            return None
        return await self._once("reranker", self._make_reranker)

    async def answerers(self) -> list[Answerer]:
        """Return the answerers in order of preference. The last needs no external service."""
        extractive = await self.extractive()
        if not self.settings.openai_api_key:
            return [extractive]
        return [await self._once("model", self._make_model), extractive]

    async def extractive(self) -> Answerer:
        return await self._once("extractive", self._make_extractive)

    async def database(self) -> Database:
        return await self._once("database", self._make_database)

    async def writer(self) -> IndexWriter:
        """Create a writer for one ingest run. The caller closes it."""
        if self.settings.qdrant_url:
            module = await _load("rag.adapters.vector_store.qdrant_writer", "qdrant_client")
            return cast(IndexWriter, module.QdrantWriter(*self._qdrant()))
        module = await _load("rag.adapters.vector_store.edge")
        return cast(IndexWriter, module.EdgeWriter(self.settings.data_dir))

    def engines(self) -> dict[str, str]:
        """Return a readable name of the engine in each role."""
        s = self.settings
        return {
            "embeddings": f"Cohere {s.cohere_embed_model}"
            if s.cohere_api_key
            else "all-MiniLM-L6-v2, embedded",
            "vectors": "Qdrant" if s.qdrant_url else "Qdrant Edge, embedded",
            "answers": s.chat_model if s.openai_api_key else "extractive, embedded",
            "history": "PostgreSQL" if s.database_url else "PostgreSQL, embedded",
        }

    def states(self) -> dict[str, str]:
        """Return "configured" or "embedded" for each service."""
        s = self.settings
        configured = {
            "cohere": s.cohere_api_key,
            "qdrant": s.qdrant_url,
            "openai": s.openai_api_key,
            "postgres": s.database_url,
        }
        return {name: "configured" if value else "embedded" for name, value in configured.items()}

    async def close(self) -> None:
        """Close this loop's clients. Embedded engines run until the process ends."""
        made, self._made = self._made, {}
        for task in made.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and not task.exception():
                client = task.result()
                if not any(client is engine for engine in _engines.values()):
                    await client.close()

    # -------------------------------------------------------------- one factory per role

    async def _make_embedder(self) -> Embedder:
        if self.settings.cohere_api_key:
            module = await _load("rag.adapters.embedding.cohere")
            embedder = module.CohereEmbedder(
                self.settings.cohere_api_key,
                self.settings.cohere_embed_model,
                base_url=self.settings.cohere_base_url,
            )
            return cast(Embedder, await _prepared(embedder))
        return cast(
            Embedder, await _engine("rag.adapters.embedding.minilm", lambda m: m.LocalEmbedder())
        )

    async def _make_store(self) -> VectorStore:
        if self.settings.qdrant_url:
            module = await _load("rag.adapters.vector_store.qdrant")
            return cast(VectorStore, await _prepared(module.QdrantStore(*self._qdrant())))
        folder = self.settings.data_dir
        return cast(
            VectorStore,
            await _engine("rag.adapters.vector_store.edge", lambda m: m.EdgeStore(folder)),
        )

    async def _make_reranker(self) -> Reranker:
        module = await _load("rag.adapters.embedding.cohere")
        reranker = module.CohereReranker(
            self.settings.cohere_api_key,
            self.settings.rerank_model,
            base_url=self.settings.cohere_base_url,
        )
        return cast(Reranker, await _prepared(reranker))

    async def _make_model(self) -> Answerer:
        s, module = self.settings, await _load("rag.adapters.chat_model.openai")
        answerer = module.OpenAIAnswerer(
            s.openai_api_key,
            s.chat_model,
            base_url=s.openai_base_url,
            rewrite_model=s.rewrite_model,
            book=s.book_title,
            max_tokens=s.max_answer_tokens,
            history_tokens=s.history_tokens,
        )
        return cast(Answerer, await _prepared(answerer))

    async def _make_extractive(self) -> Answerer:
        module = await _load("rag.answering.extractive")
        # Extractive answers are free, so they must not use a paid embedder.
        embedder = None if self.settings.cohere_api_key else await self.embedder()
        return cast(Answerer, module.ExtractiveAnswerer(embedder))

    async def _make_database(self) -> Database:
        url = self.settings.database_url
        if not url:
            folder = _writable(self.settings.data_dir) / "postgres"
            url = (await _engine("rag.adapters.database.embedded", lambda m: m.start(folder))).url
        module = await _load("rag.adapters.database.postgres")
        return cast(Database, await _prepared(module.Postgres(url, schema=migrations.SCRIPT)))

    def _qdrant(self) -> tuple[str, str, str]:
        return self.settings.qdrant_url, self.settings.qdrant_api_key, self.settings.collection

    async def _once(self, role: str, make: Callable[[], Awaitable[Client]]) -> Client:
        """Return the client for a role; the first caller creates it and others wait."""
        task = self._made.get(role)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            if self._closer is None:
                self._closer = self._close_with_loop()
                await anext(self._closer)
            task = self._made[role] = asyncio.ensure_future(make())
        return cast(Client, await asyncio.shield(task))

    async def _close_with_loop(self) -> AsyncIterator[None]:
        """Close the clients when the event loop shuts down.

        `asyncio.run` finalizes open async generators, so even `asyncio.run(chat(...))` leaves no
        connections open.
        """
        try:
            yield
        finally:
            await self.close()


def _writable(folder: Path) -> Path:
    """Return the folder, or a temporary one if it is read-only.

    A container with a read-only disk then keeps conversations until it stops.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    try:
        elsewhere = Path(tempfile.gettempdir()) / "ask-the-book"
    except FileNotFoundError:
        return folder  # nothing is writable; the engine will report it
    log.warning("%s is read-only: conversations are kept in %s until exit", folder, elsewhere)
    return elsewhere


# ------------------------------------------------------------------ for the whole process

_per_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Clients] = WeakKeyDictionary()
_engines: dict[str, Any] = {}
_engines_lock = threading.Lock()


async def _load(module: str, *needed: str) -> ModuleType:
    """Import an adapter in a thread, after the modules that it would import lazily."""
    for name in needed:
        await asyncio.to_thread(importlib.import_module, name)
    return await asyncio.to_thread(importlib.import_module, module)


async def _prepared(client: Any) -> Any:
    """Import the client's SDK in a thread, then return the client."""
    await asyncio.to_thread(client.prepare)
    return client


async def _engine(module: str, make: Callable[[ModuleType], Any]) -> Any:
    """Return an embedded engine of this process. The first caller starts it, in a thread."""

    def start() -> Any:
        with _engines_lock:
            if module not in _engines:
                _engines[module] = make(importlib.import_module(module))
            return _engines[module]

    return await asyncio.to_thread(start)


def check_platform(*urls: str) -> None:
    """Raise ConfigurationError where a URL is unset and its embedded engine cannot run."""
    if not all(urls) and not find_spec("fcntl"):
        raise ConfigurationError(
            "The embedded engines need Linux or macOS. On Windows, run Ask the Book in WSL "
            "(https://learn.microsoft.com/windows/wsl/install), or set QDRANT_URL and "
            "DATABASE_URL to use servers instead."
        )


def check_free(settings: Settings) -> None:
    """Raise ConfigurationError if another process uses the embedded engines' folder."""
    if not settings.database_url:
        importlib.import_module("rag.adapters.database.embedded").check_free(
            settings.data_dir / "postgres"
        )


@atexit.register
def stop_engines() -> None:
    """Stop the embedded engines: the PostgreSQL server and the Qdrant shard."""
    with _engines_lock:
        while _engines:
            _, engine = _engines.popitem()
            if stop := getattr(engine, "stop", None):
                stop()


def reset() -> None:
    """Reset settings, clients and engines, as in a new process. For tests."""
    stop_engines()
    get_settings.cache_clear()
    _per_loop.clear()
