"""Read a plain folder of Markdown as GitHub renders it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from markdown_it import MarkdownIt

from rag.models import Page
from sites.alerts import alerts
from sites.directives import directives
from sites.files import MARKDOWN
from sites.front_matter import split_front_matter
from sites.languages import language_tag
from sites.markdown import Dialect, read_markdown
from sites.source import Book, Request, file_address, humanize, natural_key, site_path

DIALECT = Dialect(plugins=(directives, alerts))


def recognise(request: Request) -> bool:
    """Accept any folder."""
    return True


def read(request: Request) -> Book:
    """Read every Markdown file as a page; its slug is its path without the suffix."""
    parser: MarkdownIt = DIALECT.parser()

    def parse(path: str, text: str) -> tuple[Any, Page]:
        """Return the page and its sort key."""
        meta, body = split_front_matter(text, path, request.report)
        source = PurePosixPath(path)
        index = source.stem.lower() in ("index", "readme")
        place = source.parent if index else source.with_suffix("")
        fallback = humanize(source.parent.name if index and source.parent.name else source.stem)
        document = read_markdown(body, DIALECT, parser, str(meta.get("title") or ""), fallback)
        request.report.add_all(path, document.warnings)
        slug = site_path(request.base_path or "", file_address(str(place)))
        language = language_tag(meta.get("lang", meta.get("language")))
        page = Page(path, document.title, slug, document.sections, language)
        return ([natural_key(part) for part in place.parts], not index), page

    paths = request.files.find(request.folder, MARKDOWN)
    pages = request.files.pages(request.folder, paths, parse)
    pages.sort(key=lambda item: item[0])
    return Book("", "", "plain", tuple(page for _, page in pages))
