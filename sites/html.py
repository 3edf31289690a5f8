"""Read a folder of built HTML: the main part of each page, with its actual ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from rag.models import Page
from sites.files import MARKDOWN
from sites.html_page import HtmlPage, read_page
from sites.sections import in_sections
from sites.source import Book, Request, file_address, humanize, natural_key, site_path

SUFFIXES = (".html", ".htm")
NOT_PAGES = re.compile(
    r"(^|/)(404|search|print|toc|genindex|py-modindex|modindex)\.html?$|(^|/)(_static|assets)/"
)

_SEPARATOR = re.compile(r"(?<!\s)\s++(?:[|·•»–—-]|::)\s++")
"""Separates a page's title from the site's."""
_Found = tuple[Any, Page, str]
"""(sort key, page, text of its `<title>`)"""


def recognise(request: Request) -> bool:
    """Look for HTML at the top of the folder, and no Markdown but copies of pages."""
    pages, sources = _pages_and_sources(request)
    return any("/" not in path for path in pages) and all("/" in path for path in sources)


def is_built(request: Request) -> bool:
    """Return whether there is HTML, and all Markdown in the folder is a copy of a page of it."""
    pages, sources = _pages_and_sources(request)
    return bool(pages and not sources)


def _pages_and_sources(request: Request) -> tuple[set[str], list[str]]:
    """Return the paths of HTML, and those of Markdown that is not a copy of one of them.

    The copy of `a.html` or `a/index.html` is `a.md`, `a.html.md` or `a/index.html.md`.
    """
    found = request.files.find(request.folder, (*SUFFIXES, *MARKDOWN), quiet=True)
    pages = {path for path in found if path.lower().endswith(SUFFIXES)}
    sources = []
    for path in found:
        stem = path.rpartition(".")[0]
        twins = {stem, f"{stem}.html", f"{stem}.htm", f"{stem}/index.html"}
        if path not in pages and not twins & pages:
            sources.append(path)
    return pages, sources


def read(request: Request) -> Book:
    """Read every page. Its slug is its path; for `index.html`, its folder's path."""

    def parse(path: str, text: str) -> _Found | None:
        html = read_page(text)
        if html.redirects:
            return None
        source = PurePosixPath(path)
        if source.stem == "index":
            slug = site_path(request.base_path or "", file_address(str(source.parent)), "")
        else:
            slug = site_path(request.base_path or "", file_address(path))
        page = make_page(html, path, slug, humanize(source.stem))
        place = [natural_key(part) for part in source.with_suffix("").parts]
        return (source.stem != "index", place), page, html.title

    found = request.files.find(request.folder, SUFFIXES)
    paths = [path for path in found if not NOT_PAGES.search(path)]
    pages = request.files.pages(request.folder, paths, parse)
    pages.sort(key=lambda item: item[0])
    pages = _without_twins(pages)
    starts = [
        (page.language, title)
        for _, page, title in pages
        if PurePosixPath(page.source_path).with_suffix("") == PurePosixPath("index")
    ]
    language, first = starts[-1] if starts else ("", "")
    title = site_title([title for _, _, title in pages]) or first
    return Book(title, language, "html", tuple(page for _, page, _ in pages))


def _without_twins(pages: Sequence[_Found]) -> list[_Found]:
    """Leave out pages that repeat the start page of their folder, as mdBook's first chapter."""
    kept: list[_Found] = []
    starts: dict[Any, str] = {}
    for found in pages:  # start pages come first
        page = found[1]
        said = page.title, page.language, page.sections
        folder, slash, name = page.source_path.rpartition("/")
        if said in starts and page.source_path.startswith(starts[said]):
            continue
        kept.append(found)
        if name.startswith("index."):
            starts.setdefault(said, folder + slash)
    return kept


def make_page(html: HtmlPage, source: str, slug: str, fallback: str) -> Page:
    """Make a page. Its title is its first heading, else the `<title>`, else the fallback."""
    document = in_sections(html.items, "", _SEPARATOR.split(html.title)[0] or fallback)
    return Page(source, document.title, slug, document.sections, html.language)


def site_title(titles: Sequence[str]) -> str:
    """Return the part shared by most titles: `My Book` for `Install | My Book` and so on."""
    parts = [_SEPARATOR.split(title) for title in titles if title]
    for side in (-1, 0):
        divided = Counter(split[side] for split in parts if len(split) > 1)
        # The start page's title may be the site's title alone, so it counts here too.
        counted = Counter(split[side] for split in parts)
        for name, _ in divided.most_common(1):
            if counted[name] > 1 and 2 * counted[name] > len(parts):
                return name
    return ""
