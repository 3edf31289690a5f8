"""Show what readers see when an upstream fails: `python bench/faults.py`.

Runs the service with its default deadlines against imitated upstreams (`tests/upstreams`),
makes each fail in each way, asks a question, and prints a Markdown table: status or fallback,
seconds to the answer, the text shown, whether the turn was saved. The same for readers over
the limits. Then the stages of one chat with realistic latencies. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rag.adapters.database.embedded import start
from tests.support.postgres import query
from tests.support.service import Service, serving
from tests.upstreams import Reply
from tests.upstreams.faults import BREAKS, FAULTS
from tests.upstreams.handbook import indexed

QUESTION = "How do I delete a conversation?"


STRANGER = {"X-Forwarded-For": "203.0.113.9"}
"""A reader behind a local proxy; requests from the machine itself are not limited."""


def ask(service: Service, message: str, headers: dict[str, str]) -> dict[str, Any]:
    """Ask a question and return the outcome as a row."""
    began = time.perf_counter()
    with httpx.Client(base_url=service.url, timeout=70, headers=headers) as http:
        response = http.post("/chat", json={"message": message})
        seconds = time.perf_counter() - began
        body = response.json()
        metadata = body.get("metadata", {})
        kept = "–"
        if "session_id" in body:
            history = http.get(f"/chat/sessions/{body['session_id']}")
            kept = "yes" if history.status_code == 200 and history.json()["total"] else "no"
    answered = f"{metadata.get('answered_by')}, {metadata.get('fallback') or 'no fallback'}"
    return {
        "outcome": str(response.status_code) if "detail" in body else f"200, {answered}",
        "seconds": round(seconds, 1),
        "reads": (body.get("detail") or body["message"]).split("\n")[0][:70],
        "kept": kept,
    }


def main() -> None:
    rows: list[tuple[str, str, dict[str, Any]]] = []
    asked = 0
    with tempfile.TemporaryDirectory() as folder, indexed() as up:
        server = start(Path(folder) / "postgres")
        variables = up.environ() | {
            "DATABASE_URL": server.url,
            "SITE_URL": "https://book.example",
            "RATE_PER_MINUTE": "1",  # low enough to stay exceeded on a slow machine
        }

        def measure(
            service: Service, name: str, fault: str, headers: dict[str, str] | None = None
        ) -> None:
            nonlocal asked
            asked += 1
            rows.append((name, fault, ask(service, QUESTION + "!" * asked, headers or {})))
            up.heal()

        with serving(Path(folder) / "log", **variables) as service:
            measure(service, "none", "–")
            for name, upstream in (
                ("Cohere", up.cohere),
                ("Qdrant", up.qdrant),
                ("OpenAI", up.openai),
            ):
                for fault in FAULTS:
                    upstream.fail(fault, times=100)  # type: ignore[arg-type]
                    measure(service, name, str(fault))
                upstream.fail(429, times=1, retry_after=1)
                measure(service, name, "one 429, Retry-After 1")
            for fault, reply in BREAKS.items():
                up.openai.reply = reply
                measure(service, "OpenAI", fault)
            up.cohere.latency, up.qdrant.latency = 0.08, 0.02
            up.openai.reply = Reply("A normal answer [1]. " * 20, first_delay=0.3)
            ask(service, f"{QUESTION} Please", {})
            lines = reversed(service.requests)
            stages = next(line["stages_ms"] for line in lines if line["path"] == "/chat")
            up.heal()
            with httpx.Client(base_url=service.url, headers=STRANGER) as http:
                while http.post("/search", json={"query": QUESTION}).status_code == 200:
                    pass
            measure(service, "limits", "over the rate", STRANGER)
            query(server.url, "UPDATE book.days SET tokens = 1000000")
            measure(service, "limits", "over the day's budget")
            query(server.url, "UPDATE book.days SET tokens = 0")
            server.stop()
            measure(service, "PostgreSQL", "stopped while serving")
        variables["DATABASE_URL"] = "postgresql://reader@127.0.0.1:9/book?sslmode=disable"
        with serving(Path(folder) / "log2", **variables) as service:
            measure(service, "PostgreSQL", "refuses from the start")

    print("| upstream | fault | outcome | seconds | text shown | in the history |")
    print("|---|---|---|---|---|---|")
    for name, fault, row in rows:
        print(f"| {name} | {fault} | " + " | ".join(str(value) for value in row.values()) + " |")
    print(f"\nStages of a chat at 80 + 20 + 300 ms: {stages}")
    print(json.dumps({"rows": rows, "stages_ms": stages}))


if __name__ == "__main__":
    main()
