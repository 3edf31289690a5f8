"""Console output of the ingest command: progress, plan and summary."""

from __future__ import annotations

import time
from typing import TextIO

from rag.indexing.costs import count_tokens, describe_cost
from rag.indexing.indexer import Plan, Progress, Summary
from rag.indexing.link_check import LinkReport


def printable(text: str) -> str:
    """Remove what a terminal would obey: escapes, controls, invisible and reversing characters.

    Titles, paths and errors come from books and sites. White space becomes a space.
    """
    if text.isascii() and text.isprintable():
        return text
    cleaned = (ch if ch.isprintable() else " " if ch.isspace() else "" for ch in text)
    return "".join(cleaned)


class ProgressBar:
    """Shows progress on one line of a terminal, or else as a new line every ten seconds."""

    WIDTH = 24
    LINE_SECONDS = 10.0
    """Seconds between lines if the output is not a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._started = self._last = time.monotonic()

    def show_embedded(self, progress: Progress) -> None:
        """Show embedded chunks, rate, time left and number of calls."""
        rate = progress.done / max(time.monotonic() - self._started, 1e-6)
        left = (progress.total - progress.done) / rate
        text = (
            f"embedded {progress.done}/{progress.total} chunks, {rate:.0f}/s, "
            f"{format_duration(left)} left, {pluralize(progress.calls, 'call')}"
        )
        self._show(progress.done, progress.total, text)

    def show_read(self, done: int, found: int) -> None:
        """Show pages read, out of those found so far."""
        self._show(done, found, f"read {done} of {pluralize(found, 'page')}")

    def _show(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        whole = done == total
        if not self._terminal and not whole and now - self._last < self.LINE_SECONDS:
            return
        self._last = now
        if self._terminal:
            filled = self.WIDTH * done // total
            text = f"\r[{'#' * filled}{'.' * (self.WIDTH - filled)}] {text}\x1b[K"
            self._out.write(text + ("\n" if whole else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()


def describe_plan(todo: Plan, price: float | None) -> str:
    """Say what a run would do. `price` is in dollars per million tokens, if known."""
    tokens = count_tokens(todo.missing)
    cost = (
        f"{pluralize(todo.calls, 'call')} of up to {todo.batch}, about {tokens:,} tokens, "
        f"{describe_cost(tokens, price)}"
    )
    return (
        f"Would embed {pluralize(len(todo.missing), 'chunk')} ({cost}), "
        f"reuse {todo.reused} ({todo.moved} moved) and remove {todo.removed}."
    )


def describe_summary(summary: Summary) -> str:
    """Say what a run did."""
    if not summary.published:
        return "Nothing has changed; the index is up to date. No API calls were made."
    return (
        f"Indexed {pluralize(summary.pages, 'page')}, {pluralize(summary.chunks, 'chunk')} in "
        f"{format_duration(summary.seconds)}: {summary.embedded} embedded in "
        f"{pluralize(summary.calls, 'call')}, {summary.reused} reused ({summary.moved} moved), "
        f"{summary.removed} removed."
    )


def describe_links(report: LinkReport) -> str:
    """Summarize a link check in a sentence or two."""
    dead, unsure = report.dead, report.unsure
    text = f"Checked {pluralize(report.links, 'link')} on {pluralize(report.pages, 'page')}: "
    text += f"{dead or 'none'} {'is' if dead < 2 else 'are'} dead"
    text += f", {unsure} could not be checked." if unsure else "."
    if dead and dead == report.links:
        text += (
            " Since all links are dead, this may be the wrong site, or the book may have another "
            "path on it: see --base-path."
        )
    return text


def pluralize(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
