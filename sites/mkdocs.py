"""MkDocs: https://www.mkdocs.org, with the usual Python-Markdown and Material extensions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it.token import Token

from rag.language.visible import normalize
from rag.models import Page
from sites.attributes import attribute_lists
from sites.files import real_path
from sites.front_matter import load_yaml, split_front_matter
from sites.includes import Include, Includes
from sites.inline_text import plain_text
from sites.markdown import Dialect, read_markdown
from sites.pymarkdown import python_markdown
from sites.slugs import python_markdown_slug, python_markdown_slugger
from sites.source import Book, Request, find_above, humanize, natural_key, site_path

MARKDOWN = (".markdown", ".mdown", ".mkdn", ".mkd", ".md")
CONFIGS = ("mkdocs.yml", "mkdocs.yaml", "properdocs.yml", "zensical.yml")
_ICON = re.compile(r":[a-z0-9_+][\w+-]*:")
_SNIPPET = re.compile(r"^([ \t]{0,100})-+8<-+[ \t]+\"([^\"\n]+)\"[ \t]*$", re.MULTILINE)
_TOC_MARK = re.compile(r"^\[TOC\][ \t]*$", re.MULTILINE)


def recognise(request: Request) -> bool:
    return find_above(request.folder, CONFIGS, levels=2) is not None


@dataclass(frozen=True, slots=True)
class _Site:
    """The settings needed from `mkdocs.yml`."""

    root: Path
    config: dict[str, Any]
    extensions: dict[str, dict[str, Any]]

    def has(self, *names: str) -> bool:
        return any(name in self.extensions for name in names)


def read(request: Request) -> Book:
    """Read every page of the docs folder: first those in the navigation, in its order."""
    site = _site(request)
    root, report = site.root, request.report
    dialect = _dialect(site)
    parser = dialect.parser()
    theme = site.config.get("theme")
    language = str(theme.get("language") or "en") if isinstance(theme, dict) else "en"
    directory_urls = site.config.get("use_directory_urls") is not False
    navigation = list(_navigation(site.config.get("nav")))
    titles = dict(navigation)
    paths = request.files.find(root, MARKDOWN)
    excluded = str(site.config.get("exclude_docs") or "").split()
    ranks = {path: rank for rank, (path, _) in enumerate(navigation)}
    paths.sort(key=lambda path: (ranks.get(path, len(ranks)), _default_order(path)))
    known = set(paths)

    def published(path: str) -> bool:
        source = PurePosixPath(path)
        twin = source.name == "README.md" and str(source.with_name("index.md")) in known
        return not twin and not _matches(path, excluded)

    def parse(path: str, text: str) -> Page:
        source = PurePosixPath(path)
        meta, body = split_front_matter(text, path, report)
        if site.has("pymdownx.snippets"):
            includes = Includes(request.files, root, path)
            body = includes.expand(body, _SNIPPET, partial(_snippet, site))
            includes.report()
        title = titles.get(path) or str(meta.get("title") or "")
        body = _TOC_MARK.sub("", body)
        document = read_markdown(body, dialect, parser, title, humanize(source.stem))
        report.add_all(path, document.warnings)
        stem = "index" if source.stem == "README" else source.stem
        if not directory_urls:
            slug = site_path(request.base_path or "", str(source.parent), f"{stem}.html")
        else:
            last = "" if stem == "index" else stem
            slug = site_path(request.base_path or "", str(source.parent), last, "")
        return Page(path, document.title, slug, document.sections, language)

    pages = request.files.pages(root, filter(published, paths), parse)
    title = str(site.config.get("site_name") or "")
    url = str(site.config.get("site_url") or "")
    return Book(title, language, "mkdocs", tuple(pages), site_url=url.rstrip("/"))


def _site(request: Request) -> _Site:
    found = request.find_site(CONFIGS, levels=2)
    if found is None:
        return _Site(request.folder, {}, {})
    config = load_yaml(request.files, found.parent, found.name)
    inherited = config.get("INHERIT")
    if isinstance(inherited, str):
        config = {**load_yaml(request.files, found.parent, inherited), **config}
    root = request.folder
    if real_path(root) == found.parent:
        named = str(config.get("docs_dir") or "docs")
        root = request.files.subfolder(found.parent, named, found.name) or root
    return _Site(root, config, dict(_extensions(config.get("markdown_extensions"))))


def _extensions(listed: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield extension names and options; the configuration may be a list or a mapping."""
    entries = list(listed.items()) if isinstance(listed, dict) else []
    entries += [(entry, None) for entry in listed] if isinstance(listed, list) else []
    for entry, options in entries:
        if isinstance(entry, dict):
            yield from _extensions(entry)
        else:
            yield str(entry), options if isinstance(options, dict) else {}


def _navigation(items: Any, title: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, title) of the pages in `nav`."""
    if isinstance(items, str):
        if "://" not in items:
            yield site_path(items), title
    elif isinstance(items, dict | list):
        pairs = items.items() if isinstance(items, dict) else (("", inner) for inner in items)
        for name, inner in pairs:
            yield from _navigation(inner, str(name))


def _default_order(path: str) -> list[Any]:
    """Return the sort key without a navigation: the index first, then files, then folders."""
    *folders, name = path.split("/")
    stem = PurePosixPath(name).stem
    key: list[Any] = [(2, natural_key(folder)) for folder in folders]
    return [*key, (0 if stem in ("index", "README") else 1, natural_key(stem))]


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """Match common .gitignore patterns: names, folders, globs, and `!` for exceptions."""
    hit = False
    for pattern in patterns:
        bare = pattern.lstrip("!").strip("/")
        below = fnmatch(path, f"{bare}/*") or fnmatch(path, f"*/{bare}/*")
        anywhere = fnmatch(path, f"*/{bare}") and "/" not in pattern.lstrip("!").rstrip("/")
        if fnmatch(path, bare) or below or anywhere:
            hit = not pattern.startswith("!")
    return hit


def _snippet(site: _Site, match: re.Match[str], folder: Path) -> Include:
    """Return the file that a snippet line names, indented like the line."""
    base = site.extensions.get("pymdownx.snippets", {}).get("base_path", ".")
    bases = base if isinstance(base, list) and base else [base]
    places = [real_path(site.root.parent) / str(each) / match[2] for each in bases]
    place = next((place for place in places if os.path.isfile(place)), places[0])
    return Include(match[2], place, partial(_indent, match[1]))


def _indent(indent: str, text: str) -> str:
    return "\n".join(indent + line for line in text.splitlines())


# ---------------------------------------------------------------- anchors


def _dialect(site: _Site) -> Dialect:
    icons = site.has("pymdownx.emoji", "material.extensions.emoji")
    attributes = site.has("attr_list", "extra", "markdown.extensions.attr_list", "pymdownx.extra")
    toc = {**site.extensions.get("markdown.extensions.toc", {}), **site.extensions.get("toc", {})}
    rule = _rule(toc.get("slugify"), str(toc.get("separator") or "-"))

    def anchor_text(tokens: Sequence[Token]) -> str:
        """Return a heading's HTML without tags: images have no text."""
        text = "".join(plain_text([t]) for t in tokens if t.type != "image")
        return " ".join((_ICON.sub("", text) if icons else text).split())

    slugger = partial(python_markdown_slugger, rule=rule)
    if attributes:
        return Dialect(slugger, (python_markdown, attribute_lists), anchor_text)
    return Dialect(slugger, (python_markdown,), anchor_text, lambda tokens: "")


def _rule(named: Any, separator: str) -> Callable[[str], str]:
    """Return the slug function configured for the toc extension."""
    if isinstance(named, dict):  # pymdownx.slugs.slugify with options
        options = named.get("kwds") if isinstance(named.get("kwds"), dict) else {}
        return partial(_pymdownx_slug, separator, str((options or {}).get("case", "none")))
    name = str(named or "")
    if name.endswith("slugify_unicode"):
        return lambda text: python_markdown_slug(text, separator, ascii_only=False)
    if "pymdownx.slugs" in name:
        return partial(_pymdownx_slug, separator, "lower" if "uslugify" in name else "none")
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
