"""Events as `text/event-stream`, the wire format of server-sent events.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

from pydantic_core import to_json

from rag.deadlines import Patience

Event: TypeAlias = tuple[str, dict[str, Any]]
"""The event's name and its JSON data."""
Queue: TypeAlias = asyncio.Queue[Event | BaseException | None]
"""What a stream waits for: events, None at their end, or why there will be no more."""

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Keep proxies from buffering or compressing the stream."""

HEARTBEAT_SECONDS = 10.0
AHEAD = 64
"""Events read ahead of a slow reader; the upstream waits beyond that."""

log = logging.getLogger(__name__)
_pumps: set[asyncio.Task[None]] = set()
_queues: set[Queue] = set()


async def stream(
    events: AsyncGenerator[Event], problem: Callable[[BaseException], dict[str, Any]]
) -> AsyncIterator[bytes]:
    """Encode `events`; tokens that wait together go out together, silence gets a comment.

    A failure in the middle becomes an `error` event made by `problem`. When the reader
    leaves, the generator is closed at once by the pump, which is a task of its own: in the
    cancelled task itself an `await` would be cancelled too.
    """
    queue: Queue = asyncio.Queue(AHEAD)
    pump = asyncio.create_task(_pump(events, queue))
    _pumps.add(pump)
    pump.add_done_callback(_pumps.discard)
    _queues.add(queue)
    patience = Patience(silence=HEARTBEAT_SECONDS)
    try:
        waiting: list[Event | BaseException | None] = []
        while None not in waiting:
            try:
                waiting = [await patience.wait(queue.get())]
            except TimeoutError:
                yield b": ping\n\n"
                continue
            while not queue.empty():
                waiting.append(queue.get_nowait())
            if text := b"".join(encode(event) for event in _coalesced(waiting)):
                yield text
            if stop := next((item for item in waiting if isinstance(item, BaseException)), None):
                yield encode(("error", problem(stop)))
                return
        await asyncio.wait([pump])
        if error := pump.exception():
            log.error("stream broke off", exc_info=error)
            yield encode(("error", problem(error)))
    finally:
        _queues.discard(queue)
        patience.end()
        pump.cancel()


def end_all(error: BaseException) -> None:
    """End all streams of this loop with an `error` event, because the process must go.

    What a slow reader has not been sent yet makes room for it.
    """
    while _queues:
        queue = _queues.pop()
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(error)


def encode(event: Event) -> bytes:
    name, data = event
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(data))


async def _pump(events: AsyncGenerator[Event], queue: Queue) -> None:
    try:
        async for event in events:
            await queue.put(event)
    finally:
        await events.aclose()
        task = asyncio.current_task()
        if task and not task.cancelling():  # cancelled means that nobody reads any more
            await queue.put(None)


def _coalesced(events: Sequence[Event | BaseException | None]) -> list[Event]:
    """Neighbouring `token` events as one; the end mark dropped."""
    merged: list[Event] = []
    for event in events:
        if not isinstance(event, tuple):
            continue
        if event[0] == "token" and merged and merged[-1][0] == "token":
            merged[-1] = ("token", {"text": merged[-1][1]["text"] + event[1]["text"]})
        else:
            merged.append(event)
    return merged
