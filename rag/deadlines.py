"""The time by which a request must be done, known to everything that works for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from math import inf

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


def deadline() -> float:
    """Return when the current request must be done, in the event loop's time."""
    return _deadline.get()


@asynccontextmanager
async def until(when: float) -> AsyncIterator[None]:
    """Like `asyncio.timeout_at`, but code inside, and tasks started there, can read the deadline.

    So no retry waits for a time after the deadline.
    """
    before = _deadline.set(min(when, _deadline.get()))
    try:
        async with asyncio.timeout_at(when):
            yield
    finally:
        _deadline.reset(before)
