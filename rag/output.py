"""Make standard output and standard error safe to write to, whatever they lead to."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def make_safe() -> None:
    """Replace both streams by ones that never raise.

    What their encoding does not have is escaped, and what nobody can receive is dropped: a log
    collector that ended, a full disk, or an output that was closed before the start.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _open_if_closed(number)
        stream = getattr(sys, name)
        if name != "stdin" and stream is getattr(sys, f"__{name}__"):  # not a test's or a host's
            setattr(sys, name, _safe(number, stream))


def is_utf8() -> bool:
    """Whether standard output takes every character."""
    return (getattr(sys.stdout, "encoding", "") or "").lower().replace("_", "-") in (
        "utf-8",
        "utf8",
    )


class _Lossy(io.FileIO):
    """A file that drops what cannot be written."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or len(data)  # None if a pipe is full and must not block
        except OSError:
            return len(data)


def _safe(number: int, stream: Any) -> io.TextIOWrapper:
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lossy(number, "w", closefd=False)),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=True,
    )


def _open_if_closed(number: int) -> None:
    """Open a closed descriptor on nothing, or the next socket or file would get its number."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing == number:
            os.set_inheritable(number, True)
        else:
            os.dup2(nothing, number)
            os.close(nothing)
