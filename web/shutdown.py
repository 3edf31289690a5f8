"""An end to open answers that their readers understand, when the server is stopped.

uvicorn tells every connection of every process that the server is stopping, and some seconds
later cancels what is not done. Shortly before that, streams end with an `error` event, and who
has no answer yet is told with a status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, cast

from rag.chat import sse
from rag.errors import UpstreamError

GRACE_SECONDS = 4
"""How long open answers may go on after SIGTERM; hosts kill after 5 to 10 s."""
LAST_WORD_SECONDS = 1
"""Of these, for telling the readers of unfinished answers."""

RESTARTING = UpstreamError(
    "stopped in the middle of an answer",
    service="book",
    detail="The service is being restarted. Please ask again in a moment.",
)

_waiting: set[asyncio.Task[Any]] = set()
"""Requests whose answers have not begun."""
_stopped: set[asyncio.Task[Any]] = set()


@contextlib.contextmanager
def waiting() -> Iterator[asyncio.Task[Any]]:
    """Let the running task be stopped until its answer begins, see `begun`.

    Raises UpstreamError for a task that was.
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
        begun(task)
        _stopped.discard(task)


def begun(task: asyncio.Task[Any]) -> None:
    """The answer's head is sent: from now on only a stream's own events can end it."""
    _waiting.discard(task)


def end_all() -> None:
    """Whatever is open ends now; what has been ended already is left alone."""
    sse.end_all(RESTARTING)
    while _waiting:
        task = _waiting.pop()
        _stopped.add(task)
        task.cancel()
