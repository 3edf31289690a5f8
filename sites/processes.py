"""Compute in several processes, so that a book of thousands of pages is read sooner."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from rag.errors import SourceError

T = TypeVar("T")
R = TypeVar("R")
MOST = 4
MANY = 200
"""From this number of pages on, starting processes takes less time than they save."""


def how_many(pages: int) -> int:
    """Return how many processes are worth starting; 1 means none, to compute in this one."""
    # macOS's libraries do not survive a fork. The time limit for a page needs the main thread.
    main = threading.current_thread() is threading.main_thread()
    if pages < MANY or sys.platform != "linux" or not main:
        return 1
    return min(len(os.sched_getaffinity(0)), MOST)


def compute(work: Callable[[T], R], parts: Sequence[T], processes: int) -> Generator[R, None, None]:
    """Yield `work(part)` for each part, in order, computed in forked processes.

    Raises SourceError if one of them is killed.
    """
    context = get_context("fork")
    started = []
    waiting: dict[Connection, list[int]] = {}
    """The numbers of the parts that each process has still to send, the next one last."""
    done: dict[int, R] = {}
    try:
        for first in range(processes):
            own = list(range(first, len(parts), processes))
            reader, writer = context.Pipe(duplex=False)
            waiting[reader] = own[::-1]
            arguments = (work, [parts[number] for number in own], writer, list(waiting))
            process = context.Process(target=_send, args=arguments, daemon=True)
            with warnings.catch_warnings():
                # Other threads wait for work from the index; the children need none of their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            writer.close()
            started.append(process)
        for number in range(len(parts)):
            while number not in done:
                ready = connection.wait([reader for reader, left in waiting.items() if left])
                for reader in filter(ready.__contains__, waiting):
                    done[waiting[reader].pop()] = reader.recv()
            yield done.pop(number)
    except (EOFError, OSError):  # between two results, or within one
        raise SourceError(
            "A process that was reading pages was stopped, perhaps for lack of memory."
        ) from None
    finally:
        for process in started:
            process.terminate()
            process.join()


def _send(
    work: Callable[[T], R], parts: Sequence[T], writer: Connection, readers: Sequence[Connection]
) -> None:
    """Send the results of one process. On Ctrl-C, the parent ends it."""
    for reader in readers:  # else no process would notice that the parent was killed
        reader.close()
    signal.set_wakeup_fd(-1)  # the parent's event loop would be woken
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(BrokenPipeError):  # the parent was killed
        for part in parts:
            writer.send(work(part))
