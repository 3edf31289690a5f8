"""Docusaurus: https://docusaurus.io, version 2 and 3."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

from rag.models import Page
from sites.docusaurus_dialect import rules
from sites.docusaurus_paths import (
    doc_id,
    doc_order,
    doc_slug,
    number,
    page_slug,
    post_slug,
    strip_number,
)
from sites.docusaurus_site import EXCLUDED, Site, Source, read_site, read_sources
from sites.files import real_path
from sites.front_matter import lines_above, load_yaml, split_front_matter
from sites.globs import matches
from sites.markdown import Dialect, read_tokens
from sites.partials import Partials
from sites.sidebars import arrange, read_sidebars
from sites.source import Book, Request, find_above, site_path

_NAMES = tuple(f"docusaurus.config.{ending}" for ending in ("js", "ts", "mjs", "cjs", "mts"))
CONFIGS = (*_NAMES, *(f"website/{name}" for name in _NAMES))
LEVELS = 5
"""Folders between a site and its translated pages, `i18n/de/<plugin>/current`, and one more."""
_SUFFIXES = (".md", ".mdx")
_PROGRAMS = (".js", ".jsx", ".ts", ".tsx")
_CATEGORIES = ("_category_.json", "_category_.yml", "_category_.yaml")
_HEAD = re.compile(
    rb"\A---.*^(sidebar_(label|position)|slug|hide_title|pagination_(next|prev)):", re.M | re.S
)


def recognise(request: Request) -> bool:
    """Look for a configuration, category files, MDX, or Docusaurus front matter."""
    if is_configured(request):
        return True
    if request.files.find(request.folder, (".mdx", *_CATEGORIES), quiet=True):
        return True
    pages = request.files.find(request.folder, (".md",), quiet=True)[:40]
    return any(_HEAD.search(request.files.head(request.folder / path, 600)) for path in pages)


def is_configured(request: Request) -> bool:
    """Return whether there is a configuration; without one, Docusaurus is a guess."""
    return find_above(request.folder, CONFIGS, LEVELS) is not None


def read(request: Request) -> Book:
    """Read the docs of the latest version, the blog and the pages, in every language."""
    site, sources = _settings(request)
    top = Path(os.path.commonpath([source.folder for source in sources if source.folder]))
    if len(sources) == 1 and real_path(request.folder).is_relative_to(top):
        top = real_path(request.folder)
    reader = _Reader(request, site, top)
    pages = [page for source in sources for page in reader.read(source)]
    return Book(site.title, site.language, "docusaurus", tuple(pages), site_url=site.url)


def _settings(request: Request) -> tuple[Site, list[Source]]:
    """Return the site and the folders of pages to read."""
    site, sources = _find_sources(request)
    if request.base_path is not None:
        main = next((source for source in sources if source.kind == "docs"), sources[0])
        folder, whole = real_path(request.folder), main.folder
        folder = folder if whole is None or folder.is_relative_to(whole) else whole
        sources[sources.index(main)] = replace(main, base=request.base_path, folder=folder)
    return site, sources


def _find_sources(request: Request) -> tuple[Site, list[Source]]:
    files, folder = request.files, real_path(request.folder)
    found = request.find_site(CONFIGS, LEVELS)
    if found is None:
        site = read_site(files, folder)
        return site, [_default(site, real_path(_only_docs(request) or folder))]
    if not folder.is_relative_to(found.parent):
        files.widen(found.parent.parent)
    site = read_site(files, found.parent, found.name)
    known = read_sources(files, site)
    docs = next((each for each in known if each.kind == "docs" and each.published), None)
    there = [each for each in known if each.folder and os.path.isdir(each.folder)]
    if site.folder.is_relative_to(folder):
        published = [each for each in there if each.published]
        return site, published or [_default(site, site.folder, docs)]
    if inside := [each for each in there if each.folder and folder.is_relative_to(each.folder)]:
        return site, [max(inside, key=lambda each: len(str(each.folder)))]
    below = [each for each in there if each.folder and each.folder.is_relative_to(folder)]
    return site, below or [_default(site, folder, docs)]


def _default(site: Site, folder: Path, docs: Source | None = None) -> Source:
    """Return a folder that no plugin names as docs."""
    if docs:
        return replace(docs, folder=folder)
    return Source("docs", "default", folder, "docs", site.language, {})


def _only_docs(request: Request) -> Path | None:
    """Return the folder `docs` if all Markdown is in it: a site without its configuration."""
    names = request.files.find(request.folder, (".md", ".mdx"), quiet=True)
    pages = [name for name in names if PurePosixPath(name).name.lower() != "readme.md"]
    inside = pages and all(name.startswith("docs/") for name in pages)
    return request.folder / "docs" if inside else None


class _Kept(NamedTuple):
    """A page, its sort key and the id that sidebars use."""

    key: Any
    name: str
    page: Page


class _Reader:
    """Reads one folder of pages after another."""

    def __init__(self, request: Request, site: Site, top: Path) -> None:
        """Source paths of pages are relative to `top`."""
        self._request, self._site, self._top = request, site, top
        self._partials = Partials(request.files, top, site.scripts)

    def read(self, source: Source) -> Sequence[Page]:
        """Return a folder's pages in their order."""
        files, config = self._request.files, self._site.config
        place = source.folder or self._top
        start = self._top if self._top.is_relative_to(place) else place
        inner = _prefix(start, place)
        shown = _prefix(start, self._top)
        positions = _category_positions(place, self._request) if source.kind == "docs" else {}
        included = config.texts("include", within=source.options) or ["**"]
        excluded = config.get("exclude", within=source.options)
        excluded = EXCLUDED if excluded is None else config.texts("exclude", within=source.options)

        def published(path: str) -> bool:
            place = inner + path
            if source.original and not os.path.isfile(source.original / place):
                return False
            return matches(place, included) and not matches(place, excluded)

        def parse(path: str, text: str) -> _Kept | None:
            return self._page(source, inner + path.removeprefix(shown), path, text, positions)

        found = filter(published, files.find(start, _SUFFIXES))
        pages = files.pages(self._top, [shown + path for path in found], parse)
        if source.kind == "pages":
            for path in filter(published, files.find(start, _PROGRAMS, quiet=True)):
                if not path.endswith(".d.ts"):
                    kind = "pages are not Markdown and were left out"
                    files.report.losses.add(kind, f"{shown}{path}:1")
        pages.sort(key=lambda item: item.key, reverse=source.kind == "blog")
        if source.kind != "docs":
            return [item.page for item in pages]
        documents = [(item.name, item.page.source_path, item.page) for item in pages]
        return arrange(documents, read_sidebars(self._site.scripts, source.sidebars))

    def _page(
        self, source: Source, inner: str, path: str, text: str, positions: dict[str, float]
    ) -> _Kept | None:
        """Read one page: `inner` is its path in the plugin's folder, `path` that in the book."""
        meta, body = split_front_matter(text.lstrip(), path, self._request.report)
        # Unlisted pages are for people who were given the address; drafts are not published.
        if meta.get("draft") is True or meta.get("unlisted") is True:
            return None
        slug, key = self._address(source, inner, meta, positions)
        slug = site_path(source.base, slug).replace("#", "%23").replace("?", "%3F")
        above = lines_above(text, body)
        tokens = self._partials.read(path, meta, body, above, partial(self._rules, source))
        dialect, _ = self._rules(source, path, meta)
        fallback = str(meta.get("id") or strip_number(PurePosixPath(inner).stem)[0])
        document = read_tokens(tokens, dialect, str(meta.get("title") or ""), fallback)
        self._request.report.add_all(path, document.warnings)
        slash = self._site.trailing_slash
        if slash is not None:
            slug = slug.rstrip("/") + ("/" if slash and slug.strip("/") else "")
        done = Page(path, document.title, slug, document.sections, source.language)
        return _Kept(key, doc_id(inner, meta), done)

    def _address(
        self, source: Source, inner: str, meta: dict[str, Any], positions: dict[str, float]
    ) -> tuple[str, Any]:
        """Return a page's path below its plugin's, and its sort key."""
        if source.kind == "blog":
            return post_slug(inner, meta)
        if source.kind == "pages":
            return page_slug(inner, meta), inner
        config = self._site.config
        numbers = config.get("numberPrefixParser", within=source.options)
        if numbers is False:
            meta["parse_number_prefixes"] = False
        elif numbers not in (None, True):
            config.ignored("numberPrefixParser", within=source.options)
        return doc_slug(inner, meta), doc_order(inner, meta, positions)

    def _rules(
        self, source: Source, path: str, meta: Mapping[str, Any]
    ) -> tuple[Dialect, MarkdownIt]:
        """Return the dialect of a page or partial, and its parser."""
        own = meta.get("mdx")
        form = own.get("format") if isinstance(own, dict) else None
        form = form or self._site.markdown
        is_mdx = form != "md" and (form != "detect" or path.endswith(".mdx"))
        site = self._site
        emojis = site.config.flag("markdown", "emoji") is not False
        return rules(
            is_mdx=is_mdx, math=source.math, emojis=emojis, magic_comments=site.magic_comments
        )


def _prefix(place: Path, root: Path) -> str:
    """Return the path of a folder below another one, with a slash, or ""."""
    below = place.relative_to(root).as_posix()
    return "" if below == "." else f"{below}/"


def _category_positions(root: Path, request: Request) -> dict[str, float]:
    positions: dict[str, float] = {}
    for path in request.files.find(root, _CATEGORIES, quiet=True):
        data = load_yaml(request.files, root, path)  # JSON is YAML
        position = number(data.get("position"))
        if position is not None:
            positions[path.rpartition("/")[0]] = position
    return positions
