"""Readers who all ask at the same moment, with upstreams that take 80 + 20 + 1,000 ms.

The median time to the JSON answer over the ideal of 1,100 ms, which no service can be under,
at 10, 50 and 200 readers, with one process and with two (`WEB_CONCURRENCY=2`) at 200. Two
rounds each, in turns; a chat failed if it was not answered by the model or not saved.
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


def run(bench: Bench) -> list[Row]:
    results: dict[tuple[str, int], list[Result]] = {}
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
            for readers in (10, 50, 200):
                for name, server in servers.items():
                    if readers == 200 or name == "service":
                        result = asyncio.run(chats(server, readers))
                        results.setdefault((name, readers), []).append(result)
    failed = sum(
        result.failed
        for (name, _), rounds in results.items()
        if name in ("service", "two")
        for result in rounds
    )

    def row(what: str, name: str, readers: int, goal: float | None = None) -> Row:
        return Row(what, median(results[name, readers]), "ms", "ideal", IDEAL, goal)

    return [
        row("10 readers", "service", 10),
        row("50 readers", "service", 50),
        row("200 readers", "service", 200, 1.5),
        row("200 readers, two processes", "two", 200, 1.3),
        row("200 readers, aiohttp floor", "floor", 200),
        row("200 readers, SDKs", "sdks", 200),
        Row("chats that failed", failed, "", goal=0),
    ]
