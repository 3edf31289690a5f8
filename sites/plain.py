"""Read a plain folder of Markdown as GitHub renders it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt

from rag.models import Page
from sites.directives import directives
from sites.files import MARKDOWN, list_files, read_text, split_front_matter
from sites.markdown import Dialect, read_markdown
from sites.slugs import github_slugger
from sites.source import Book, Request, humanize, natural_key, site_path

DIALECT = Dialect(slugger=github_slugger, plugins=(directives,))


def recognise(folder: Path) -> bool:
    """Accept any folder."""
    return True


def read(request: Request) -> Book:
    """Read every Markdown file as a page; its slug is its path without the suffix."""
    parser: MarkdownIt = DIALECT.parser()
    pages = []
    for path in list_files(request.folder, MARKDOWN, request.report):
        text = read_text(request.folder, path, request.report)
        if text is None:
            continue
        meta, body = split_front_matter(text, path, request.report)
        source = PurePosixPath(path)
        index = source.stem.lower() in ("index", "readme")
        place = source.parent if index else source.with_suffix("")
        fallback = humanize(source.parent.name if index and source.parent.name else source.stem)
        document = read_markdown(body, DIALECT, parser, str(meta.get("title") or ""), fallback)
        request.report.add_all(path, document.warnings)
        slug = site_path(request.base_path or "", str(place))
        language = str(meta.get("lang") or "en")
        page = Page(path, document.title, slug, document.sections, language)
        key = [natural_key(part) for part in place.parts]
        pages.append(((key, not index), page))
    pages.sort(key=lambda item: item[0])
    return Book("", "en", "plain", tuple(page for _, page in pages))
