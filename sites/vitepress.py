"""VitePress: https://vitepress.dev."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it.token import Token

from rag.models import Block, Page, Section
from sites.files import Refused, Report, real_path
from sites.front_matter import lines_above, split_front_matter
from sites.globs import matches
from sites.includes import Include, Includes
from sites.markdown import Dialect, give_anchors, read_tokens
from sites.rewrites import Rewrites, Unreadable
from sites.site_config import Config
from sites.source import Book, Request, file_address, natural_key, site_path
from sites.vitepress_dialect import dialect, find_region, section_under
from sites.vue import Filling

CONFIGS = tuple(f".vitepress/config.{ending}" for ending in ("ts", "mts", "js", "mjs", "cjs"))
CONFIGS += tuple(f".vitepress/config/index.{ending}" for ending in ("ts", "mts", "js", "mjs"))
_INCLUDE = re.compile(
    r"<!--\s*@include:\s*((?:(?!<!--)[^\s{#]| (?! )){1,500}?)(?:#([^\s{}<>]+?))?"
    r"(?:\{([0-9]{0,9})(?:,([0-9]{0,9}))?\})?\s*-->"
)


def recognise(request: Request) -> bool:
    return _site_folder(request.folder) is not None


def _site_folder(folder: Path) -> Path | None:
    """Find the site's folder: this one, its `docs`, or one of its parents."""
    folder = real_path(folder)
    places = (folder, folder / "docs", *list(folder.parents)[:3])
    return next((place for place in places if os.path.isdir(place / ".vitepress")), None)


class _Site:
    """The settings of a site."""

    def __init__(self, request: Request) -> None:
        files, folder = request.files, real_path(request.folder)
        site = _site_folder(folder) or folder
        files.widen(site)
        name = next((name for name in CONFIGS if os.path.isfile(site / name)), "")
        self.config = config = Config(files, site, name)
        self.source = files.subfolder(site, config.text("srcDir") or ".", name) or site
        self.folder = folder if folder.is_relative_to(site) and folder != site else self.source
        self.clean = config.flag("cleanUrls") is True
        self.excluded = config.texts("srcExclude")
        locales = config.get("locales")
        self.locales = locales if isinstance(locales, dict) else {}
        self.language = config.text("locales", "root", "lang") or config.text("lang") or "en"
        self.rewrites = self._rewrites()
        self.order = {link: rank for rank, link in reversed(list(enumerate(self._links())))}
        self.dialect = self._dialect()

    def _dialect(self) -> Dialect:
        config, anchor = self.config, ("markdown", "anchor", "slugify")
        own = config.get("markdown", "anchor")
        own = own if isinstance(own, dict) else {}
        if "slugify" in own:
            kind = "rules for anchors are not run, so citations link to whole pages"
            config.ignored(*anchor, kind=kind)
        left = config.text("markdown", "attrs", "leftDelimiter") or "{"
        right = config.text("markdown", "attrs", "rightDelimiter") or "}"
        return dialect(left, right, slugs="slugify" not in own)

    def _rewrites(self) -> Rewrites:
        rules = self.config.get("rewrites")
        known = rules if isinstance(rules, dict) else {}
        texts = {old: new for old, new in known.items() if isinstance(new, str)}
        try:
            if rules is None or (isinstance(rules, dict) and len(texts) == len(known)):
                return Rewrites(texts)
        except Unreadable as pattern:
            self.config.ignored("rewrites", what=f"rewrites: {pattern}")
            return Rewrites({})
        self.config.ignored("rewrites")
        return Rewrites(texts)

    def _links(self) -> Iterator[str]:
        """Yield the links of the sidebars and menus, in order."""
        themes = [self.config.get("themeConfig")]
        themes += [self.config.get("locales", name, "themeConfig") for name in self.locales]
        for key in ("sidebar", "nav"):
            for theme in themes:
                yield from _links(theme.get(key) if isinstance(theme, dict) else None)

    def language_of(self, path: str) -> str:
        """Return the language of a page by its path after rewriting."""
        name = path.partition("/")[0]
        known = "/" in path and name in self.locales and name != "root"
        return (self.config.text("locales", name, "lang") or name) if known else self.language

    def published(self, path: str) -> bool:
        return not matches(path, self.excluded)


def read(request: Request) -> Book:
    """Read every page: first those in the sidebar, in its order."""
    site, files = _Site(request), request.files
    root, config = site.folder, site.config
    parser = site.dialect.parser()
    below = root.relative_to(site.source) if root.is_relative_to(site.source) else Path()

    def parse(path: str, text: str) -> tuple[Any, Page] | None:
        """Return the page and its sort key."""
        if "[" in path:
            kind = "pages could not be read without running a program"
            request.report.losses.add(kind, path)
            return None
        meta, body = split_front_matter(text, path, request.report)
        includes = Includes(files, root, path, lines_above(text, body))
        body = includes.expand(body, _INCLUDE, partial(_include, site))
        tokens = parser.parse(body)
        for token in tokens:
            if token.type == "fence" and "snippet" in token.meta:
                token.content = _snippet(token, site.source, root / path, includes)
        give_anchors(tokens, site.dialect)  # of the braces, not of what is filled in
        Filling(meta, includes, request.report.losses).fill(tokens, body)
        includes.report()
        source = PurePosixPath(path)
        hero = meta.get("hero")
        names = [hero.get("name"), hero.get("text")] if isinstance(hero, dict) else []
        name = next((name for name in names if isinstance(name, str)), source.stem)
        document = read_tokens(tokens, site.dialect, str(meta.get("title") or ""), name)
        request.report.add_all(path, document.warnings)
        inside = site.rewrites.apply((below / path).as_posix())
        place = PurePosixPath(inside if request.base_path is None else path)
        index = place.stem == "index"
        last = "" if index else place.stem if site.clean else f"{place.stem}.html"
        slug = site_path(request.base_path or "", file_address(f"{place.parent}/{last}"))
        slug = site_path(slug, "") if index and slug else slug
        home = _home(meta, document.title)
        sections = (home, *document.sections) if home else document.sections
        language = str(meta.get("lang") or site.language_of(inside))
        page = Page(path, document.title, slug, sections, language)
        name = inside.removesuffix(".md").removesuffix("index")
        places = (f"/{name}", f"/{name}/", f"/{inside}", f"/{name}.html")
        rank = next((site.order[each] for each in places if each in site.order), 10**6)
        return (0 if path == "index.md" else 1, rank, natural_key(name)), page

    paths = [path for path in files.find(root, (".md",)) if site.published(str(below / path))]
    pages = files.pages(root, paths, parse)
    pages.sort(key=lambda item: item[0])
    title = config.text("title") or config.text("locales", "root", "title") or ""
    host, base = config.text("sitemap", "hostname") or "", (config.text("base") or "").strip("/")
    url = host if base in host else f"{host.rstrip('/')}/{base}"
    ordered = tuple(page for _, page in pages)
    return Book(title, site.language, "vitepress", ordered, site_url=url)


def _links(items: Any, base: str = "") -> Iterator[str]:
    """Yield the links of a sidebar or menu; `base` comes before those of its items."""
    if isinstance(items, list):
        for item in items:
            yield from _links(item, base)
    elif isinstance(items, dict):
        base = items["base"] if isinstance(items.get("base"), str) else base
        link = items.get("link")
        if isinstance(link, str):
            yield f"/{site_path(base, link)}"
        nested = [inner for key, inner in items.items() if key == "items" or key[:1] == "/"]
        for inner in nested:
            yield from _links(inner, base)


def _include(site: _Site, match: re.Match[str], folder: Path) -> list[Include | str]:
    """Return the file that an `<!--@include: ./part.md-->` names, with the part it selects."""
    name = match[1]
    place = site.source / name[1:].lstrip("/") if name.startswith("@") else folder / name
    return [Include(name, place, partial(_cut, site.dialect, match))]


def _cut(rules: Dialect, match: re.Match[str], text: str) -> str:
    """Return the region, or the section below a heading, and of it the lines."""
    region, first, last = match[2], match[3], match[4]
    if region:
        found = find_region(text, region)
        found = section_under(text, region, rules) if found is None else found
        text = text if found is None else found
    if first is None:
        return text if region else split_front_matter(text, "", Report())[1]
    last = first if last is None else last
    return "\n".join(text.split("\n")[int(first or 1) - 1 : int(last) if last else None])


def _snippet(token: Token, source: Path, page: Path, includes: Includes) -> str:
    """Return the code that a `<<<` line shows."""
    name, region = token.meta["snippet"], token.meta["region"]
    place = source / name[1:].lstrip("/") if name.startswith("@") else page.parent / name
    shown = f"{name}#{region}" if region else name

    def cut(text: str) -> str:
        found = find_region(text, region) if region else text
        if found is None:
            raise Refused("has no region of that name")
        return found

    at = includes.origin(token.map[0] if token.map else 0)
    with includes.including(Include(shown, place, cut, at)) as text:
        return text.strip("\n") + "\n" if text.strip() else ""


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
