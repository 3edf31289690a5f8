"""Count texts that are saved outside of answers against the day's storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.chat import admission, notices
from rag.conversations.rate_limits import NOTHING, Cost
from rag.providers import Clients


@asynccontextmanager
async def space_for(clients: Clients, address: str, size: int) -> AsyncIterator[None]:
    """Count a request and `size` bytes that the block saves. If it fails, no bytes are charged.

    Raises RateLimited, including when the storage is used up.
    """
    admitted = await admission.admit(clients, address, cost=Cost(bytes=size))
    if admitted.bytes:
        raise notices.no_space(admitted.bytes)
    try:
        yield
    except BaseException:
        await admission.settle(clients, admitted, NOTHING)
        raise
