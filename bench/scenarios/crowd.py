"""A thousand concurrent streams, and clients that do not read, in one process.

Crowd: a thousand readers, each with an answer of a hundred tokens 20 ms apart; the figure is the
peak memory. Stalled clients: ten request an answer of twenty megabytes and read nothing. Once
the socket buffers are full, the model's stream is paused; the figure is the memory growth from
the tenth to the fourteenth second. When they disconnect, every model stream ends; the figure is
how long that takes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
from typing import TYPE_CHECKING

from bench.load import Result, chats, request
from bench.processes import Server, serving, upstreams
from bench.report import Row
from bench.upstreams import QUESTION, Latencies

if TYPE_CHECKING:
    from bench.__main__ import Bench

READERS, SLOW = 1000, 10
CROWD = Latencies(embed=0.08, search=0.02, model=1.0, gap=0.02, tokens=100)
FLOOD = Latencies(model=0.1, gap=0.001, tokens=40_000, words=100)


def run(bench: Bench) -> list[Row]:
    with upstreams(CROWD) as up, serving("service", bench.settings(up)) as server:
        asyncio.run(chats(server, 20, stream=True))
        before = server.rss()
        crowd: Result = asyncio.run(chats(server, READERS, stream=True))
        peak = server.peak()
    with upstreams(FLOOD) as up, serving("service", bench.settings(up)) as server:
        grown, ended = _stall(server, up["QDRANT_URL"])
    return [
        Row("failed streams of a thousand", crowd.failed, "", goal=0),
        Row("peak memory with a thousand streams", peak, "MB", goal=250),
        Row("of that per stream", (peak - before) * 1024 / READERS, "KB"),
        Row("CPU of one of a thousand streams", crowd.cpu_ms),
        Row("growth while ten clients stall", grown, "MB", goal=10),
        Row("from their disconnect to the end of the model's streams", ended * 1000, goal=1000),
    ]


def _stall(server: Server, upstream: str) -> tuple[float, float]:
    """Return the growth in MB while clients stall, and the seconds to end all streams after."""
    readers = []
    for n in range(SLOW):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(request({"message": f"{QUESTION} (stalled {n})"}, True))
        readers.append(reader)
    time.sleep(10)
    grown = -server.rss()
    time.sleep(4)
    grown += server.rss()
    for reader in readers:
        reader.close()
    began = time.perf_counter()
    while _counts(upstream).get("cut", 0) < SLOW and time.perf_counter() - began < 10:
        time.sleep(0.02)
    return grown, time.perf_counter() - began


def _counts(upstream: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{upstream}/counts", timeout=10) as response:
        counts: dict[str, int] = json.load(response)
    return counts
