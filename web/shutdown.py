"""End open requests cleanly when the server stops.

On shutdown, uvicorn notifies all connections and cancels unfinished requests some seconds later.
Shortly before that, open streams end with an `error` event, and requests without a response yet get
an error status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, cast

from starlette.types import Message, Receive

from rag.chat import sse
from rag.errors import UpstreamError

GRACE_SECONDS = 4
"""Time for open answers to finish after SIGTERM. Platforms kill after 5 to 10 seconds."""
ERROR_SECONDS = 1
"""The part of it that is reserved for sending the errors."""

RESTARTING = UpstreamError(
    "the server stopped during an answer",
    service="book",
    detail="The service is restarting. Please ask again in a moment.",
)

_waiting: set[asyncio.Task[Any]] = set()
"""Requests whose response has not started."""
_stopped: set[asyncio.Task[Any]] = set()


@contextlib.contextmanager
def cancellable_until_response() -> Iterator[asyncio.Task[Any]]:
    """Allow `end_all` to cancel the current task until its response starts.

    Raises UpstreamError if `end_all` cancelled it.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    _waiting.add(task)
    try:
        yield task
    except asyncio.CancelledError:
        if task not in _stopped:
            raise
        raise RESTARTING from None
    finally:
        response_started(task)
        _stopped.discard(task)


def response_started(task: asyncio.Task[Any]) -> None:
    """Record that a task's response has started, so that it can no longer be cancelled."""
    _waiting.discard(task)


def until_cancelled(receive: Receive) -> Receive:
    """Return a `receive` for the app's lifespan that takes a cancellation for the usual end.

    After a second Ctrl-C, the server cancels the lifespan. Clients and engines are closed then too.
    """

    async def received() -> Message:
        try:
            return await receive()
        except asyncio.CancelledError:
            return {"type": "lifespan.shutdown"}

    return received


def end_all() -> None:
    """End all open streams and cancel all requests without a response."""
    sse.end_all(RESTARTING)
    while _waiting:
        task = _waiting.pop()
        _stopped.add(task)
        task.cancel()
