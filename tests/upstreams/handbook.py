"""The imitated services as an author leaves them: the handbook is indexed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.service import environment, run
from tests.upstreams import Upstreams


@contextmanager
def indexed() -> Iterator[Upstreams]:
    """Services that hold the handbook, through the same command as anywhere."""
    with Upstreams() as up:
        finished = run("ingest.py", "docs", env=environment(**up.environ()))
        assert finished.returncode == 0, finished.stderr
        yield up
