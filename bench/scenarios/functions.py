"""AWS Lambda: import of the handler, the first invocation and a warm one.

Each process imports `router` with production settings, then passes HTTP API events to
`lambda_handler` as Lambda does, with upstreams that respond at once. One function is the whole
app, one has `ROUTES=delete` and deletes a missing conversation. The reference is a bare FastAPI
app behind Mangum. Medians of nine processes. Lambda's machines differ, so compare the ratios.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.processes import upstreams
from bench.report import Row
from bench.upstreams import Latencies
from tests.support.service import ROOT, environment

if TYPE_CHECKING:
    from bench.__main__ import Bench

PROCESSES = 9


def run(bench: Bench) -> list[Row]:
    found: dict[str, list[dict[str, float]]] = {"chat": [], "delete": [], "hello": []}
    with upstreams(Latencies()) as up:
        variables = environment(**bench.settings(up), AWS_LAMBDA_FUNCTION_NAME="bench")
        variables.pop("SSL_CERT_FILE", None)  # a function on Lambda has none
        for _ in range(PROCESSES):
            for name, rounds in found.items():
                done = subprocess.run(
                    [sys.executable, "-S", "-m", "bench.references.invoke", name],
                    cwd=ROOT,
                    env=variables | {"ROUTES": "delete" if name == "delete" else ""},
                    stdout=subprocess.PIPE,
                    timeout=120,
                    check=True,
                )
                rounds.append(json.loads(done.stdout.splitlines()[-1]))

    def middle(name: str, what: str) -> float:
        return statistics.median(round_[what] for round_ in found[name])

    hello = middle("hello", "init")
    return [
        Row("init", middle("chat", "init"), "ms", "bare hello", hello, goal=1.35),
        Row("init, delete alone", middle("delete", "init"), "ms", "bare hello", hello, goal=1.2),
        Row("first chat", middle("chat", "cold")),
        Row("first deletion", middle("delete", "cold"), "ms", "chat", middle("chat", "cold")),
        Row("warm chat", middle("chat", "warm"), "ms", "the first", middle("chat", "cold")),
        Row("memory after thirty chats", middle("chat", "rss"), "MB"),
        Row("memory, delete alone", middle("delete", "rss"), "MB", "all", middle("chat", "rss")),
    ]
