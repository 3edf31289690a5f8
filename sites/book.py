"""Read a folder of sources into a book with the reader of its generator."""

from __future__ import annotations

import gc
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rag.errors import SourceError
from rag.models import Page
from sites import docusaurus, html, mdbook, mkdocs, plain, vitepress
from sites.files import MAX_FILE_BYTES, Files, Limits, Refused, real_path, shown
from sites.languages import settle_languages
from sites.other_generators import (
    refuse_other_generators,
    sites_inside,
    unread_files,
    unread_settings,
)
from sites.report import Report
from sites.source import Book, Request, address_hint, is_address, public_url


class Reader(Protocol):
    """The functions that every reader module has."""

    def recognise(self, request: Request) -> bool: ...

    def read(self, request: Request) -> Book: ...


READERS: dict[str, Reader] = {
    "mdbook": mdbook,
    "mkdocs": mkdocs,
    "vitepress": vitepress,
    "html": html,
    "docusaurus": docusaurus,
    "plain": plain,
}
"""In the order they are tried; the last one accepts any folder."""
GENERATORS = ("auto", *READERS)
COMMON_FOLDERS = ("docs", "doc", "documentation", "content", "src", "book", "/")
"""Folder names too common to serve as a book's title."""
FEW_COLLECTIONS = 50_000
"""Objects between two garbage collections. Pages make many, few of them in cycles."""


def read_book(
    folder: Path,
    *,
    generator: str = "auto",
    base_path: str | None = None,
    root: Path | None = None,
    limits: Limits | None = None,
) -> Book:
    """Read a folder of sources: the site's root or its folder of pages.

    `base_path` is the path of the pages on the site (`/` for the root); None takes it from the
    generator's configuration or default. Links, includes and configured folders may lead
    anywhere in `root`, by default the site's folder. Raises SourceError if there is nothing to
    read. Files that cannot be used are listed in `problems`.
    """
    if generator not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise SourceError(f"There is no reader called {generator}; there are {known}.")
    folder = Path(folder)
    if not os.path.lexists(folder):
        raise SourceError(f"There is no folder {folder}.{address_hint(str(folder))}")
    if not os.path.isdir(folder):
        raise SourceError(f"{folder} is a file; name the folder it is in.")
    request = Request(folder, base_path, Files(folder, root, limits))
    report = request.report
    if generator == "auto":
        generator = _recognised(request)
    collected = gc.get_threshold()
    gc.set_threshold(FEW_COLLECTIONS, *collected[1:])
    try:
        book = READERS[generator].read(request)
    finally:
        gc.set_threshold(*collected)
    pages = _one_per_address(book, report)
    if generator == "plain" and pages:
        for path in unread_files(request):
            report.losses.add("files are in formats that are not read", path)
    book = replace(
        book,
        pages=pages,
        reported=tuple(report.problems),
        losses=tuple(report.losses),
        site_url=public_url(book.site_url),
    )
    if not book.pages:
        reasons = " ".join(problem.message for problem in book.problems[:3])
        others = unread_files(request)
        if others:
            files = "1 file" if len(others) == 1 else f"{len(others)} files"
            reasons += (
                f" It has {files} in formats that are not read, such as {others[0]}: "
                "build the site, then index the folder of HTML (for Sphinx: "
                "`sphinx-build . build`, then `python ingest.py build`)."
            )
        raise SourceError(f"There are no pages to read in {folder}. {reasons.strip()}".strip())
    return settle_languages(book)


def _recognised(request: Request) -> str:
    """Return the reader for a folder. Raises SourceError for a generator that has none."""
    if html.is_built(request):
        return "html"  # perhaps built output inside a generator's project
    refuse_other_generators(request)
    generator = next(name for name, reader in READERS.items() if reader.recognise(request))
    losses = request.report.losses
    by_pages = generator == "docusaurus" and not docusaurus.is_configured(request)
    for folder in sites_inside(request) if by_pages or generator == "plain" else ():
        kind = "folders with a site's settings are read without them; index each by itself"
        losses.add(kind, folder)
    for name in unread_settings(request) if generator == "plain" else ():
        losses.add(
            "settings are read only as mkdocs.yml; copy the file that you build with to it", name
        )
    return generator


def read_path(
    path: str,
    *,
    generator: str = "auto",
    base_path: str | None = None,
    root: str | None = None,
    limits: Limits | None = None,
) -> Book:
    """Read a folder like `read_book`, or a single file as a book of one page."""
    place = Path(path).expanduser()
    if not os.path.isfile(place):
        above = Path(root).expanduser() if root else None
        if above and not os.path.isdir(above):
            raise SourceError(f"There is no folder {above}, which --root names.")
        return read_book(place, generator=generator, base_path=base_path, root=above, limits=limits)
    real = real_path(place)
    try:
        data = Files(real.parent).read(real, MAX_FILE_BYTES, hidden=True)
    except Refused as refusal:
        raise SourceError(f"{place} {refusal}.") from None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, place.name).write_bytes(data)
        if generator == "auto":
            generator = "html" if place.suffix.lower() in html.SUFFIXES else "plain"
        return read_book(Path(folder), generator=generator, base_path=base_path, limits=limits)


def name_of(book: Book, source: str) -> str:
    """Choose a title for an untitled book: its only or root page's, else its folder's name."""
    base = os.path.commonpath([page.slug.strip("/") for page in book.pages])
    roots = [page.title for page in book.pages if page.slug.strip("/") == base]
    first = book.pages[0].title
    if len(book.pages) == 1 or roots or is_address(source):
        return (roots or [first])[0]
    folders = (shown(name) for name in reversed(Path(source).expanduser().resolve().parts))
    return next((name for name in folders if name.lower() not in COMMON_FOLDERS), first)


def _one_per_address(book: Book, report: Report) -> tuple[Page, ...]:
    """Keep the first of several pages with one address, since a site can only serve one."""
    kept: dict[str, Page] = {}
    for page in book.pages:
        # VitePress writes `guide.html` and `guide/index.html`; for others both are one page.
        address = page.slug if book.generator == "vitepress" else page.slug.strip("/")
        if address in kept:
            first = kept[address].source_path
            message = f"has the same address as {first} ({page.slug}); it was skipped."
            report.add(page.source_path, message, skipped=True)
        else:
            kept[address] = page
    return tuple(kept.values())
