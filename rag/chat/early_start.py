"""Open a stream before its work is done, because proxies drop idle connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

WAIT_SECONDS = 2.0
"""After so long, a stream begins with what there is. What fails later is an `error` event."""
MIN_MODEL_SECONDS = 0.5
"""The model has at least this long before it is reported to be loading."""


async def start_within(work: Coroutine[Any, Any, T], seconds: float | None) -> asyncio.Future[T]:
    """Start `work` and return it once it is done, or after `seconds`. Raises errors until then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise
    if task.done():
        task.result()
    return task


async def cancel_or_close(work: asyncio.Future[T], close: Callable[[T], Awaitable[None]]) -> None:
    """Cancel work that has begun. If it is done, close its result."""
    if work.cancel():
        await asyncio.wait([work])
    elif not work.cancelled() and not work.exception():
        await close(work.result())
