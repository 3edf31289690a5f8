"""What one request did and how long it took, for its single log line.

The router opens a trace, the domain notes stages and facts into it, the router writes it.
Outside a request (a plain function call) notes go nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[dict[str, Any] | None] = ContextVar("trace", default=None)


def begin(**facts: Any) -> dict[str, Any]:
    """Open a trace for the running task and all that it starts."""
    trace: dict[str, Any] = {**facts, "stages_ms": {}}
    _current.set(trace)
    return trace


def note(**facts: Any) -> None:
    """Add facts to the log line. Never a question's text, a secret or a whole session id."""
    if (trace := _current.get()) is not None:
        trace.update(facts)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage in milliseconds; a stage that is entered twice adds up."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if (trace := _current.get()) is not None:
            spent = (time.perf_counter() - started) * 1000
            trace["stages_ms"][name] = round(trace["stages_ms"].get(name, 0.0) + spent, 1)
