"""VitePress: https://vitepress.dev."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from rag.models import Block, Page, Section
from sites.attributes import attribute_lists
from sites.directives import directives
from sites.files import Report, real_path
from sites.front_matter import split_front_matter
from sites.includes import Include, Includes
from sites.javascript import Script, read_script
from sites.markdown import Dialect, read_markdown
from sites.slugs import vitepress_slugger
from sites.source import Book, Request, natural_key, site_path

CONFIGS = tuple(f".vitepress/config.{ending}" for ending in ("ts", "mts", "js", "mjs", "cjs"))
CONFIGS += tuple(f".vitepress/config/index.{ending}" for ending in ("ts", "mts", "js", "mjs"))
_EMOJI = re.compile(r"(?<![:\w]):[a-z0-9_+-]+:(?![:\w])")
_INCLUDE = re.compile(
    r"<!--\s*@include:\s*((?:(?!<!--)[^\s{#])+)(?:#[\w-]+)?(?:\{([0-9]{0,9})(?:,([0-9]{0,9}))?\})?\s*-->"
)
_MARK = re.compile(
    r"(?<![ \t])[ \t]*+(?://|#|--|/\*|<!--)[ \t]*+\[!code [^\]\n]{0,200}\][ \t]*+(?:\*/|-->)?"
)
_NOISE = re.compile(r"^[ \t]*(?:\[\[toc\]\]|<<<[ \t].*)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_SETUP = re.compile(r"^<(?:(script|style)\b|/(script|style)>[ \t]*$)", re.MULTILINE)


def recognise(request: Request) -> bool:
    return _site_folder(request.folder) is not None


def _site_folder(folder: Path) -> Path | None:
    """Find the site's folder: this one, its `docs`, or one of its parents."""
    folder = real_path(folder)
    places = (folder, folder / "docs", *list(folder.parents)[:3])
    return next((place for place in places if os.path.isdir(place / ".vitepress")), None)


def _anchor_text(tokens: Sequence[Token]) -> str:
    """Return a heading's text like markdown-it-anchor: text and code, without emoji.

    Entities stay as typed: VitePress leaves them for Vue.
    """
    parts = []
    for token in tokens:
        if token.type == "text":
            parts.append(_EMOJI.sub("", token.content))
        elif token.type == "code_inline":
            parts.append(token.content)
        elif token.type == "entity":
            parts.append(token.markup)
    return "".join(parts)


def _keep_entities(md: MarkdownIt) -> None:
    def rule(state: StateCore) -> None:
        for token in state.tokens:
            for child in token.children or ():
                if child.type == "text_special" and child.info == "entity":
                    child.type = "entity"

    md.core.ruler.before("text_join", "keep_entities", rule)


def _shown_code(code: str, info: str) -> str:
    """Remove `[!code …]` marks, which only control highlighting."""
    return _MARK.sub("", code) if "[!code" in code else code


def _without_setup(text: str) -> str:
    """Remove `<script>` and `<style>` blocks. One that is never closed stays."""
    tags = list(_SETUP.finditer(text))
    last = {tag[2]: tag.start() for tag in tags if tag[2]}
    kept, begin, inside = [], 0, ""
    for tag in tags:
        if not inside and tag[1] and tag.start() < last.get(tag[1], -1):
            kept.append(text[begin : tag.start()])
            inside = tag[1]
        elif inside and tag[2] == inside:
            begin, inside = tag.end(), ""
    return "".join([*kept, text[begin:]])


DIALECT = Dialect(
    vitepress_slugger,
    (directives, attribute_lists, _keep_entities),
    _anchor_text,
    shown_code=_shown_code,
)


def read(request: Request) -> Book:
    """Read every page: first those in the sidebar, in its order."""
    files = request.files
    folder = real_path(request.folder)
    site = _site_folder(folder) or folder
    files.widen(site)
    config = next((name for name in CONFIGS if os.path.isfile(site / name)), "")
    script = read_script(files.config(site, config)) if config else Script("")
    root = folder if folder.is_relative_to(site) and folder != site else site
    if root == site:
        root = files.subfolder(site, script.text("srcDir") or ".", config) or site
    clean = script.flag("cleanUrls")
    language = script.text("lang") or "en"
    excluded = script.texts("srcExclude")
    order = {link: rank for rank, link in reversed(list(enumerate(script.texts("link"))))}
    parser = DIALECT.parser()

    def published(path: str) -> bool:
        return not any(fnmatch(f"/{path}", f"*/{glob.removeprefix('**/')}") for glob in excluded)

    def parse(path: str, text: str) -> tuple[Any, Page]:
        """Return the page and its sort key."""
        meta, body = split_front_matter(text, path, request.report)
        includes = Includes(files, root, path)
        body = includes.expand(body, _INCLUDE, partial(_include, root))
        includes.report()
        body = _NOISE.sub("", _without_setup(body))
        source = PurePosixPath(path)
        title = str(meta.get("title") or "")
        document = read_markdown(body, DIALECT, parser, title, source.stem)
        request.report.add_all(path, document.warnings)
        index = source.stem == "index"
        last = "" if index else source.stem if clean else f"{source.stem}.html"
        slug = site_path(request.base_path or "", str(source.parent), last)
        slug = site_path(slug, "") if index and slug else slug
        home = _home(meta, document.title)
        sections = (home, *document.sections) if home else document.sections
        page = Page(path, document.title, slug, sections, language)
        place = path.removesuffix(".md").removesuffix("index")
        ranks = (order.get(f"/{place}"), order.get(f"/{place}/"), order.get(f"/{path}"), 10**6)
        rank = next(r for r in ranks if r is not None)
        return (0 if path == "index.md" else 1, rank, natural_key(place)), page

    pages = files.pages(root, filter(published, files.find(root, (".md",))), parse)
    pages.sort(key=lambda item: item[0])
    title = script.text("title") or ""
    hostname, base = script.text("hostname") or "", script.text("base") or ""
    url = hostname if base.strip("/") in hostname else f"{hostname.rstrip('/')}/{base.strip('/')}"
    ordered = tuple(page for _, page in pages)
    return Book(title, language, "vitepress", ordered, site_url=url)


def _include(root: Path, match: re.Match[str], folder: Path) -> Include:
    """Return the file that an `<!--@include: ./part.md-->` names, with the lines it selects."""
    name = match[1]
    place = root / name[2:] if name.startswith("@/") else folder / name
    return Include(name, place, partial(_cut, match[2], match[3]))


def _cut(first: str | None, last: str | None, text: str) -> str:
    if first is None:
        return split_front_matter(text, "", Report())[1]
    last = first if last is None else last
    return "\n".join(text.split("\n")[int(first or 1) - 1 : int(last) if last else None])


def _home(meta: dict[str, Any], title: str) -> Section | None:
    """Return the text of a home page's front matter, hero and features, as a section."""
    hero, features = meta.get("hero"), meta.get("features")
    parts: list[Any] = []
    if isinstance(hero, dict):
        parts += [hero.get("name"), hero.get("text"), hero.get("tagline")]
    for feature in features if isinstance(features, list) else []:
        if isinstance(feature, dict):
            pair = (feature.get("title"), feature.get("details"))
            parts.append(": ".join(part for part in pair if isinstance(part, str)))
    texts = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    blocks = tuple(Block("paragraph", " ".join(text.split())) for text in texts)
    return Section(title, 1, "", (), blocks) if blocks else None
