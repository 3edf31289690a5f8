"""Invoke a function as AWS Lambda does: `python -m bench.references.invoke chat|delete|hello`.

Prints a line of JSON: milliseconds of the import, the first invocation and a warm one.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench.upstreams import QUESTION

REQUESTS = {
    "chat": ("POST", "/chat", 200),
    "delete": ("DELETE", "/chat/sessions/6f1f2c9e-8d7b-4b8e-9d43-0c2f5f0a7d11", 404),
    "hello": ("GET", "/health", 200),
}
"""Method, path and expected status; the conversation to delete does not exist."""


def event(n: int, method: str, path: str) -> dict[str, Any]:
    """Make an event of API Gateway's HTTP API, payload version 2."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "x", "content-type": "application/json"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
        },
        "body": json.dumps({"message": f"{QUESTION} (invoked {n})"}) if method == "POST" else None,
        "isBase64Encoded": False,
    }


def main(name: str) -> None:
    began = time.perf_counter()
    if name == "hello":
        from mangum import Mangum

        from bench.references.hello import app

        handler = Mangum(app, lifespan="off")
    else:
        from router import lambda_handler as handler  # type: ignore[assignment]
    ready = time.perf_counter()
    method, path, status = REQUESTS[name]
    times = []
    for n in range(30):
        start = time.perf_counter()
        answer = handler(event(n + int(began * 1000) * 100, method, path), None)  # type: ignore[arg-type]
        times.append((time.perf_counter() - start) * 1000)
        assert answer["statusCode"] == status, answer
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    figures = {
        "init": (ready - began) * 1000,
        "cold": times[0],
        "warm": statistics.median(times[10:]),
        "rss": pages * resource.getpagesize() / 2**20,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
