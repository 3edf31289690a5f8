"""mdBook: https://rust-lang.github.io/mdBook/.

SUMMARY.md gives the pages, their order and their titles. The preprocessors `links` (directives)
and `index` (README.md becomes index.html) are on by default:
https://rust-lang.github.io/mdBook/format/configuration/preprocessors.html
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt

from rag.models import Page
from sites import mdbook_directives
from sites.includes import Includes
from sites.inline_text import plain_text
from sites.markdown import read_markdown
from sites.mdbook_dialect import dialect
from sites.report import Report
from sites.source import Book, Request, file_address, is_address, site_path

_MAX_DOTS = 100
"""A key of many parts, such as `a.b.c`, takes time and memory with the square of their number."""
_READ = frozenset({"links", "index", "mermaid", "katex", "svgbob", "toc", "gettext", "alerts"})
"""Preprocessors that are followed, or that add no text in the book's own language."""


def recognise(request: Request) -> bool:
    names = ("book.toml", "SUMMARY.md", "src/SUMMARY.md")
    return any(os.path.isfile(request.folder / name) for name in names)


def read(request: Request) -> Book:
    """Read the pages listed in SUMMARY.md, in its order; without one, the whole folder."""
    root, config, toml = _root(request)
    files = request.files
    book, html = _table(config, "book"), _table(config, "output", "html")
    title, language = str(book.get("title") or ""), str(book.get("language") or "en")
    rules = dialect(html, _table(html, "code", "hidelines"))
    parser = rules.parser()
    runs = _preprocessors(config, toml, request.report)
    summary = files.pages(root, ["SUMMARY.md"], lambda path, text: _summary(text, parser))
    heading, names = summary[0] if summary else ("", {})
    title = title or ("" if heading.lower() == "summary" else heading)

    def parse(path: str, text: str) -> Page:
        source = PurePosixPath(path)
        includes = Includes(files, root, path)
        if "links" in runs:
            text = includes.expand(text, mdbook_directives.DIRECTIVE, mdbook_directives.find)
        includes.report()
        document = read_markdown(text, rules, parser, names.get(path, ""), source.stem)
        request.report.add_all(path, document.warnings)
        index = "index" in runs and source.stem.lower() == "readme"
        place = file_address(f"{source.parent}/{'index' if index else source.stem}.html")
        slug = site_path(request.base_path or "", place)
        return Page(path, document.title, slug, document.sections, language)

    pages = tuple(files.pages(root, names if summary else files.find(root, (".md",)), parse))
    return Book(title, language, "mdbook", pages, site_url=_site_url(html))


def _table(table: Any, *path: str) -> dict[str, Any]:
    """Return a table in another, or {}."""
    for key in path:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


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
    folder, toml, config = request.folder, "", dict[str, Any]()
    if found := request.find_site(("book.toml",), levels=2):
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


def _summary(text: str, parser: MarkdownIt) -> tuple[str, dict[str, str]]:
    """Return the heading of SUMMARY.md and the titles of its pages; drafts have no path."""
    heading, titles = "", dict[str, str]()
    tokens = parser.parse(text)
    for position, token in enumerate(tokens):
        children = token.children or []
        if not titles and not heading and tokens[position - 1].tag == "h1":
            heading = plain_text(children)
        for at, child in enumerate(children):
            if child.type == "link_open":
                end = next(i for i in range(at, len(children)) if children[i].type == "link_close")
                href = unquote(str(child.attrs.get("href") or ""))
                href = href if href.endswith(".md") else href.rpartition("#")[0] or href
                if href and "://" not in href:
                    titles.setdefault(normpath(href), plain_text(children[at:end]))
    return heading, titles
