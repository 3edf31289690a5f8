"""Docusaurus: https://docusaurus.io, version 2 and 3.

The rules follow @docusaurus/plugin-content-docs (slug.js, docs.js, numberPrefix.js) and
@docusaurus/mdx-loader (remark/headings).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it.token import Token

from rag.models import Page
from sites.directives import directives
from sites.files import Files, Report, real_path
from sites.front_matter import load_yaml, split_front_matter
from sites.includes import Include, Includes
from sites.inline_text import plain_text
from sites.javascript import read_script
from sites.markdown import Dialect, give_anchors, read_tokens
from sites.mdx import mdx
from sites.sidebars import arrange, find_sidebars, read_sidebars
from sites.slugs import github_slugger
from sites.source import Book, Request, find_above, natural_key, site_path

CONFIGS = tuple(f"docusaurus.config.{ending}" for ending in ("js", "ts", "mjs", "cjs", "mts"))
_CATEGORIES = ("_category_.json", "_category_.yml", "_category_.yaml")
_HEAD = re.compile(
    rb"\A---.*^(sidebar_(label|position)|slug|hide_title|pagination_(next|prev)):", re.M | re.S
)
_IMPORT = re.compile(r"import\s+(\w+)\s+from\s+['\"]([^'\"]+\.mdx?)['\"]")
_DATED = re.compile(r"\d+[-_.]\d+")
_PREFIX = re.compile(r"(\d+)\s*[-_.]+\s*([^-_.\s].*)", re.DOTALL)
_TEXT_DIRECTIVE = re.compile(r"(?<!:):[A-Za-z][\w-]*(?![\w:-])")
_CLASSIC_ID = re.compile(r"(?<!\s)\s*+\{#((?:.(?!\{#|\}))*+.)\}$")
_COMMENT_ID = re.compile(r"\s*/\*\s*#([^\s*]++).*\*/\s*", re.DOTALL)


def recognise(request: Request) -> bool:
    """Look for a configuration, category files, MDX, or Docusaurus front matter."""
    if find_above(request.folder, CONFIGS):
        return True
    if request.files.find(request.folder, (".mdx", *_CATEGORIES), quiet=True):
        return True
    pages = request.files.find(request.folder, (".md",), quiet=True)[:40]
    return any(_HEAD.search(request.files.head(request.folder / path, 600)) for path in pages)


def strip_number(name: str) -> tuple[str, int | None]:
    """Split `01-intro` into (`intro`, 1). Dates and versions such as `2021-11-foo` stay whole."""
    match = None if _DATED.match(name) else _PREFIX.fullmatch(name)
    return (match[2], int(match[1])) if match else (name, None)


def _anchor_text(tokens: Sequence[Token]) -> str:
    """Return a heading's text like mdast-util-to-string, where a `:name` directive is empty."""
    parts = []
    for token in tokens:
        if token.type == "text":
            parts.append(_TEXT_DIRECTIVE.sub("", token.content))
        elif token.type == "mdx_expression":
            parts.append(token.content)
        else:
            parts.append(plain_text([token]))
    return "".join(parts)


def _heading_id(tokens: list[Token]) -> str:
    """Remove an id written `{#id}` or `{/* #id */}` from the end of a heading and return it."""
    if tokens and tokens[-1].type == "mdx_expression":
        comment = _COMMENT_ID.fullmatch(tokens[-1].content)
        if comment:
            tokens.pop()
            if tokens and tokens[-1].type == "text":
                tokens[-1].content = tokens[-1].content.rstrip()
            return comment[1]
    if tokens and tokens[-1].type == "text":
        match = _CLASSIC_ID.search(tokens[-1].content)
        if match:
            tokens[-1].content = tokens[-1].content[: match.start()]
            return match[1].strip()
    return ""


_MAGIC = re.compile(
    r"^[ \t]*(?://|#|--|%|;|/\*|\{/\*|<!--)[ \t]*highlight-(?:next-line|start|end)[^\n]*\n?",
    re.MULTILINE,
)


def _shown_code(code: str, info: str) -> str:
    """Remove comments that only control highlighting."""
    return _MAGIC.sub("", code) if "highlight-" in code else code


DIALECT = Dialect(
    slugger=github_slugger,
    plugins=(mdx, directives),
    anchor_text=_anchor_text,
    heading_id=_heading_id,
    h1_has_anchor=False,
    shown_code=_shown_code,
)


@dataclass(frozen=True, slots=True)
class _Docs:
    """Settings of the docs plugin."""

    folder: Path
    base_path: str
    title: str
    site: Path
    """Folder that pages may import from."""
    language: str = "en"
    site_url: str = ""
    sidebars: str | None = None
    """File with the order of the pages, below `site`."""
    trailing_slash: bool | None = None


def read(request: Request) -> Book:
    """Read the docs of the site's latest version in its default language."""
    docs = _read_settings(request)
    root, report = docs.folder, request.report
    partials = _Partials(request.files, docs)
    ids: dict[str, str] = {}
    positions = _category_positions(root, request)

    def parse(path: str, text: str) -> tuple[list[Any], Page] | None:
        """Return the page and its sort key."""
        meta, body = split_front_matter(text, path, report)
        # Unlisted pages are for people who were given the address; drafts are not published.
        if meta.get("draft") is True or meta.get("unlisted") is True:
            return None
        slug = site_path(docs.base_path, doc_slug(path, meta))
        stem = strip_number(PurePosixPath(path).stem)[0]
        title = str(meta.get("title") or "")
        tokens = partials.read(path, body)
        document = read_tokens(tokens, DIALECT, title, str(meta.get("id") or stem))
        report.add_all(path, document.warnings)
        if docs.trailing_slash is not None:
            slug = slug.rstrip("/") + ("/" if docs.trailing_slash and slug.strip("/") else "")
        page = Page(path, document.title, slug, document.sections, docs.language)
        ids[path] = doc_id(path, meta)
        return _order(path, meta, positions), page

    found = request.files.find(root, (".md", ".mdx"))
    pages = request.files.pages(root, filter(_is_page, found), parse)
    pages.sort(key=lambda item: item[0])
    documents = [(ids[page.source_path], page.source_path, page) for _, page in pages]
    entries = read_sidebars(request.files, docs.site, docs.sidebars) if docs.sidebars else []
    ordered = tuple(arrange(documents, entries))
    return Book(docs.title, docs.language, "docusaurus", ordered, site_url=docs.site_url)


class _Partials:
    """Parses pages and inserts the partials they import, such as `<Part />` of `_part.mdx`."""

    def __init__(self, files: Files, docs: _Docs) -> None:
        self._files = files
        self._docs = docs
        self._parser = DIALECT.parser()
        self._parsed: dict[Path, list[Token]] = {}

    def read(self, path: str, text: str) -> list[Token]:
        includes = Includes(self._files, self._docs.folder, path)
        place = self._docs.folder / path
        tokens = list(self._insert(self._parser.parse(text), place, includes))
        includes.report()
        return tokens

    def _insert(self, tokens: Sequence[Token], place: Path, includes: Includes) -> Iterator[Token]:
        """Yield the tokens of the file at `place`, and those of a partial in place of its tag."""
        imports = {
            name: source
            for token in tokens
            if token.type == "mdx_esm"
            for name, source in _IMPORT.findall(token.content)
        }
        for token in tokens:
            names = [name for name, _ in token.meta["tags"]] if token.type == "mdx_tags" else []
            if len(names) != 1 or names[0] not in imports:
                yield token
                continue
            source = imports[names[0]]
            below = source.startswith("@site/")
            partial = real_path(self._docs.site / source[6:] if below else place.parent / source)
            with includes.including(Include(source, partial)) as text:
                yield from self._insert(self._tokens(partial, text), partial, includes)

    def _tokens(self, place: Path, text: str) -> list[Token]:
        """Parse a partial once; each file numbers its own headings."""
        if not text:
            return []
        if place not in self._parsed:
            tokens = self._parser.parse(split_front_matter(text, place.name, Report())[1])
            give_anchors(tokens, DIALECT)
            self._parsed[place] = tokens
        return self._parsed[place]


def _is_page(path: str) -> bool:
    """Return whether Docusaurus publishes a path: no partial, `*.test.*` or `__tests__`."""
    return not re.search(r"\.test\.mdx?$|(^|/)_", path)


def doc_slug(path: str, meta: dict[str, Any]) -> str:
    """Return a document's path below the base path, as getSlug() computes it."""
    strip = meta.get("parse_number_prefixes", True) is not False
    source = PurePosixPath(path)
    folders = list(source.parts[:-1])
    stem = strip_number(source.stem)[0] if strip else source.stem
    prefix = "/".join(strip_number(part)[0] if strip else part for part in folders)
    slug = meta.get("slug")
    if isinstance(slug, str) and slug.startswith("/"):
        return slug
    if not slug:
        parent = folders[-1].lower() if folders else "."
        if source.stem.lower() in ("index", "readme", parent):
            return prefix + "/"
        return f"{prefix}/{meta.get('id') or stem}"
    return f"{prefix}/{slug}"


def doc_id(path: str, meta: dict[str, Any]) -> str:
    """Return the id that sidebars use: the folders and name without number prefixes."""
    strip = meta.get("parse_number_prefixes", True) is not False
    source = PurePosixPath(path)
    parts = [*source.parts[:-1], str(meta.get("id") or source.stem)]
    return "/".join(strip_number(part)[0] if strip else part for part in parts)


def _order(path: str, meta: dict[str, Any], positions: dict[str, float]) -> list[Any]:
    """Return the sort key of the generated sidebar: position, then name, at each level."""
    key: list[Any] = []
    parts = path.split("/")
    for depth, name in enumerate(parts):
        last = depth == len(parts) - 1
        stem = PurePosixPath(name).stem if last else name
        position: float | None = strip_number(stem)[1]
        if last:
            position = _number(meta.get("sidebar_position"), position)
            is_index = stem.lower() in ("index", "readme")
            rank = 0 if is_index and position is None else 1
        else:
            position = positions.get("/".join(parts[: depth + 1]), position)
            rank = 1
        place = float("inf") if position is None else float(position)
        key.append((rank, place, natural_key(stem)))
    return key


def _number(value: Any, default: float | None) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else default


def _category_positions(root: Path, request: Request) -> dict[str, float]:
    positions: dict[str, float] = {}
    for path in request.files.find(root, _CATEGORIES, quiet=True):
        data = load_yaml(request.files, root, path)  # JSON is YAML
        position = _number(data.get("position"), None)
        if position is not None:
            positions[path.rpartition("/")[0]] = position
    return positions


def _read_settings(request: Request) -> _Docs:
    """Find the configuration and read the settings needed from its literals."""
    found = request.find_site(CONFIGS)
    base = request.base_path
    if found is None:
        folder = _only_docs(request) or request.folder
        return _Docs(folder, "docs" if base is None else base, "", request.folder)
    site, files = found.parent, request.files
    script = read_script(files.config(site, found.name))
    title = script.text("title") or ""
    language = script.text("defaultLocale") or "en"
    url = (script.text("url") or "") + (script.text("baseUrl") or "")
    if base is None:
        route = script.text("routeBasePath")
        base = "docs" if route is None else route
    folder, sidebars = real_path(request.folder), find_sidebars(site, script)
    if folder == site:
        name = script.text("path") or "docs"
        if versions := _versions(files, site):
            last = script.text("lastVersion") or versions[0]
            if last != "current":
                name = f"versioned_docs/version-{last}"
                sidebars = f"versioned_sidebars/version-{last}-sidebars.json"
        folder = files.subfolder(site, name, found.name) or site
    slash = script.flag("trailingSlash")
    return _Docs(folder, base, title, site, language, url.rstrip("/"), sidebars, slash)


def _only_docs(request: Request) -> Path | None:
    """Return the folder `docs` if all Markdown is in it: a site without its configuration."""
    names = request.files.find(request.folder, (".md", ".mdx"), quiet=True)
    pages = [name for name in names if PurePosixPath(name).name.lower() != "readme.md"]
    inside = pages and all(name.startswith("docs/") for name in pages)
    return request.folder / "docs" if inside else None


def _versions(files: Files, site: Path) -> list[str]:
    """Return the names in `versions.json`, newest first."""
    if not os.path.isfile(site / "versions.json"):
        return []
    try:
        data = json.loads(files.config(site, "versions.json"))
    except (ValueError, RecursionError):
        return []
    return [item for item in data if isinstance(item, str)] if isinstance(data, list) else []
