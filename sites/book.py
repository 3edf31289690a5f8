"""A folder of sources to a book, whichever generator publishes it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rag.errors import SourceError
from rag.models import Page
from sites import docusaurus, html, mdbook, mkdocs, plain, vitepress
from sites.files import MARKDOWN, Report, list_files
from sites.source import Book, Request, is_address, published


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
USUAL = ("docs", "doc", "documentation", "content", "src", "book", "/")
"""Names of folders that say nothing about the book in them."""


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
        if generator != "html" and html.recognise(folder) and not _sources(folder):
            generator = "html"  # what a generator has built, inside of its own project
    report = Report()
    book = READERS[generator].read(Request(folder, base_path, report))
    pages = _one_per_address(book.pages, report)
    book = replace(
        book, pages=pages, problems=tuple(report.problems), site_url=published(book.site_url)
    )
    if not book.pages:
        reasons = " ".join(problem.message for problem in book.problems[:3])
        raise SourceError(f"There is no page to read in {folder}. {reasons}".strip())
    return book


def _sources(folder: Path) -> bool:
    """Whether there is Markdown anywhere in a folder."""
    return bool(list_files(folder, MARKDOWN, Report()))


def read_path(path: str, *, generator: str = "auto", base_path: str | None = None) -> Book:
    """The book in a folder, as `read_book` has it; a single file is a book of one page."""
    place = Path(path).expanduser()
    if not place.is_file():
        return read_book(place, generator=generator, base_path=base_path)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(place, folder)
        if generator == "auto":
            generator = "html" if place.suffix.lower() in html.SUFFIXES else "plain"
        return read_book(Path(folder), generator=generator, base_path=base_path)


def name_of(book: Book, source: str) -> str:
    """A title for a book that has none: its only or root page's, else its folder's name."""
    base = os.path.commonpath([page.slug.strip("/") for page in book.pages])
    roots = [page.title for page in book.pages if page.slug.strip("/") == base]
    first = book.pages[0].title
    if len(book.pages) == 1 or roots or is_address(source):
        return (roots or [first])[0]
    folders = (name for name in reversed(Path(source).expanduser().resolve().parts))
    return next((name for name in folders if name.lower() not in USUAL), first)


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
