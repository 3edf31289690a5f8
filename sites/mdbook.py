"""mdBook: https://rust-lang.github.io/mdBook/.

SUMMARY.md gives the pages, their order and their titles. Anchors follow mdBook's
`id_from_content`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from posixpath import normpath
from textwrap import dedent
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin

from rag.models import Page
from sites.block_text import fenced
from sites.files import Report
from sites.html_blocks import tag_words
from sites.includes import Include, Includes
from sites.inline_text import plain_text
from sites.markdown import Dialect, read_markdown
from sites.slugs import mdbook_slugger
from sites.source import Book, Request, file_address, is_address, site_path

_DIRECTIVE = re.compile(
    r"(\\?)\{\{\s*#(include|rustdoc_include|playground|playpen|title|shiftinclude)\s++"
    r"((?:(?!\{\{)[^}])*+)\}\}"
)
_HIDDEN = re.compile(r"[ \t]*#(?:[ \t]|$)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_ANCHOR = re.compile(r"ANCHOR(_END)?:\s*(\S+)")
_MAX_DOTS = 100
"""A key of many parts, such as `a.b.c`, takes time and memory with the square of their number."""
_READ = frozenset({"links", "index", "mermaid", "katex", "svgbob", "toc", "gettext", "alerts"})
"""Preprocessors that are followed, or that add no text in the book's own language."""


def recognise(request: Request) -> bool:
    names = ("book.toml", "SUMMARY.md", "src/SUMMARY.md")
    return any(os.path.isfile(request.folder / name) for name in names)


def _tag_words(name: str, attributes: dict[str, str]) -> str:
    """Show the number, file and caption of a `<Listing>`, which the Rust books use."""
    if name != "listing":
        return tag_words(name, attributes)
    number, caption = attributes.get("number", ""), attributes.get("caption", "")
    words = f"Listing {number}" if number else "Listing" if caption else ""
    if file := attributes.get("file-name"):
        words = f"{words} ({file})".strip()
    caption = re.sub("<[^<>]*>", "", caption)
    return f"{words}: {caption}" if caption else words


def _anchor_text(smart: bool, tokens: Sequence[Token]) -> str:
    """Return a heading's text; smart punctuation turns `--` into a dash."""
    parts = []
    for token in tokens:
        if token.type == "text":
            parts.append(re.sub("-{2,}", "", token.content) if smart else token.content)
        elif token.type != "image":
            parts.append(plain_text([token]))
    return "".join(parts)


def _shown_code(prefixes: Mapping[str, Any], code: str, info: str) -> str:
    """Remove the lines that the page hides: in Rust those that begin with `# `."""
    words = re.split(r"[\s,]+", info)
    if words[0] == "rust":
        lines = (
            line.replace("##", "#", 1) if line.lstrip().startswith("##") else line
            for line in code.split("\n")
            if not _HIDDEN.match(line)
        )
        return "\n".join(lines)
    given = (word.removeprefix("hidelines=") for word in words if word.startswith("hidelines="))
    prefix = str(next(given, prefixes.get(words[0], "")))
    if not prefix:
        return code
    return "\n".join(line for line in code.split("\n") if not line.lstrip().startswith(prefix))


def _dialect(html: dict[str, Any]) -> Dialect:
    """Return the dialect for the options of `[output.html]`."""
    terms = html.get("definition-lists") is not False
    return Dialect(
        slugger=mdbook_slugger,
        plugins=(deflist_plugin,) if terms else (),
        anchor_text=partial(_anchor_text, html.get("smart-punctuation") is not False),
        terms_have_anchors=terms,
        tag_words=_tag_words,
        shown_code=partial(_shown_code, _table(html, "code", "hidelines")),
    )


def _table(table: Any, *path: str) -> dict[str, Any]:
    """Return a table in another, or {}."""
    for key in path:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def read(request: Request) -> Book:
    """Read the pages listed in SUMMARY.md, in its order; without one, the whole folder."""
    root, config, toml = _root(request)
    files = request.files
    book, html = _table(config, "book"), _table(config, "output", "html")
    title, language = str(book.get("title") or ""), str(book.get("language") or "en")
    dialect = _dialect(html)
    parser = dialect.parser()
    runs = _preprocessors(config, toml, request.report)
    summaries = files.pages(root, ["SUMMARY.md"], lambda path, text: _summary(text, parser))
    for heading, _ in summaries:
        title = title or ("" if heading.lower() == "summary" else heading)
    names = dict[str, str]()
    for path, name in [entry for _, entries in summaries for entry in entries]:
        names.setdefault(path, name)

    def parse(path: str, text: str) -> Page:
        source = PurePosixPath(path)
        includes = Includes(files, root, path)
        if "links" in runs:
            text = includes.expand(text, _DIRECTIVE, _include)
        includes.report()
        document = read_markdown(text, dialect, parser, names.get(path, ""), source.stem)
        request.report.add_all(path, document.warnings)
        index = "index" in runs and source.stem.lower() == "readme"
        stem = "index" if index else source.stem
        place = file_address(f"{source.parent}/{stem}.html")
        slug = site_path(request.base_path or "", place)
        return Page(path, document.title, slug, document.sections, language)

    paths = list(names) if summaries else files.find(root, (".md",))
    pages = tuple(files.pages(root, paths, parse))
    return Book(title, language, "mdbook", pages, site_url=_site_url(html))


def _preprocessors(config: dict[str, Any], toml: str, report: Report) -> set[str]:
    """Return the names of the preprocessors that are on. Those that are not run are named."""
    named = set(_table(config, "preprocessor"))
    for name in sorted(named - _READ):
        kind = (
            "preprocessors are not run; index the built site instead "
            "(`mdbook build`, then `python ingest.py book`)"
        )
        key = rf"^[ \t]*\[?(?:preprocessor\.)?[\"']?{re.escape(name)}[\"']?[ \t]*[].=]"
        said = re.search(key, toml, re.MULTILINE)
        line = toml.count("\n", 0, said.start()) + 1 if said else 1
        report.losses.add(kind, f"book.toml:{line}", name)
    usual = _table(config, "build").get("use-default-preprocessors") is not False
    return named | ({"links", "index"} if usual else set())


def _site_url(html: dict[str, Any]) -> str:
    """Return the site's address from `site-url` and `cname`."""
    path, host = str(html.get("site-url") or ""), str(html.get("cname") or "")
    return path if is_address(path) or not host else f"https://{host}/{path.strip('/')}"


def _root(request: Request) -> tuple[Path, dict[str, Any], str]:
    """Return the source folder, and the contents of `book.toml` as data and as text."""
    folder, toml = request.folder, ""
    config: dict[str, Any] = {}
    found = request.find_site(("book.toml",), levels=2)
    if found:
        try:
            toml = request.files.config(found.parent, found.name)
            if any(line.count(".") > _MAX_DOTS for line in toml.split("\n")):
                raise ValueError(f"a line has more than {_MAX_DOTS} dots")
            config = tomllib.loads(toml)
        except (ValueError, RecursionError) as error:
            request.report.add("book.toml", f"is not valid TOML ({error}); it was ignored.")
    if os.path.isfile(folder / "SUMMARY.md"):
        return folder, config, toml
    source = str(_table(config, "book").get("src", "src"))
    return request.files.subfolder(folder, source, "book.toml") or folder, config, toml


def _summary(text: str, parser: MarkdownIt) -> tuple[str, list[tuple[str, str]]]:
    """Return the heading of SUMMARY.md and its links as (path, title); drafts have no link."""
    heading = ""
    entries: list[tuple[str, str]] = []
    tokens = parser.parse(text)
    for position, token in enumerate(tokens):
        if token.type != "inline":
            continue
        children = token.children or []
        if not entries and not heading and tokens[position - 1].tag == "h1":
            heading = plain_text(children)
        for at, child in enumerate(children):
            if child.type == "link_open":
                end = next(i for i in range(at, len(children)) if children[i].type == "link_close")
                href = unquote(str(child.attrs.get("href") or ""))
                href = href if href.endswith(".md") else href.rpartition("#")[0]
                if href.endswith(".md") and "://" not in href:
                    entries.append((normpath(href), plain_text(children[at:end])))
    return heading, entries


def _include(match: re.Match[str], folder: Path) -> list[Include | str]:
    """Return the file that an `{{#include}}` names, with the lines that it selects."""
    escaped, kind, rest = match.groups()
    if escaped:
        return [match[0][1:]]
    if not rest:
        return [match[0]]
    if kind == "title":
        return []
    name, *window = rest.split()[0].split(":")
    if kind == "shiftinclude":  # the first part is how far to indent
        shift, name, window = name, window[0] if window else "", window[1:]
        return [Include(name, folder / name, partial(_shifted, shift, window))]
    if kind in ("playground", "playpen"):
        return [Include(name, folder / name, partial(fenced, language="rust"))]
    return [Include(name, folder / name, partial(_cut, window))]


def _cut(window: Sequence[str], text: str) -> str:
    return "\n".join(_window(text.split("\n"), window)).strip("\n")


def _shifted(shift: str, window: Sequence[str], text: str) -> str:
    """Indent the lines to include by `shift` columns, or take as many away; `auto` by all."""
    text = _cut(window, text)
    if not re.fullmatch(r"-?[0-9]{1,3}", shift):
        return dedent(text)
    columns = int(shift)
    lines = text.split("\n")
    return "\n".join(" " * columns + line if columns > 0 else line[-columns:] for line in lines)


def _window(lines: Sequence[str], window: Sequence[str]) -> Iterator[str]:
    """Yield the lines selected by `:from:to` or `:anchor`, without the anchor comments."""
    if window and window[0] and not _NUMBER.fullmatch(window[0]):
        inside = False
        for line in lines:
            mark = _ANCHOR.search(line)
            if mark and mark[2] == window[0]:
                inside = not mark[1]
            elif inside and not mark:
                yield line
        return
    numbers = [int(part) if _NUMBER.fullmatch(part) else None for part in window[:2]]
    first = numbers[0] or 1 if numbers else 1
    last = numbers[1] if len(numbers) > 1 else (first if numbers else None)
    yield from lines[first - 1 : last]
