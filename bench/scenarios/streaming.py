"""Streamed answers of a hundred tokens, 10 ms apart.

First token: time from the question to the first `token` event above the sum of the upstream
latencies, 80 + 20 + 300 ms, with one reader and with twenty who keep asking. CPU: per streamed
chat with fifty open. Medians of three rounds.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.load import Result, chats, cpu, median
from bench.processes import serving, upstreams
from bench.report import Row
from bench.upstreams import Latencies

if TYPE_CHECKING:
    from bench.__main__ import Bench

LATENCIES = Latencies(embed=0.08, search=0.02, model=0.3, gap=0.01, tokens=100)
IDEAL = 400.0
ROUNDS = 3
READERS = {1: 5, 20: 1, 50: 1}
"""Number of readers to questions per reader and round."""


def run(bench: Bench) -> list[Row]:
    results: dict[tuple[str, int], list[Result]] = {}
    with ExitStack() as stack:
        settings = bench.settings(stack.enter_context(upstreams(LATENCIES)))
        names = ("service", "floor", "sdks")
        servers = {name: stack.enter_context(serving(name, settings)) for name in names}
        for server in servers.values():
            asyncio.run(chats(server, 10, stream=True))
        for _ in range(ROUNDS):
            for readers, times in READERS.items():
                for name, server in servers.items():
                    round_ = asyncio.run(chats(server, readers, times, stream=True))
                    results.setdefault((name, readers), []).append(round_)
    spent = {name: cpu(results[name, 50]) for name in names}

    def late(name: str, readers: int) -> float:
        return median(results[name, readers], "first") - IDEAL

    failed = sum(
        result.failed
        for (name, _), rounds in results.items()
        if name == "service"
        for result in rounds
    )
    return [
        Row("first token over ideal, 1 reader", late("service", 1), goal=10),
        Row(
            "first token over ideal, 1 reader",
            late("service", 1),
            "ms",
            "aiohttp floor",
            late("floor", 1),
        ),
        Row("first token over ideal, 20 readers", late("service", 20), goal=35),
        Row(
            "first token over ideal, 20 readers",
            late("service", 20),
            "ms",
            "aiohttp floor",
            late("floor", 20),
        ),
        Row("CPU of a streamed chat", spent["service"], "ms", "aiohttp floor", spent["floor"]),
        Row("CPU of a streamed chat", spent["service"], "ms", "SDKs", spent["sdks"], 0.7),
        Row("failed streams", failed, "", goal=0),
    ]
