"""Run the imitated services with the handbook indexed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.service import environment, run
from tests.upstreams import Upstreams


@contextmanager
def indexed() -> Iterator[Upstreams]:
    """Start the services and index the handbook with `ingest.py`."""
    with Upstreams() as up:
        finished = run("ingest.py", "docs", env=environment(**up.environ()))
        assert finished.returncode == 0, finished.stderr
        yield up
