"""MkDocs: https://www.mkdocs.org, with the usual Python-Markdown and Material extensions."""

from __future__ import annotations

import re
from html import unescape
from pathlib import PurePosixPath
from typing import Any

from rag.models import Block, Page
from sites.front_matter import lines_above, split_front_matter, split_keys
from sites.html_blocks import read_fragment
from sites.include_markdown import include_markdown
from sites.includes import Includes
from sites.languages import language_tag
from sites.mdx_include import EXTENSIONS, mdx_include
from sites.mkdocs_blog import Blog
from sites.mkdocs_config import CONFIGS, MARKDOWN, Site, built_pages, load_site
from sites.mkdocs_languages import Languages
from sites.mkdocs_losses import (
    hook_source,
    name_executed,
    name_hooked,
    name_jinja,
    name_objects,
    name_template,
    name_unread,
)
from sites.mkdocs_navigation import default_order, navigation
from sites.pymarkdown import Renderer
from sites.pymdownx_snippets import Snippets
from sites.sections import UNCLOSED_COMMENT, in_sections
from sites.source import Book, Request, file_address, find_above, humanize, site_path

_TAG = re.compile(r"<[^<>]{0,1000}>")


def recognise(request: Request) -> bool:
    return find_above(request.folder, CONFIGS, levels=2) is not None


def read(request: Request) -> Book:
    """Read every page of the docs folder: first those in the navigation, in its order."""
    site = load_site(request)
    root, files = site.root, request.files
    language = language_tag(site.theme.get("language")) or "en"
    languages = Languages(site.plugin("i18n") or {}, language)
    paths = built_pages(site, sorted(files.find(root, MARKDOWN), key=default_order))
    ranks: dict[str, int] = {}
    titles: dict[str, str] = {}
    known = set(paths)
    bare_paths = {languages.split(path)[1] for path in paths}
    for path, name in navigation(site, paths, known | bare_paths):
        ranks.setdefault(path, len(ranks))
        titles[path] = titles.get(path) or " ".join(unescape(_TAG.sub("", name)).split())

    def order(path: str) -> tuple[Any, ...]:
        locale, bare = languages.split(path)
        rank = ranks.get(path, ranks.get(bare, len(ranks)))
        return locale != languages.default, locale, rank, default_order(bare)

    paths.sort(key=order)

    def published(path: str) -> bool:
        source = PurePosixPath(path)
        twin = source.name == "README.md" and str(source.with_name("index.md")) in known
        return not twin and languages.is_built(path) and path.startswith(site.part)

    name_unread(site)
    parse = _Pages(request, site, titles, languages).parse
    pages = files.pages(root, filter(published, paths), parse)
    title = str(site.config.get("site_name") or "")
    url = str(site.config.get("site_url") or "")
    return Book(title, languages.default, "mkdocs", tuple(pages), site_url=url.rstrip("/"))


class _Pages:
    """Reads the pages of one site."""

    def __init__(
        self, request: Request, site: Site, titles: dict[str, str], languages: Languages
    ) -> None:
        self._request = request
        self._site = site
        self._titles = titles
        self._languages = languages
        self._renderer = Renderer(site)
        self._hooks = hook_source(site)
        options = site.extensions.get("pymdownx.snippets")
        self._snippets = None if options is None else Snippets(options, site)
        self._blogs = [Blog(options) for name, options in site.plugins if name == "blog"]

    def parse(self, path: str, text: str) -> Page | None:
        report, site = self._request.report, self._site
        meta, body = split_front_matter(text, path, report)
        if body is text:
            meta, body = split_keys(text)
        language, bare = self._languages.split(path)
        blog = next((blog for blog in self._blogs if blog.is_post(bare)), None)
        if blog and not blog.is_published(meta):
            return None
        includes = Includes(self._request.files, site.root, path, lines_above(text, body))
        if (options := site.plugin("include-markdown")) is not None:
            body = include_markdown(body, options, site.root, includes)
        name_jinja(path, meta, body, site, includes)
        if site.has(*EXTENSIONS):
            body = mdx_include(body, site, includes)
        if self._snippets:
            body = self._snippets.insert(body, includes)
        name_executed(body, site, includes)
        name_hooked(path, body, self._hooks, includes, report.losses)
        includes.report()
        html = self._renderer.html(body)
        name_objects(self._renderer.objects, body, includes, report.losses)
        name_template(meta, text, site)
        if any("&lt;!--" in part.rpartition("</code>")[2] for part in html.split("<code")):
            report.add(path, UNCLOSED_COMMENT)
        # A heading without words may get them, and its anchor, from the theme or a hook.
        items = [item for item in read_fragment(html) if isinstance(item, Block) or item.words]
        source = PurePosixPath(bare)
        named = self._titles.get(path) or self._titles.get(bare, "")
        title = self._languages.title(language, named) or str(meta.get("title") or "")
        document = in_sections(items, title, named or humanize(source.stem))
        place = str(source.with_name("index" if source.stem == "README" else source.stem))
        if blog:
            place = blog.place(bare, document.title, meta)
        slug = self._slug(file_address(place), language)
        return Page(path, document.title, slug, document.sections, language)

    def _slug(self, place: str, language: str) -> str:
        prefix = (self._request.base_path or "", self._languages.prefix(language))
        if self._site.config.get("use_directory_urls") is False:
            return site_path(*prefix, f"{place}.html")
        return site_path(*prefix, re.sub(r"(?:^|/)index$", "", place), "")
