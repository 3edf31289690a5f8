"""Clients for `ingest.py` that need no service and no model."""

from __future__ import annotations

from pathlib import Path

from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.interfaces import Embedder
from rag.settings import Settings
from tests.support.points import HashEmbedder


class Offline:
    """Clients with the embedded index and a tiny embedder."""

    def __init__(self, data: Path, embedder: Embedder | None = None, title: str = "") -> None:
        self.settings = Settings(data_dir=data, book_title=title)
        self._embedder = embedder or HashEmbedder()
        self._store = EdgeStore(data)

    async def embedder(self) -> Embedder:
        return self._embedder

    async def store(self) -> EdgeStore:
        return self._store

    async def writer(self) -> EdgeWriter:
        return EdgeWriter(self.settings.data_dir)

    async def close(self) -> None:
        await self._embedder.close()
        await self._store.close()
