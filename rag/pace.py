"""A turn of the event loop for every step that keeps it busy.

What a step sends leaves in the loop's next turn. Where twenty answers come at once, their
steps would all be done in this one, and nothing of theirs would leave before the last of them
is done: the first would wait as long as the last. One step a turn, in the order of their
coming, gives the first what it needs while the others are worked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class _Pace:
    """The steps that wait in one loop, which it does not hold on to."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._taken:
            waiter = loop.create_future()
            self._waiting.append(waiter)
            await waiter
        else:
            self._taken = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the turn after a step: behind what the step has left to be sent."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled
                waiter.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._taken = False


_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pace] = WeakKeyDictionary()


async def turn() -> None:
    """Wait for a turn in which no other step has begun; at once where nobody else waits."""
    loop = asyncio.get_running_loop()
    if (pace := _paces.get(loop)) is None:
        pace = _paces[loop] = _Pace()
    await pace.turn(loop)
