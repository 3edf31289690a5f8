"""Hostile questions keep nobody else waiting."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import httpx

from tests.support.service import Service, serving

SLOWEST = 5.0
"""Seconds that a health check may take beside them, even on a busy machine."""
QUESTION = "How do I delete a conversation?"
UNITS = (" ", "\t", "\u00a0", "[", "a_", "中。")


def ask_all(service: Service, statuses: set[int]) -> None:
    """Ask with each flood as the question, as a follow-up and as the page that is read."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for unit in UNITS:
            flood = (unit * 1990)[:1990]
            session = client.post("/chat", json={"message": QUESTION}).json()["session_id"]
            for body in (
                {"message": f"why{flood}x", "session_id": session},
                {"message": f"{flood}how so?", "session_id": session},
                {"message": QUESTION, "context": (unit * 10_000)[:10_000]},
            ):
                statuses.add(client.post("/chat", json=body).status_code)


def test_health_is_answered_while_hostile_questions_are(handbook: Path, tmp_path: Path) -> None:
    statuses: set[int] = set()
    waits: list[float] = []
    data = shutil.copytree(handbook, tmp_path / "data")
    rates = {"RATE_PER_MINUTE": "1000000", "RATE_BURST": "1000000"}
    with serving(tmp_path / "log", DATA_DIR=str(data), **rates) as service:
        asking = threading.Thread(target=ask_all, args=(service, statuses))
        asking.start()
        while asking.is_alive():
            begin = time.monotonic()
            assert httpx.get(f"{service.url}/health", timeout=60).status_code == 200
            waits.append(time.monotonic() - begin)
            asking.join(0.02)
    assert statuses <= {200, 422}
    assert 200 in statuses
    assert max(waits) < SLOWEST
