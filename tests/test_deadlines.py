"""One timer for many waits, against the loop's own clock."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from rag.deadlines import Patience, deadline, until


def now() -> float:
    return asyncio.get_running_loop().time()


async def _silence() -> None:
    patience = Patience(silence=0.05)
    for _ in range(4):
        assert await patience.wait(asyncio.sleep(0.02, "here")) == "here"
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.sleep(30))
    assert await patience.wait(asyncio.sleep(0, "again")) == "again"
    patience.end()


async def _deadline() -> None:
    patience = Patience(now() + 0.1)
    with pytest.raises(TimeoutError):  # noqa: PT012
        while True:
            await patience.wait(asyncio.sleep(0.01))


async def _cancelling() -> None:
    patience = Patience(now() + 30)
    task = asyncio.ensure_future(patience.wait(asyncio.sleep(30)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.end()


async def _another_task() -> None:
    patience = Patience(silence=0.02)
    first = asyncio.create_task(patience.wait(asyncio.sleep(0, "here")))
    assert await first == "here"
    patience.end()
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.sleep(1))
    patience.end()


def test_after_its_end_another_task_may_wait() -> None:
    asyncio.run(_another_task())


def test_a_silence_ends_one_wait_and_not_the_next() -> None:
    asyncio.run(_silence())


def test_the_deadline_ends_waits_that_are_short_by_themselves() -> None:
    asyncio.run(_deadline())


def test_a_cancelled_wait_is_no_timeout() -> None:
    asyncio.run(_cancelling())


async def _known() -> None:
    assert deadline() == inf
    when = now() + 60
    async with until(when):
        assert deadline() == when
        async with until(when + 60):
            assert deadline() == when
        async with until(when - 30):
            assert await asyncio.create_task(_ask()) == when - 30
    assert deadline() == inf
    with pytest.raises(TimeoutError):
        async with until(now() + 0.01):
            await asyncio.sleep(30)
    assert deadline() == inf


async def _ask() -> float:
    return deadline()


def test_a_deadline_is_known_to_all_that_work_for_it() -> None:
    asyncio.run(_known())
