"""Warm up the service at startup, without calling anything that costs money."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging

from rag.answering import sources
from rag.chat.admission import PaidCalls
from rag.chat.answer_stream import start_extractive
from rag.chat.retrieval import retrieve
from rag.conversations import rate_limits
from rag.errors import BookError, ConfigurationError, IndexMismatch, IndexMissing
from rag.models import AnswerRequest
from rag.providers import Clients

log = logging.getLogger(__name__)

QUESTION = "What is this book about, and where does it begin?"


async def warm_up(clients: Clients) -> None:
    """Create the clients that a first question needs, while the server already listens.

    On a host that sleeps, a user is already waiting at startup. Two small queries wake the database
    and open the two connections that a question uses first. A search loads the index. Paid services
    are imported but not called. Errors of the database and the embedded index are logged; the first
    question reports the others.
    """
    with contextlib.suppress(BookError):
        await clients.chat_model()
        await clients.embedder()
    try:
        database = await clients.database()
        await asyncio.gather(*(rate_limits.used_today(database) for _ in range(2)))
    except BookError as error:
        log.warning(
            "conversations may not be kept: %s (python -m rag.ops.diagnostics says more)", error
        )
    try:
        await _answer(clients)
    except (IndexMissing, IndexMismatch):
        pass  # logged before
    except ConfigurationError as error:  # such as a full disk
        log.warning("questions cannot be answered: %s", error)
    except BookError:
        pass
    # Exempt long-lived objects from garbage collection.
    gc.collect()
    gc.freeze()


async def _answer(clients: Clients) -> None:
    """Search the index and quote an answer. Only words are compared if embeddings cost money."""
    settings, nothing_paid = clients.settings, PaidCalls(embed=False, rerank=False)
    found = await retrieve(
        clients, [QUESTION], settings.context_passages, nothing_paid, correct_typos=False
    )
    if not await clients.chat_model():
        await start_extractive(clients, AnswerRequest(QUESTION, found.passages))
    site = await sources.citation_base(settings, await clients.store())
    for passage in found.passages:
        sources.make_source(passage, site, [QUESTION])
