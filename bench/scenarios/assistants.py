"""Searches of an assistant, beside the same searches over `POST /search`.

The MCP tool `search` returns eight passages, as text and as structured content; `POST /search`
returns five. Upstreams respond at once, so the time is the service's own. Medians of nine rounds
of forty searches each, which alternate on one server; every query is new.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.load import Result, cpu, median, request, requests
from bench.processes import serving, upstreams
from bench.report import Row
from bench.upstreams import QUESTION, Latencies

if TYPE_CHECKING:
    from bench.__main__ import Bench

ROUNDS, SEARCHES = 9, 40
_numbers = itertools.count(1)


def _query() -> str:
    return f"{QUESTION} ({next(_numbers)})"


def _search() -> bytes:
    return request({"query": _query()}, False, "/search")


def _call() -> bytes:
    params = {"name": "search", "arguments": {"query": _query()}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return request(message, False, "/mcp")


def _list() -> bytes:
    return request({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, False, "/mcp")


def run(bench: Bench) -> list[Row]:
    made: dict[str, Callable[[], bytes]] = {"search": _search, "call": _call, "list": _list}
    results: dict[str, list[Result]] = {name: [] for name in made}
    with ExitStack() as stack:
        settings = bench.settings(stack.enter_context(upstreams(Latencies())))
        server = stack.enter_context(serving("service", settings))
        for _ in range(ROUNDS + 1):
            for name, make in made.items():
                asked = [make() for _ in range(SEARCHES)]
                results[name].append(asyncio.run(requests(server, asked)))
    rounds = {name: found[1:] for name, found in results.items()}  # the first warms up
    time = {name: median(found) for name, found in rounds.items()}
    spent = {name: cpu(found) for name, found in rounds.items()}
    failed = sum(result.failed for found in rounds.values() for result in found)
    return [
        Row("tools/call search", time["call"], "ms", "POST /search", time["search"], 1.3),
        Row("CPU of tools/call search", spent["call"], "ms", "POST /search", spent["search"]),
        Row("tools/list", time["list"], "ms"),
        Row("failed requests", failed, "", goal=0),
    ]
