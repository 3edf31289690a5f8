"""MkDocs: https://www.mkdocs.org, with the usual Python-Markdown and Material extensions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it.token import Token

from rag.models import Page
from sites.attributes import attribute_lists
from sites.files import list_files, load_yaml, read_text, real_path, split_front_matter
from sites.inline_text import plain_text
from sites.markdown import Dialect, read_markdown
from sites.pymarkdown import python_markdown
from sites.slugs import python_markdown_slug, python_markdown_slugger
from sites.source import Book, Request, find_above, humanize, natural_key, site_path

MARKDOWN = (".markdown", ".mdown", ".mkdn", ".mkd", ".md")
CONFIGS = ("mkdocs.yml", "mkdocs.yaml", "properdocs.yml", "zensical.yml")
_ICON = re.compile(r":[a-z0-9_+][\w+-]*:")
_SNIPPET = re.compile(r"^([ \t]*)-+8<-+[ \t]+\"([^\"\n]+)\"[ \t]*$", re.MULTILINE)
_TOC_MARK = re.compile(r"^\[TOC\][ \t]*$", re.MULTILINE)


def recognise(folder: Path) -> bool:
    return find_above(folder, CONFIGS, levels=2) is not None


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
    paths = list_files(root, MARKDOWN, report)
    excluded = str(site.config.get("exclude_docs") or "").split()
    ranks = {path: rank for rank, (path, _) in enumerate(navigation)}
    paths.sort(key=lambda path: (ranks.get(path, len(ranks)), _default_order(path)))
    pages = []
    for path in paths:
        source = PurePosixPath(path)
        twin = str(source.with_name("index.md"))
        if _matches(path, excluded) or (source.name == "README.md" and twin in paths):
            continue
        text = read_text(root, path, report)
        if text is None:
            continue
        meta, body = split_front_matter(text, path, report)
        if site.has("pymdownx.snippets"):
            body = _SNIPPET.sub(partial(_snippet, site), body)
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
        pages.append(Page(path, document.title, slug, document.sections, language))
    title = str(site.config.get("site_name") or "")
    url = str(site.config.get("site_url") or "")
    return Book(title, language, "mkdocs", tuple(pages), site_url=url.rstrip("/"))


def _site(request: Request) -> _Site:
    found = find_above(request.folder, CONFIGS, levels=2)
    if found is None:
        return _Site(request.folder, {}, {})
    config = load_yaml(found.parent, found.name, request.report)
    inherited = config.get("INHERIT")
    if isinstance(inherited, str) and (found.parent / inherited).is_file():
        config = {**load_yaml(found.parent, inherited, request.report), **config}
    root = found.parent / str(config.get("docs_dir") or "docs")
    folder = request.folder.resolve()
    if folder != found.parent.resolve() or not root.is_dir():
        root = request.folder
    return _Site(root, config, dict(_extensions(config.get("markdown_extensions"))))


def _extensions(listed: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield extension names and options; the configuration may be a list or a mapping."""
    entries = listed.items() if isinstance(listed, dict) else ((e, None) for e in listed or ())
    for entry, options in entries:
        if isinstance(entry, dict):
            yield from _extensions(entry)
        else:
            yield str(entry), options if isinstance(options, dict) else {}


def _navigation(
    items: Any, title: str = "", depth: int = 0, seen: set[int] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (path, title) of the pages in `nav`; YAML aliases can make it circular."""
    seen = set() if seen is None else seen
    if isinstance(items, str):
        if "://" not in items:
            yield site_path(items), title
    elif isinstance(items, dict | list) and depth < 50 and id(items) not in seen:
        seen.add(id(items))
        pairs = items.items() if isinstance(items, dict) else (("", inner) for inner in items)
        for name, inner in pairs:
            yield from _navigation(inner, str(name), depth + 1, seen)


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


def _snippet(site: _Site, match: re.Match[str]) -> str:
    """Return the file named in a snippet line if it is inside the site."""
    base = site.extensions.get("pymdownx.snippets", {}).get("base_path", ".")
    home = site.root.parent.resolve()
    for folder in base if isinstance(base, list) else [base]:
        target = real_path(home / str(folder) / match[2])
        if target.is_relative_to(home) and target.is_file() and target.stat().st_size < 1_000_000:
            text = target.read_text("utf-8", errors="replace")
            return "\n".join(match[1] + line for line in text.splitlines())
    return ""


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
    slug = unicodedata.normalize("NFC", text).strip()
    if case == "lower":
        slug = slug.lower()
    elif case == "fold":
        slug = slug.casefold()
    elif case == "lower-ascii":
        slug = re.sub("[A-Z]", lambda match: match[0].lower(), slug)
    return re.sub(r"[^\w\- ]", "", slug).replace(" ", separator)
