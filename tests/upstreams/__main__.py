"""Run the imitated services: `python -m tests.upstreams [--port 9100]`."""

from __future__ import annotations

import argparse
import threading
from contextlib import suppress

from tests.upstreams import Upstreams

parser = argparse.ArgumentParser(description="Imitate Cohere, OpenAI and Qdrant on loopback.")
parser.add_argument(
    "--port", type=int, default=0, help="first of three ports; free ports by default"
)
parser.add_argument("--cohere-latency", type=float, default=0.0, metavar="SECONDS")
parser.add_argument("--openai-latency", type=float, default=0.0, metavar="SECONDS")
parser.add_argument("--qdrant-latency", type=float, default=0.0, metavar="SECONDS")


def main() -> None:
    options = parser.parse_args()
    with Upstreams(options.port) as up:
        up.cohere.latency = options.cohere_latency
        up.openai.latency = options.openai_latency
        up.qdrant.latency = options.qdrant_latency
        for name, value in up.environ().items():
            print(f"export {name}={value}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
