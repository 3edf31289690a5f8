"""Steps that keep the loop busy, one a turn."""

from __future__ import annotations

import asyncio
import gc
import weakref

from rag.loop_fairness import wait_for_slot


async def _rush() -> list[str]:
    """Three steps whose answers came at once; each leaves something to be sent."""
    done: list[str] = []

    async def send(name: str) -> None:
        done.append(f"{name} sent")

    async def step(name: str) -> None:
        await wait_for_slot()
        done.append(name)
        await asyncio.create_task(send(name))

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(step(name))
    return done


async def _alone() -> bool:
    """Whether a step that nobody else is beside begins without a turn of the loop."""
    noted: list[str] = []
    asyncio.get_running_loop().call_soon(noted.append, "the loop turned")
    await wait_for_slot()
    return not noted


async def _cancelled() -> list[str]:
    done: list[str] = []

    async def step(name: str) -> None:
        await wait_for_slot()
        done.append(name)

    tasks = [asyncio.create_task(step(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    async with asyncio.timeout(5):
        await asyncio.wait(tasks)
    assert await _alone()
    return done


def test_what_a_step_sends_leaves_before_the_next_begins() -> None:
    assert asyncio.run(_rush()) == ["a", "a sent", "b", "b sent", "c", "c sent"]


def test_a_step_alone_waits_for_nothing() -> None:
    assert asyncio.run(_alone())


def test_who_leaves_the_row_holds_nobody_up() -> None:
    assert asyncio.run(_cancelled()) == ["a", "c", "d"]


def test_a_loop_that_ended_is_forgotten() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(wait_for_slot())
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
