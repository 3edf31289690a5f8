"""MkDocs: https://www.mkdocs.org, with the usual Python-Markdown and Material extensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from html import unescape
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.language.visible import normalize
from rag.models import Page
from sites.attributes import attribute_lists, trailing_words
from sites.fences import fence_titles
from sites.front_matter import lines_above, split_front_matter
from sites.include_markdown import include_markdown
from sites.includes import Includes
from sites.inline_text import plain_text
from sites.markdown import Dialect, read_tokens
from sites.mkdocs_config import CONFIGS, Site, built_pages, load_site
from sites.mkdocs_navigation import default_order, navigation
from sites.mkdocs_plugins import (
    Blog,
    Languages,
    name_jinja,
    name_objects,
    name_unread,
    objects,
)
from sites.pymarkdown import python_markdown
from sites.pymdownx import block_titles, braced_fences, fence_label, generic_blocks, icons
from sites.pymdownx_snippets import Snippets
from sites.slugs import python_markdown_slug, python_markdown_slugger
from sites.source import (
    Book,
    Request,
    file_address,
    find_above,
    humanize,
    site_path,
)

MARKDOWN = (".markdown", ".mdown", ".mkdn", ".mkd", ".md")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_TOC_MARK = re.compile(r"^\[TOC\][ \t]*$", re.MULTILINE)


def recognise(request: Request) -> bool:
    return find_above(request.folder, CONFIGS, levels=2) is not None


def read(request: Request) -> Book:
    """Read every page of the docs folder: first those in the navigation, in its order."""
    site = load_site(request)
    root, files = site.root, request.files
    theme = site.config.get("theme")
    language = str(theme.get("language") or "en") if isinstance(theme, dict) else "en"
    languages = Languages(site.plugin("i18n") or {}, language)
    paths = built_pages(site, files, sorted(files.find(root, MARKDOWN), key=default_order))
    ranks: dict[str, int] = {}
    titles: dict[str, str] = {}
    for path, name in navigation(site, files, paths):
        ranks.setdefault(path, len(ranks))
        titles[path] = titles.get(path) or " ".join(unescape(_TAG.sub("", name)).split())

    def order(path: str) -> tuple[Any, ...]:
        locale, bare = languages.split(path)
        rank = ranks.get(path, ranks.get(bare, len(ranks)))
        return locale != languages.default, locale, rank, default_order(bare)

    paths.sort(key=order)
    known = set(paths)

    def published(path: str) -> bool:
        source = PurePosixPath(path)
        twin = source.name == "README.md" and str(source.with_name("index.md")) in known
        return not twin and languages.is_built(path)

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
        self._dialect = _dialect(site)
        self._parser = self._dialect.parser()
        options = site.extensions.get("pymdownx.snippets")
        self._snippets = None if options is None else Snippets(options, site)
        self._blogs = [
            Blog(options, _blog_slug(options)) for name, options in site.plugins if name == "blog"
        ]

    def parse(self, path: str, text: str) -> Page | None:
        request, site = self._request, self._site
        losses = request.report.losses
        meta, body = split_front_matter(text, path, request.report)
        includes = Includes(request.files, site.root, path, lines_above(text, body))
        if site.plugin("include-markdown") is not None:
            body = include_markdown(body, site.root, includes)
        if site.plugin("macros") is not None and meta.get("render_macros") is not False:
            name_jinja(body, includes, losses)
        if self._snippets:
            body = self._snippets.insert(body, includes)
        includes.report()
        whole = body
        if site.has("meta"):  # what the extension removes may come from a snippet
            body = split_front_matter(body.lstrip("\n"), path, request.report)[1]
        language, bare = self._languages.split(path)
        source = PurePosixPath(bare)
        title = self._titles.get(path) or str(meta.get("title") or "")
        tokens = self._parser.parse(_TOC_MARK.sub("", body))
        name_objects(tokens, lines_above(whole, body), includes, losses)
        document = read_tokens(tokens, self._dialect, title, humanize(source.stem))
        request.report.add_all(path, document.warnings)
        place = str(source.with_name("index" if source.stem == "README" else source.stem))
        for blog in self._blogs:
            if blog.is_post(bare):
                if not blog.is_published(meta):
                    return None
                place = blog.place(bare, document.title, meta)
        place = file_address(place)
        prefix = (request.base_path or "", self._languages.prefix(language))
        if site.config.get("use_directory_urls") is False:
            slug = site_path(*prefix, f"{place}.html")
        else:
            slug = site_path(*prefix, re.sub(r"(?:^|/)index$", "", place), "")
        return Page(path, document.title, slug, document.sections, language)


def _blog_slug(options: dict[str, Any]) -> Callable[[str], str]:
    separator = str(options.get("post_slugify_separator") or "-")
    return _rule(options.get("post_slugify") or {"kwds": {"case": "lower"}}, separator)


# ---------------------------------------------------------------- anchors


def _dialect(site: Site) -> Dialect:
    attributes = site.has("attr_list", "extra", "pymdownx.extra")
    toc = site.extensions.get("toc", {})
    rule = _rule(toc.get("slugify"), str(toc.get("separator") or "-"))

    def anchor_text(tokens: Sequence[Token]) -> str:
        """Return a heading's HTML without tags: images have no text."""
        text = "".join(plain_text([t]) for t in tokens if t.type != "image")
        return " ".join(text.split())

    markdown = partial(
        python_markdown,
        in_html=site.has("md_in_html", "extra", "pymdownx.extra"),
        sane_headings=site.has("pymdownx.saneheaders"),
    )
    plugins: list[Callable[[MarkdownIt], None]] = [
        markdown,
        braced_fences,
        fence_titles(fence_label),
    ]
    if site.plugin("mkdocstrings") is not None:
        plugins.append(objects)
    if site.has("pymdownx.emoji"):
        plugins.append(icons)
    if titles := block_titles(site.extensions):
        plugins.append(generic_blocks(titles))
    if attributes:
        plugins.append(attribute_lists)
    slugger = partial(python_markdown_slugger, rule=rule)
    if attributes:
        return Dialect(slugger, tuple(plugins), anchor_text, trailing_words)
    return Dialect(slugger, tuple(plugins), anchor_text, lambda tokens: "")


def _rule(named: Any, separator: str) -> Callable[[str], str]:
    """Return the slug function configured for the toc extension."""
    if isinstance(named, dict):  # pymdownx.slugs.slugify with options
        options = named.get("kwds") if isinstance(named.get("kwds"), dict) else {}
        options = options or {}
        rule = partial(_pymdownx_slug, separator, str(options.get("case", "none")))
        encode = options.get("percent_encode") is True
        return (lambda text: quote(rule(text))) if encode else rule
    name = str(named or "")
    if name.endswith("slugify_unicode"):
        return lambda text: python_markdown_slug(text, separator, ascii_only=False)
    if "pymdownx.slugs" in name:
        last = name.rpartition(".")[2]
        case = "lower-ascii" if "gfm" in last else "none"
        case = "lower" if last.startswith("uslugify") and "cased" not in last else case
        rule = partial(_pymdownx_slug, separator, case)
        return (lambda text: quote(rule(text))) if last.endswith("encoded") else rule
    return lambda text: python_markdown_slug(text, separator)


def _pymdownx_slug(separator: str, case: str, text: str) -> str:
    """Slugify by the rule of `pymdownx.slugs`."""
    slug = normalize("NFC", text).strip()
    if case == "lower":
        slug = slug.lower()
    elif case == "fold":
        slug = slug.casefold()
    elif case == "lower-ascii":
        slug = re.sub("[A-Z]", lambda match: match[0].lower(), slug)
    return re.sub(r"[^\w\- ]", "", slug).replace(" ", separator)
