"""Start at most one CPU-heavy step in each iteration of the event loop.

What a step sends leaves in the next iteration. If twenty answers arrive in the same iteration,
all twenty steps would run before anything of the first is sent. With one step per iteration, the
first reader waits for one step only. Without it, the median first token of twenty simultaneous
readers came 58 to 341 ms later (three runs of `python -m bench streaming`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class _Slots:
    """The steps waiting in one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._taken:
            waiter = loop.create_future()
            self._waiting.append(waiter)
            await waiter
        else:
            self._taken = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next step start, in the iteration after the last one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled
                waiter.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._taken = False


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slots] = WeakKeyDictionary()
"""Weak, so that a closed event loop can be freed."""


async def wait_for_slot() -> None:
    """Wait for an iteration in which no other step has started; return at once if none waits."""
    loop = asyncio.get_running_loop()
    if (slots := _slots.get(loop)) is None:
        slots = _slots[loop] = _Slots()
    await slots.wait(loop)
