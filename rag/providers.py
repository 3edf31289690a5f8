"""Choose an adapter for each role and create it on first use.

A role uses its external service if the secrets are set, otherwise the embedded engine. Service
clients belong to the event loop that created them, because an HTTP client fails in another loop.
Embedded engines belong to the process.

Adapters are imported here, only when chosen, and in a thread: importing an SDK takes up to a
second and would block the loop.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from rag.conversations import migrations
from rag.conversations.rate_limits import MemoryLimits
from rag.engines import engine, running, stop_engines, writable
from rag.environment import load_settings
from rag.errors import BookError, ConfigurationError, UpstreamError
from rag.interfaces import (
    ChatModel,
    Database,
    Embedder,
    IndexWriter,
    Reranker,
    VectorStore,
)
from rag.settings import Settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 45.0
"""How long the chat model may take, unless the whole request may take longer."""
RETRIEVALS = 64
"""Maximum concurrent retrievals per process; others queue. Without a limit, a thousand
simultaneous questions would hold 100 MB of candidates and upstream requests would time out."""

DATABASE_SECONDS = 20.0
"""How long a question waits for the database to start. Answers do not need it."""
NO_DATABASE_SECONDS = 60.0
"""How long a failed start is remembered, so that questions do not wait for another."""
NO_DATABASE = (
    "Conversations are not being kept at the moment, so they can be neither read nor changed. "
    "The book still answers questions."
)

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
        self._no_database = ""
        """Why there is no database."""
        self._no_database_until = 0.0
        self.cheap_limits = MemoryLimits()
        """Of requests that cost almost nothing, for which no database is woken."""
        self.outline_lock = asyncio.Lock()
        """Held while the book's outline is read, so that it is read once."""

    async def embedder(self) -> Embedder:
        return await self._once("embedder", self._make_embedder)

    async def store(self) -> VectorStore:
        return await self._once("store", self._make_store)

    async def reranker(self) -> Reranker | None:
        if not (self.settings.rerank and self.settings.cohere_api_key):
            return None
        return await self._once("reranker", self._make_reranker)

    async def chat_model(self) -> ChatModel | None:
        """Return the chat model, if there is one. Without it, answers are extractive."""
        if not self.settings.openai_api_key:
            return None
        return await self._once("model", self._make_model)

    async def database(self) -> Database:
        """Return the database. Raises UpstreamError if it cannot be used or does not start in time.

        The book answers without it, so this waits for a few seconds at most, and not again before
        a minute has passed. A start that takes longer goes on.
        """
        made = self._made.get("database")
        if made and made.done() and not made.cancelled() and not made.exception():
            return cast(Database, made.result())
        if time.monotonic() >= self._no_database_until:
            try:
                async with asyncio.timeout(DATABASE_SECONDS):
                    return await self._once("database", self._make_database)
            except TimeoutError:
                error: Exception = ConfigurationError("the database is still starting")
            except Exception as failure:  # noqa: BLE001 (whatever it is, the book answers)
                error = failure
            if time.monotonic() >= self._no_database_until:  # the first of those that waited
                self._no_database_until = time.monotonic() + NO_DATABASE_SECONDS
                self._no_database = str(error)
                unknown = None if isinstance(error, BookError) else error
                log.error("conversations are not kept: %s", error, exc_info=unknown)
        raise UpstreamError(self._no_database, service="postgres", detail=NO_DATABASE)

    async def writer(self) -> IndexWriter:
        """Create a writer for one ingest run. The caller closes it."""
        if self.settings.qdrant_url:
            name, given = "qdrant_writer:QdrantWriter", self._qdrant()
        else:
            name, given = "edge:EdgeWriter", (self.settings.data_dir,)
        return cast(IndexWriter, await _client(f"rag.adapters.vector_store.{name}", *given))

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
                if not any(client is each for each in running()):
                    await client.close()

    # -------------------------------------------------------------- one factory per role

    async def _make_embedder(self) -> Any:
        s = self.settings
        if not s.cohere_api_key:
            return await engine("rag.adapters.embedding.minilm", lambda m: m.LocalEmbedder())
        return await _client(
            "rag.adapters.embedding.cohere:CohereEmbedder",
            s.cohere_api_key,
            s.cohere_embed_model,
            base_url=s.cohere_base_url,
            dimensions=s.embed_dimensions,
        )

    async def _make_store(self) -> Any:
        if self.settings.qdrant_url:
            return await _client("rag.adapters.vector_store.qdrant:QdrantStore", *self._qdrant())
        folder = self.settings.data_dir
        return await engine("rag.adapters.vector_store.edge", lambda m: m.EdgeStore(folder))

    async def _make_reranker(self) -> Any:
        s, name = self.settings, "rag.adapters.embedding.cohere:CohereReranker"
        return await _client(name, s.cohere_api_key, s.rerank, base_url=s.cohere_base_url)

    async def _make_model(self) -> Any:
        s = self.settings
        return await _client(
            "rag.adapters.chat_model.openai:OpenAIChatModel",
            s.openai_api_key,
            s.chat_model,
            base_url=s.openai_base_url,
            rewrite_model=s.rewrite_model,
            max_tokens=s.max_answer_tokens,
            seconds=max(ANSWER_SECONDS, s.answer_seconds),
            first_token=s.first_token,
        )

    async def _make_database(self) -> Any:
        url = self.settings.database_url
        if not url:
            folder = writable(self.settings.data_dir) / "postgres"
            url = (await engine("rag.adapters.database.embedded", lambda m: m.start(folder))).url
        return await _client(
            "rag.adapters.database.postgres:Postgres", url, schema=migrations.SCRIPT
        )

    def _qdrant(self) -> tuple[object, ...]:
        return (
            self.settings.qdrant_url,
            self.settings.qdrant_api_key,
            self.settings.qdrant_collection,
        )

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


async def _client(path: str, *arguments: Any, **options: Any) -> Any:
    """Make a client of the class at `module:name`. The module and its SDK load in a thread."""
    module, _, name = path.partition(":")
    found = await asyncio.to_thread(importlib.import_module, module)
    client = getattr(found, name)(*arguments, **options)
    if hasattr(client, "prepare"):
        await asyncio.to_thread(client.prepare)
    return client


_per_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Clients] = WeakKeyDictionary()


def reset() -> None:
    """Reset settings, clients and engines, as in a new process. For tests."""
    stop_engines()
    get_settings.cache_clear()
    _per_loop.clear()
