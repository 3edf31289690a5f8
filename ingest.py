"""Index a book: `python ingest.py PATH` reads its Markdown and makes it answerable.

Run it again after an edit: only what changed is embedded. It may run while the server does;
readers see the old index until the new one is whole.

Exit status: 0 done, 1 nothing could be done and the old index is untouched, 2 usage,
130 interrupted (what was embedded is kept for the next run).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from rag.clients import get_clients
from rag.index import Plan, Progress, Summary, build, describe, plan
from rag.settings import Settings
from rag.types import (
    BookError,
    Chunk,
    ConfigurationError,
    Embedder,
    IndexWriter,
    SourceError,
    SparseVector,
    VectorStore,
)

if TYPE_CHECKING:
    from sites import Book


SOURCES = ("docs", "doc", "documentation", "content", "src", "book", "/")
"""Names of folders that say nothing about the book."""


class Clients(Protocol):
    """What a run needs; `rag.clients` has it."""

    @property
    def settings(self) -> Settings: ...

    async def embedder(self) -> Embedder: ...

    async def store(self) -> VectorStore: ...

    async def writer(self) -> IndexWriter: ...

    async def close(self) -> None: ...


def main(
    arguments: Sequence[str] | None = None, clients: Callable[[], Clients] = get_clients
) -> int:
    """The command. Whatever goes wrong, its user meets a sentence, never a stack trace."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_ingest(options, clients))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nStopped. The index in use is whole, and what has been embedded is kept: "
            "the same command goes on from here.",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    from sites import GENERATORS

    parser = argparse.ArgumentParser(
        prog="ingest.py",
        description="Index a book so that it can be asked. Only what changed is embedded.",
        epilog="Exit status: 0 done, 1 nothing could be done, 2 usage, 130 interrupted.",
    )
    parser.add_argument("path", type=Path, help="folder (or one file) of Markdown")
    parser.add_argument(
        "--generator", choices=GENERATORS, default="auto", help="what builds the site"
    )
    parser.add_argument(
        "--base-path", metavar="PATH", help="where the book lies on the site, such as docs"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be embedded, and stop"
    )
    parser.add_argument("--quiet", action="store_true", help="print problems only")
    return parser


async def _ingest(options: argparse.Namespace, get: Callable[[], Clients]) -> int:
    from rag.chunks import chunk_book

    book = await asyncio.to_thread(
        _read, options.path.expanduser(), options.generator, options.base_path
    )
    for problem in book.problems:
        print(problem.message, file=sys.stderr)
    chunks = await asyncio.to_thread(chunk_book, book.pages)
    if not chunks:
        raise SourceError(f"There is no text to index in {options.path}.")

    clients = get()
    try:
        fallback = _name(book, options.path)
        return await _index(book, chunks, clients, fallback, options.dry_run, options.quiet)
    finally:
        await clients.close()


async def _index(
    book: Book,
    chunks: Sequence[Chunk],
    clients: Clients,
    fallback: str,
    dry_run: bool,
    quiet: bool,
) -> int:
    say = _nothing if quiet else print
    embedder = await clients.embedder()
    if not embedder.dimensions:  # a model that is only known by its answers
        await embedder.embed_question(book.pages[0].title)
    title = clients.settings.book_title or book.title or fallback
    info = describe(title, book.language, book.pages, chunks, embedder, _sparse)
    published = None
    with suppress(ConfigurationError):  # an index that cannot be read is made again
        published = await (await clients.store()).info()
    say(
        f"{title}: {_count(len(book.pages), 'page')} ({book.generator}), "
        f"{_count(len(chunks), 'chunk')}"
    )
    writer = await clients.writer()
    try:
        if dry_run:
            say(_planned(await plan(chunks, embedder, writer, info, published)))
            return 0
        summary = await build(
            book.pages,
            chunks,
            embedder,
            writer,
            info,
            _sparse,
            published=published,
            progress=_nothing if quiet else Bar(sys.stderr).show,
        )
    finally:
        await writer.close()
    say(_done(summary))
    return 0


def _read(path: Path, generator: str, base_path: str | None) -> Book:
    """The book in a folder; a single file is a book of one page."""
    from sites import read_book

    if not path.is_file():
        return read_book(path, generator=generator, base_path=base_path)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        generator = "plain" if generator == "auto" else generator
        return read_book(Path(folder), generator=generator, base_path=base_path)


def _name(book: Book, path: Path) -> str:
    """A title for a book that has none: its only or root page's, else its folder's name."""
    base = os.path.commonpath([page.slug.strip("/") for page in book.pages])
    roots = [page.title for page in book.pages if page.slug.strip("/") == base]
    if len(book.pages) == 1 or roots:
        return (roots or [book.pages[0].title])[0]
    folders = (name for name in reversed(path.expanduser().resolve().parts))
    return next((name for name in folders if name.lower() not in SOURCES), book.pages[0].title)


class Bar:
    """Progress with rate and time left: one line redrawn on a terminal, else a line in ten s."""

    WIDTH = 24
    EVERY = 10.0
    """Seconds between lines where the output is not a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._started = self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        whole = progress.done == progress.total
        if not self._terminal and not whole and now - self._last < self.EVERY:
            return
        self._last = now
        rate = progress.done / max(now - self._started, 1e-6)
        left = (progress.total - progress.done) / rate
        text = (
            f"embedded {progress.done}/{progress.total} chunks, {rate:.0f}/s, "
            f"{_duration(left)} left, {_count(progress.calls, 'call')}"
        )
        if self._terminal:
            filled = self.WIDTH * progress.done // progress.total
            text = f"\r[{'#' * filled}{'.' * (self.WIDTH - filled)}] {text}\x1b[K"
            self._out.write(text + ("\n" if whole else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()


def _sparse(chunk: Chunk) -> SparseVector:
    from rag.text import sparse_passage

    return sparse_passage(
        chunk.text, title=chunk.title, section=chunk.section, language=chunk.language
    )


def _planned(todo: Plan) -> str:
    return (
        f"Would embed {_count(len(todo.missing), 'chunk')} in {_count(todo.calls, 'call')}, "
        f"reuse {todo.reused} ({todo.moved} moved) and remove {todo.removed}."
    )


def _done(summary: Summary) -> str:
    if not summary.published:
        return "Nothing has changed; the index is up to date."
    return (
        f"Indexed {_count(summary.pages, 'page')}, {_count(summary.chunks, 'chunk')} in "
        f"{_duration(summary.seconds)}: {summary.embedded} embedded in "
        f"{_count(summary.calls, 'call')}, {summary.reused} reused ({summary.moved} moved), "
        f"{summary.removed} removed."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _nothing(*_: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
