"""Time from the spawn of the process to its first 200, and the first chats.

Cold start: time until `GET /health` responds; the reference is a bare FastAPI app on uvicorn.
First chat at once: the question is sent as soon as the port responds, so it includes lazy
imports. First chat after 2 s: the first question to a process that has run for two seconds,
compared with the median of forty later ones; once with realistic upstream latencies, 80 + 20 +
300 ms, and once with none, which leaves only the service's own time. Memory: right after the
start, after ten idle seconds, and after forty chats. Medians of seven starts.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from bench.load import chats, median
from bench.processes import Server, serving, spawn, upstreams
from bench.report import Row
from bench.upstreams import Latencies

if TYPE_CHECKING:
    from bench.__main__ import Bench

STARTS = 7
USUAL = Latencies(embed=0.08, search=0.02, model=0.3)


def run(bench: Bench) -> list[Row]:
    starts: dict[str, list[float]] = {"service": [], "hello": [], "sdks": []}
    at_start: dict[str, list[float]] = {name: [] for name in starts}
    first: list[float] = []
    with upstreams(Latencies()) as up:
        settings = bench.settings(up)
        with serving("service", settings) as server:  # compiles bytecode and creates the tables
            ask(server)
        for _ in range(STARTS):
            for name in starts:
                server = spawn(name, settings)
                try:
                    starts[name].append(server.wait() * 1000)
                    at_start[name].append(server.rss())
                    if name == "service":
                        first.append(ask(server))
                finally:
                    server.stop()
        bare_first, bare_steady, loaded = _after_two_seconds(settings)
        with serving("service", settings) as server:
            time.sleep(10)
            idle = server.rss()
    with upstreams(USUAL) as up:
        second, steady, _ = _after_two_seconds(bench.settings(up))
    middle = {name: statistics.median(values) for name, values in starts.items()}
    bare = statistics.median(at_start["hello"])
    return [
        Row("cold start", middle["service"], "ms", "bare hello", middle["hello"], 1.35),
        Row("cold start", middle["service"], "ms", "SDKs", middle["sdks"]),
        Row("start and first chat at once", middle["service"] + statistics.median(first)),
        Row("first chat after 2 s", second, "ms", "the steady one", steady, 1.2),
        Row("the same without latencies", bare_first, "ms", "the steady one", bare_steady),
        Row(
            "memory at the first 200",
            statistics.median(at_start["service"]),
            "MB",
            "bare hello",
            bare,
        ),
        Row("memory idle, warmed up", idle, "MB", goal=110),
        Row(
            "memory after forty chats",
            loaded,
            "MB",
            "SDKs before any",
            statistics.median(at_start["sdks"]),
        ),
    ]


def _after_two_seconds(settings: dict[str, str]) -> tuple[float, float, float]:
    """Return milliseconds of the first and a steady chat, and MB after them: medians of three."""
    first, steady, memory = [], [], []
    for _ in range(3):
        with serving("service", settings) as server:
            time.sleep(2)
            first.append(ask(server))
            steady.append(median([asyncio.run(chats(server, 1, 20)) for _ in range(2)]))
            memory.append(server.rss())
    return statistics.median(first), statistics.median(steady), statistics.median(memory)


def ask(server: Server) -> float:
    """Return the milliseconds of one chat."""
    result = asyncio.run(chats(server, 1))
    assert not result.failed
    return result.p50()
