"""A folder of built HTML: the main part of each page, with the ids it really has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rag.models import Page
from sites.files import list_files, read_text
from sites.html_blocks import HtmlPage, read_page
from sites.sections import SectionBuilder
from sites.source import Book, Request, humanize, natural_key, site_path

SUFFIXES = (".html", ".htm")
NO_PAGES = re.compile(
    r"(^|/)(404|search|print|toc|genindex|py-modindex|modindex)\.html?$|(^|/)(_static|assets)/"
)

_SEPARATOR = re.compile(r"\s+(?:[|·•»–—-]|::)\s+")
"""Between a page's title and its site's."""


def recognise(folder: Path) -> bool:
    """HTML and no Markdown at the top of the folder."""
    names = [path.suffix.lower() for path in folder.iterdir() if path.is_file()]
    return any(name in SUFFIXES for name in names) and ".md" not in names


def read(request: Request) -> Book:
    """Read every page; its slug is its path, that of `index.html` its folder's."""
    pages, titles = [], []
    language, first = "en", ""
    for path in list_files(request.folder, SUFFIXES, request.report):
        if NO_PAGES.search(path):
            continue
        text = read_text(request.folder, path, request.report)
        if text is None:
            continue
        html = read_page(text)
        if html.redirects:
            continue
        source = PurePosixPath(path)
        if source.stem == "index":
            slug = site_path(request.base_path or "", str(source.parent), "")
        else:
            slug = site_path(request.base_path or "", path)
        if path == f"index{source.suffix}":
            language, first = html.language or "en", html.title
        titles.append(html.title)
        page = make_page(html, path, slug, humanize(source.stem), language)
        place = [natural_key(part) for part in source.with_suffix("").parts]
        pages.append(((source.stem != "index", place), page))
    pages.sort(key=lambda item: item[0])
    title = site_title(titles) or first
    return Book(title, language, "html", tuple(page for _, page in pages))


def make_page(html: HtmlPage, source: str, slug: str, fallback: str, language: str = "en") -> Page:
    """A page of its parts; its title is its first heading, else what its head says."""
    sections = SectionBuilder("")
    for item in html.items:
        sections.add(item)
    document = sections.finish(_SEPARATOR.split(html.title)[0] or fallback)
    return Page(source, document.title, slug, document.sections, html.language or language)


def site_title(titles: Sequence[str]) -> str:
    """What most titles end, or begin, with: `Install | My Book`, `Use | My Book` -> `My Book`."""
    parts = [_SEPARATOR.split(title) for title in titles if title]
    for side in (-1, 0):
        divided = Counter(split[side] for split in parts if len(split) > 1)
        counted = Counter(split[side] for split in parts)  # the start page's may be all of it
        for name, _ in divided.most_common(1):
            if counted[name] > 1 and 2 * counted[name] > len(parts):
                return name
    return ""
