"""Overhead of the service: sequential chats with upstreams that respond at once.

Time and CPU of a whole chat with an answer of forty tokens, as JSON: validation, the embedding
cache, three upstream calls, ranking, citations, and saving the turn in PostgreSQL. The
references make the same three calls and have no database: by aiohttp alone, by the plain SDKs,
and, as the calls alone, by the SDKs on aiohttp. The model streams to the service only if the
reader streams. Medians of nine rounds of forty chats.
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

ROUNDS, CHATS = 9, 40


def run(bench: Bench) -> list[Row]:
    results: dict[str, list[Result]] = {"service": [], "floor": [], "sdks": [], "calls": []}
    with ExitStack() as stack:
        settings = bench.settings(stack.enter_context(upstreams(Latencies())))
        servers = {name: stack.enter_context(serving(name, settings)) for name in results}
        for server in servers.values():
            asyncio.run(chats(server, 1, 30))
        for _ in range(ROUNDS):
            for name, server in servers.items():
                results[name].append(asyncio.run(chats(server, 1, CHATS)))
    failed = sum(result.failed for result in results["service"])
    time = {name: median(rounds) for name, rounds in results.items()}
    spent = {name: cpu(rounds) for name, rounds in results.items()}
    return [
        Row("one chat", time["service"], "ms", "aiohttp floor", time["floor"], 3.0),
        Row("one chat", time["service"], "ms", "SDKs", time["sdks"], 0.7),
        Row("CPU of one chat", spent["service"], "ms", "aiohttp floor", spent["floor"]),
        Row("CPU of one chat", spent["service"], "ms", "SDKs", spent["sdks"]),
        Row("the three calls alone", time["calls"], "ms", "SDKs", time["sdks"]),
        Row("failed chats", failed, "", goal=0),
    ]
