"""A folder of sources to a book, whichever generator publishes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rag.types import Page, SourceError
from sites import docusaurus, html, mdbook, mkdocs, plain, vitepress
from sites.files import Report
from sites.source import Book, Request


class Reader(Protocol):
    """The one shape of the readers, which are modules."""

    def recognise(self, folder: Path) -> bool: ...

    def read(self, request: Request) -> Book: ...


READERS: dict[str, Reader] = {
    "mdbook": mdbook,
    "mkdocs": mkdocs,
    "vitepress": vitepress,
    "html": html,
    "docusaurus": docusaurus,
    "plain": plain,
}
"""In the order in which they are tried; the last takes any folder."""
GENERATORS = ("auto", *READERS)


def read_book(folder: Path, *, generator: str = "auto", base_path: str | None = None) -> Book:
    """Read a folder of sources: the site's root or its folder of pages.

    `base_path` is the path on the site under which the pages stand (`/` for the root); None
    takes what the generator's configuration or its default says. Raises SourceError where
    there is nothing to read at all; single files that cannot be used are in `problems`.
    """
    if generator not in GENERATORS:
        raise SourceError(f"There is no reader called {generator}; there are {_listed()}.")
    folder = Path(folder)
    if not folder.exists():
        raise SourceError(f"There is no folder {folder}.")
    if not folder.is_dir():
        raise SourceError(f"{folder} is a file; name the folder it is in.")
    if generator == "auto":
        generator = next(name for name, reader in READERS.items() if reader.recognise(folder))
    report = Report()
    book = READERS[generator].read(Request(folder, base_path, report))
    pages = _one_per_address(book.pages, report)
    book = replace(book, pages=pages, problems=tuple(report.problems))
    if not book.pages:
        reasons = " ".join(problem.message for problem in book.problems[:3])
        raise SourceError(f"There is no page to read in {folder}. {reasons}".strip())
    return book


def _one_per_address(pages: Iterable[Page], report: Report) -> tuple[Page, ...]:
    """Generators publish one of several pages with the same address; here it is the first."""
    kept: dict[str, Page] = {}
    for page in pages:
        address = page.slug.strip("/")
        if address in kept:
            first = kept[address].source_path
            message = f"has the same address as {first} ({page.slug}); it was skipped."
            report.add(page.source_path, message)
        else:
            kept[address] = page
    return tuple(kept.values())


def _listed() -> str:
    return ", ".join(GENERATORS)
