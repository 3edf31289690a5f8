"""What a run of ingest tells its user: how far it is, what it would do, what it has done."""

from __future__ import annotations

import time
from typing import TextIO

from rag.indexing.indexer import Plan, Progress, Summary
from rag.indexing.link_check import Verdict

TOKEN = 4
"""Characters of English a token has, about; other languages take more tokens."""


class Bar:
    """Progress on one line that is redrawn on a terminal, else on a line in ten seconds."""

    WIDTH = 24
    EVERY = 10.0
    """Seconds between lines where the output is not a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._started = self._last = time.monotonic()

    def embedded(self, progress: Progress) -> None:
        """Chunks that are embedded, with rate, time left and calls spent."""
        rate = progress.done / max(time.monotonic() - self._started, 1e-6)
        left = (progress.total - progress.done) / rate
        text = (
            f"embedded {progress.done}/{progress.total} chunks, {rate:.0f}/s, "
            f"{duration(left)} left, {count(progress.calls, 'call')}"
        )
        self._show(progress.done, progress.total, text)

    def read(self, done: int, found: int) -> None:
        """Pages that are read, of those that are found so far."""
        self._show(done, found, f"read {done} of {count(found, 'page')}")

    def _show(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        whole = done == total
        if not self._terminal and not whole and now - self._last < self.EVERY:
            return
        self._last = now
        if self._terminal:
            filled = self.WIDTH * done // total
            text = f"\r[{'#' * filled}{'.' * (self.WIDTH - filled)}] {text}\x1b[K"
            self._out.write(text + ("\n" if whole else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()


def planned(todo: Plan) -> str:
    tokens = sum(len(chunk.embedded_text) for chunk in todo.missing) // TOKEN
    cost = f"{count(todo.calls, 'call')} of up to {todo.batch}, about {tokens:,} tokens"
    return (
        f"Would embed {count(len(todo.missing), 'chunk')} ({cost}), "
        f"reuse {todo.reused} ({todo.moved} moved) and remove {todo.removed}."
    )


def done(summary: Summary) -> str:
    if not summary.published:
        return "Nothing has changed; the index is up to date. 0 calls were spent."
    return (
        f"Indexed {count(summary.pages, 'page')}, {count(summary.chunks, 'chunk')} in "
        f"{duration(summary.seconds)}: {summary.embedded} embedded in "
        f"{count(summary.calls, 'call')}, {summary.reused} reused ({summary.moved} moved), "
        f"{summary.removed} removed."
    )


def checked(verdict: Verdict) -> str:
    """The verdict in a sentence or two."""
    dead, unsure = verdict.dead, verdict.unsure
    text = f"Checked {count(verdict.links, 'link')} on {count(verdict.pages, 'page')}: "
    text += f"{dead or 'none'} {'is' if dead < 2 else 'are'} dead"
    text += f", {unsure} could not be checked." if unsure else "."
    if dead and dead == verdict.links:
        text += (
            " As not one is there, this may be another site, or the book lies elsewhere on it: "
            "see --base-path."
        )
    return text


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
