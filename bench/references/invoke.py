"""Invoke the service, or the bare app, as AWS Lambda does: `python -m bench.references.invoke`.

Prints a line of JSON: milliseconds of the import, of the first and of a warm invocation.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import psutil

from bench.upstreams import QUESTION


def event(n: int, chat: bool) -> dict[str, Any]:
    """API Gateway's HTTP API, payload version 2."""
    method, path = ("POST", "/chat") if chat else ("GET", "/health")
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "x", "content-type": "application/json"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
        },
        "body": json.dumps({"message": f"{QUESTION} (invoked {n})"}) if chat else None,
        "isBase64Encoded": False,
    }


def main(name: str) -> None:
    began = time.perf_counter()
    if name == "service":
        from router import lambda_handler as handler
    else:
        from mangum import Mangum

        from bench.references.hello import app

        handler = Mangum(app, lifespan="off")  # type: ignore[assignment]
    ready = time.perf_counter()
    times = []
    for n in range(30):
        start = time.perf_counter()
        answer = handler(event(n + int(began * 1000) * 100, name == "service"), None)
        times.append((time.perf_counter() - start) * 1000)
        assert answer["statusCode"] == 200, answer
    rss = psutil.Process().memory_info().rss / 2**20
    figures = {
        "init": (ready - began) * 1000,
        "cold": times[0],
        "warm": statistics.median(times[10:]),
        "rss": rss,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
