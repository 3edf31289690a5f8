"""How long a request waits: a deadline that all who work for it know, and one timer for a wait
that is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from math import inf
from typing import TypeVar, cast

T = TypeVar("T")

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


def deadline() -> float:
    """When the request that is worked for must be done: a time of the loop's clock."""
    return _deadline.get()


@asynccontextmanager
async def until(when: float) -> AsyncIterator[None]:
    """`asyncio.timeout_at`, known to what runs inside and to the tasks that are begun there.

    So nobody there waits, before another attempt, for a time that will not come.
    """
    before = _deadline.set(min(when, _deadline.get()))
    try:
        async with asyncio.timeout_at(when):
            yield
    finally:
        _deadline.reset(before)


class Patience:
    """Waits up to `deadline`, a time of the loop's clock, and at most `silence` seconds at once.

    It is `asyncio.timeout` for all the pieces of an answer: one for each token costs more than
    reading the token, and so does asking each time which task waits. So it serves one task, up
    to `end`; after that another, or the same again.
    """

    def __init__(self, deadline: float = inf, silence: float = inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._silence = silence
        self._since = 0.0
        self._task: asyncio.Task[object] | None = None
        self._waits = False
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def wait(self, coming: Awaitable[T]) -> T:
        """What comes. Raises TimeoutError where it does not come in time."""
        self._since = self._loop.time()
        self._over = False
        self._waits = True
        if self._timer is None:
            self._arm()
        task = self._task = self._task or cast("asyncio.Task[object]", asyncio.current_task())
        cancelled = task.cancelling()
        try:
            return await coming
        except asyncio.CancelledError:
            if self._over and task.uncancel() <= cancelled:
                raise TimeoutError from None
            raise
        finally:
            self._waits = False

    def _due(self) -> float:
        return min(self._deadline, self._since + self._silence)

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._due(), self._look)

    def _look(self) -> None:
        """Where nobody waits, the next wait arms the timer again."""
        self._timer = None
        if not self._waits or self._task is None:
            return
        if self._loop.time() < self._due():
            self._arm()
        else:
            self._over = True
            self._task.cancel()

    def end(self) -> None:
        """No more waits, or none of this task."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._task = None
