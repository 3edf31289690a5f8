"""Encode events as `text/event-stream` (server-sent events).

See https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

from pydantic_core import to_json

from rag import request_log
from rag.errors import BookError

Event: TypeAlias = tuple[str, dict[str, Any]]
"""An event's name and its JSON data."""
Queue: TypeAlias = asyncio.Queue[Event | BaseException | None]
"""Events, then None at the end or the exception that ended the stream."""

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Headers that keep proxies from buffering or compressing the stream."""

FIRST_HEARTBEAT_SECONDS = 2.0
HEARTBEAT_SECONDS = 10.0
QUEUE_SIZE = 64
"""Events buffered for a slow client. When the buffer is full, the producer waits."""

log = logging.getLogger(__name__)
_pumps: set[asyncio.Task[None]] = set()
_queues: set[Queue] = set()


def encode(event: Event) -> bytes:
    """Encode one event."""
    name, data = event
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(data))


async def stream(
    events: AsyncGenerator[Event],
    problem: Callable[[BaseException], dict[str, Any]],
    encode: Callable[[Event], bytes] = encode,
) -> AsyncIterator[bytes]:
    """Encode `events` for the wire, with heartbeats while nothing is sent.

    Tokens that are ready at the same time are merged. An exception becomes an `error` event whose
    data is made by `problem`. When the client disconnects, a separate task closes the generator,
    because an `await` in the cancelled task would be cancelled too.
    """
    queue: Queue = asyncio.Queue(QUEUE_SIZE)
    pump = asyncio.create_task(_pump(events, queue))
    _pumps.add(pump)
    pump.add_done_callback(_pumps.discard)
    _queues.add(queue)
    try:
        waiting: list[Event | BaseException | None] = []
        pause = FIRST_HEARTBEAT_SECONDS
        while None not in waiting:
            try:
                async with asyncio.timeout(pause):
                    waiting = [await queue.get()]
            except TimeoutError:
                pause = HEARTBEAT_SECONDS
                yield b": ping\n\n"
                continue
            while not queue.empty():
                waiting.append(queue.get_nowait())
            if text := b"".join(encode(event) for event in _merge_tokens(waiting)):
                yield text
            if stop := next((item for item in waiting if isinstance(item, BaseException)), None):
                yield encode(("error", problem(stop)))
                return
        await asyncio.wait([pump])
        if error := pump.exception():
            if isinstance(error, BookError):
                request_log.note(error=error.code)
                log.error("%s: %s", error.code, error)
            else:
                log.error("stream failed", exc_info=error)
            yield encode(("error", problem(error)))
    finally:
        _queues.discard(queue)
        pump.cancel()


def end_all(error: BaseException) -> None:
    """End all streams with an `error` event, because the process is shutting down.

    If a client's queue is full, unsent events are dropped to make room.
    """
    while _queues:
        queue = _queues.pop()
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(error)


async def _pump(events: AsyncGenerator[Event], queue: Queue) -> None:
    try:
        async for event in events:
            await queue.put(event)
    finally:
        await events.aclose()
        task = asyncio.current_task()
        if task and not task.cancelling():  # if cancelled, the client is gone
            await queue.put(None)


def _merge_tokens(events: Sequence[Event | BaseException | None]) -> list[Event]:
    """Merge consecutive `token` events and drop everything that is not an event."""
    merged: list[Event] = []
    for event in events:
        if not isinstance(event, tuple):
            continue
        if event[0] == "token" and merged and merged[-1][0] == "token":
            merged[-1] = ("token", {**event[1], "text": merged[-1][1]["text"] + event[1]["text"]})
        else:
            merged.append(event)
    return merged
