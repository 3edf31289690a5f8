"""A folder of built HTML: the main part of each page, with the ids it really has."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from rag.types import Page
from sites.files import list_files, read_text
from sites.fragments import read_page
from sites.sections import SectionBuilder
from sites.source import Book, Request, humanize, natural_key, site_path

SUFFIXES = (".html", ".htm")
_NO_PAGES = re.compile(
    r"(^|/)(404|search|print|toc|genindex|py-modindex|modindex)\.html?$|(^|/)(_static|assets)/"
)


def recognise(folder: Path) -> bool:
    """HTML and no Markdown at the top of the folder."""
    names = [path.suffix.lower() for path in folder.iterdir() if path.is_file()]
    return any(name in SUFFIXES for name in names) and ".md" not in names


def read(request: Request) -> Book:
    """Read every page; its slug is its path, that of `index.html` its folder's."""
    pages = []
    language, title = "en", ""
    for path in list_files(request.folder, SUFFIXES, request.report):
        if _NO_PAGES.search(path):
            continue
        text = read_text(request.folder, path, request.report)
        if text is None:
            continue
        html = read_page(text)
        if html.redirects:
            continue
        source = PurePosixPath(path)
        sections = SectionBuilder("")
        for item in html.items:
            sections.add(item)
        document = sections.finish(html.title or humanize(source.stem))
        if source.stem == "index":
            slug = site_path(request.base_path or "", str(source.parent), "")
        else:
            slug = site_path(request.base_path or "", path)
        if path == f"index{source.suffix}":
            language, title = html.language or "en", html.title
        page = Page(path, document.title, slug, document.sections, html.language or language)
        place = [natural_key(part) for part in source.with_suffix("").parts]
        pages.append(((source.stem != "index", place), page))
    pages.sort(key=lambda item: item[0])
    return Book(title, language, "html", tuple(page for _, page in pages))
