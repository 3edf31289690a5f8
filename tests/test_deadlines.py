"""The deadline of a request, against the event loop's own clock."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from rag.deadlines import deadline, until


def now() -> float:
    return asyncio.get_running_loop().time()


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


def test_a_deadline_is_known_to_everything_that_works_for_it() -> None:
    asyncio.run(_known())
