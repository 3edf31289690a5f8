"""A question asked before the first reader does, as far as it costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
from collections.abc import Sequence

from rag.answering import sources
from rag.chat import pipeline
from rag.conversations import rate_limits
from rag.errors import BookError
from rag.models import Brief
from rag.providers import Clients

QUESTION = "What is this book about, and where does it begin?"


async def rehearse(clients: Clients) -> None:
    """Make ready what a first question needs, while the server already listens.

    A server that starts has a reader before it, on hosts that sleep: so the database, which may
    sleep as well, is asked for something small, over the two connections that a question begins
    with, and the index is searched. What is paid for is made ready and asked for nothing. What
    fails is left for the first question to report.
    """
    with contextlib.suppress(BookError):
        await clients.answerers()
        await clients.embedder()
    with contextlib.suppress(BookError):
        database = await clients.database()
        await asyncio.gather(*(rate_limits.used_today(database) for _ in range(2)))
    with contextlib.suppress(BookError):
        await _answer(clients)
    # The collector need not look again and again at what stays until the end.
    gc.collect()
    gc.freeze()


async def _answer(clients: Clients) -> None:
    """Find, and quote what is free. Any vector does where a real one must be paid for."""
    settings, embedder = clients.settings, await clients.embedder()
    if settings.cohere_api_key:
        length = embedder.dimensions or 1
        vectors: Sequence[Sequence[float]] = [[1 / math.sqrt(length)] * length]
    else:
        vectors = await embedder.embed_questions([QUESTION])
    found = await pipeline.find(
        clients, [QUESTION], settings.context_passages, vectors=vectors, rerank=False
    )
    if not settings.openai_api_key:
        extractive = await clients.extractive()
        async for _ in await extractive.answer(Brief(QUESTION, found.passages)):
            pass
    site = await sources.site_of(settings, await clients.store())
    for passage in found.passages:
        sources.source(passage, site, [QUESTION])
