"""Collect facts and timings for the log line of each request.

The middleware begins the record and writes it. Code in between adds facts and stages. Outside a
request, as in a plain function call, notes are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[dict[str, Any] | None] = ContextVar("request_log", default=None)


def begin(**facts: Any) -> dict[str, Any]:
    """Begin a record for the current task and the tasks that it starts."""
    record: dict[str, Any] = {**facts, "stages_ms": {}}
    _current.set(record)
    return record


def note(**facts: Any) -> None:
    """Add facts to the log line. Never add secrets or whole session ids."""
    if (record := _current.get()) is not None:
        record.update(facts)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Record the time spent in a stage, in milliseconds. Repeated stages add up."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if (record := _current.get()) is not None:
            spent = (time.perf_counter() - started) * 1000
            record["stages_ms"][name] = round(record["stages_ms"].get(name, 0.0) + spent, 1)
