"""Stop the parsing of a page that takes too long."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PAGE_SECONDS = 10.0
"""CPU seconds that the parsing of one page may take by default. An ordinary page takes 20 ms."""


class TooSlow(BaseException):
    """The time for a page is over.

    Not an Exception, because parsers catch those and go on.
    """


@contextmanager
def page_time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow in the block once it has taken `seconds` of CPU time.

    A busy machine must not lose pages. Works in the main thread of a system with SIGPROF;
    elsewhere the block is not interrupted.
    """
    # A signal is the one thing that also interrupts a regular expression. A worker process
    # would too, but every page would have to be sent to it and back.
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGPROF"):
        yield
        return
    running = True

    def on_alarm(number: int, frame: FrameType | None) -> None:
        if running:
            raise TooSlow

    before = signal.signal(signal.SIGPROF, on_alarm)
    try:
        # Repeated in case that the first exception is lost, as in a callback from C.
        signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
        try:
            yield
        finally:
            running = False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
