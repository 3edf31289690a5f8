"""Concurrent readers, with upstream latencies of 80 + 20 + 1,000 ms.

Median time to the whole answer above the minimum of 1,100 ms: as JSON and streamed, from one
reader to a thousand, and at 200 with two processes (`WEB_CONCURRENCY=2`). Two alternating
rounds each. A chat counts as failed if the model did not answer or the turn was not saved.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.load import Result, chats, median
from bench.processes import serving, upstreams
from bench.report import Row
from bench.upstreams import Latencies

if TYPE_CHECKING:
    from bench.__main__ import Bench

LATENCIES = Latencies(embed=0.08, search=0.02, model=1.0)
IDEAL = 1100.0
ROUNDS = 2
READERS = (1, 10, 50, 200, 1000)


def run(bench: Bench) -> list[Row]:
    results: dict[tuple[str, int, bool], list[Result]] = {}
    with ExitStack() as stack:
        settings = bench.settings(stack.enter_context(upstreams(LATENCIES)))
        servers = {
            name: stack.enter_context(serving(name, settings))
            for name in ("service", "floor", "sdks")
        }
        two = settings | {"WEB_CONCURRENCY": "2"}
        servers["two"] = stack.enter_context(serving("service", two))
        for server in servers.values():
            asyncio.run(chats(server, 20))
        for _ in range(ROUNDS):
            for readers in READERS:
                for name, server in servers.items():
                    for stream in (False, True):
                        if name == "service" or (readers == 200 and not stream):
                            result = asyncio.run(chats(server, readers, stream=stream))
                            results.setdefault((name, readers, stream), []).append(result)
    failed = sum(
        result.failed
        for (name, _, _), rounds in results.items()
        if name in ("service", "two")
        for result in rounds
    )

    def row(name: str, readers: int, stream: bool = False, goal: float | None = None) -> Row:
        what = "1 reader" if readers == 1 else f"{readers:,} readers"
        what += ", streamed" if stream else ""
        what += {"service": "", "floor": ", aiohttp floor", "sdks": ", SDKs"}.get(
            name, ", two processes"
        )
        return Row(what, median(results[name, readers, stream]), "ms", "ideal", IDEAL, goal)

    return [
        *(row("service", n, goal=2.0 if n == 200 else None) for n in READERS),
        row("two", 200, goal=1.3),
        row("floor", 200),
        row("sdks", 200),
        *(row("service", n, stream=True) for n in READERS),
        Row("failed chats", failed, "", goal=0),
    ]
