"""How a stream ends: by itself, by a failure, by its reader, by the end of the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from rag import request_log
from rag.chat import sse
from rag.errors import UpstreamError, UpstreamTimeout
from web.problem_details import problem

RESTART = UpstreamError("stopping", service="book", detail="Please ask again.")


class Source:
    """Tokens without end, or so many; it knows whether it was closed."""

    def __init__(self, count: int = 10**9) -> None:
        self.count = count
        self.closed = False

    async def events(self) -> AsyncGenerator[sse.Event]:
        try:
            for n in range(self.count):
                await asyncio.sleep(0)
                yield "token", {"text": f"{n} "}
            yield "done", {}
        finally:
            self.closed = True


def name(block: bytes) -> str:
    return block.decode().split("\n\n")[-2].split("\n")[0]


def test_streams_that_are_ended_say_why_and_stop_their_source() -> None:
    async def body() -> None:
        sources = [Source() for _ in range(3)]
        streams = [sse.stream(source.events(), problem) for source in sources]
        for stream in streams:
            assert name(await anext(stream)) == "event: token"
        await asyncio.sleep(0.01)  # nobody reads: what waits is as much as there is room for
        sse.end_all(RESTART)
        for stream in streams:
            blocks = [block async for block in stream]
            assert name(blocks[-1]) == "event: error"
            told = json.loads(blocks[-1].partition(b"data: ")[2])
            assert (told["status"], told["detail"]) == (503, "Please ask again.")
        await asyncio.sleep(0.01)
        assert all(source.closed for source in sources)

    asyncio.run(body())


def test_a_silent_stream_is_ended_too() -> None:
    async def silent() -> AsyncGenerator[sse.Event]:
        await asyncio.sleep(3600)
        yield "done", {}

    async def body() -> None:
        stream = sse.stream(silent(), problem)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        sse.end_all(RESTART)
        assert name(await reading) == "event: error"
        assert [block async for block in stream] == []

    asyncio.run(body())


@pytest.mark.parametrize(
    ("failure", "line", "has_stack"),
    [
        (UpstreamTimeout("no passages", service="qdrant"), "upstream_timeout: qdrant:", False),
        (KeyError("passages"), "stream failed", True),
    ],
)
def test_only_faults_of_this_project_are_logged_with_their_stack(
    failure: Exception, line: str, has_stack: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> AsyncGenerator[sse.Event]:
        yield "session", {}
        raise failure

    async def body() -> None:
        request = request_log.begin()
        blocks = [block async for block in sse.stream(failing(), problem)]
        assert name(blocks[-1]) == "event: error"
        assert request.get("error") == (None if has_stack else "upstream_timeout")

    asyncio.run(body())
    [record] = caplog.records
    assert record.getMessage().startswith(line)
    assert bool(record.exc_info) is has_stack


def test_finished_streams_are_left_alone() -> None:
    async def body() -> None:
        blocks = [block async for block in sse.stream(Source(3).events(), problem)]
        assert name(blocks[-1]) == "event: done"
        sse.end_all(RESTART)
        assert not sse._queues

    asyncio.run(body())
