"""VitePress: https://vitepress.dev.

Every Markdown file of the source folder is a page, `a.md` at `a.html` (`a` with `cleanUrls`):
https://vitepress.dev/guide/routing. The settings are those of
https://vitepress.dev/reference/site-config.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from rag.models import Block, Page, Section
from sites.files import real_path
from sites.front_matter import lines_above, split_front_matter
from sites.globs import matches
from sites.html_blocks import fragment_words
from sites.includes import Includes
from sites.markdown import Dialect, give_anchors, read_tokens
from sites.rewrites import Rewrites, Unreadable
from sites.site_config import Config, Scripts
from sites.source import Book, Request, file_address, natural_key, site_path
from sites.vitepress_dialect import dialect
from sites.vitepress_includes import INCLUDE, find, snippet
from sites.vitepress_losses import name_unread
from sites.vue import Filling

CONFIGS = tuple(f".vitepress/config.{ending}" for ending in ("ts", "mts", "js", "mjs", "cjs"))
CONFIGS += tuple(f".vitepress/config/index.{ending}" for ending in ("ts", "mts", "js", "mjs"))


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
        self.scripts = Scripts(files, site)
        self.config = config = Config(files, site, name, self.scripts)
        self.source = files.subfolder(site, config.text("srcDir") or ".", name) or site
        self.folder = folder if folder.is_relative_to(site) and folder != site else self.source
        self.clean = config.flag("cleanUrls") is True
        self.excluded = ["**/dist/**", *config.texts("srcExclude")]
        self.locales = config.members("locales")
        self.language = config.text("locales", "root", "lang") or config.text("lang") or "en"
        self.rewrites = self._rewrites()
        self.ranks = self._ranks()
        self.dialect = self._dialect()
        name_unread(config)

    def _dialect(self) -> Dialect:
        config, anchor = self.config, ("markdown", "anchor", "slugify")
        own = config.get("markdown", "anchor")
        slugs = not isinstance(own, dict) or "slugify" not in own
        if not slugs:
            kind = "rules for anchors are not run, so citations link to whole pages"
            config.ignored(*anchor, kind=kind)
        left = config.text("markdown", "attrs", "leftDelimiter") or "{"
        right = config.text("markdown", "attrs", "rightDelimiter") or "}"
        math = config.get("markdown", "math")  # true, or its options
        return dialect(left, right, slugs=slugs, math=math not in (None, False))

    def _rewrites(self) -> Rewrites:
        rules = self.config.members("rewrites")
        texts = {old: new for old, new in rules.items() if isinstance(new, str)}
        if rules != texts:
            self.config.ignored("rewrites")
        for old, new in list(texts.items()):
            try:
                Rewrites({old: new})
            except Unreadable as rule:
                self.config.ignored("rewrites", what=f"rewrites: {rule}")
                del texts[old]
        return Rewrites(texts)

    def _ranks(self) -> dict[str, int]:
        """Return the position of each link in the sidebars and menus."""
        themes = [self.config.get("themeConfig")]
        themes += [self.config.get("locales", name, "themeConfig") for name in self.locales]
        known = [theme for theme in themes if isinstance(theme, dict)]
        menus = [theme.get(key) for key in ("sidebar", "nav") for theme in known]
        return {link: rank for rank, link in reversed(list(enumerate(_links(menus))))}

    def position(self, path: str) -> tuple[int, list[tuple[int, str]]]:
        """Return the sort key of a page by its path after rewriting."""
        name = path.removesuffix(".md").removesuffix("index")
        links = (f"/{name}", f"/{name}/", f"/{path}", f"/{name}.html")
        rank = next((self.ranks[link] for link in links if link in self.ranks), 10**6)
        return rank, natural_key(name)

    def language_of(self, path: str) -> str:
        """Return the language of a page by its path after rewriting."""
        name = path.partition("/")[0]
        known = "/" in path and name in self.locales and name != "root"
        return (self.config.text("locales", name, "lang") or name) if known else self.language

    def slug(self, base: str, path: str) -> str:
        """Return the address of a page below a base path."""
        place = PurePosixPath(path)
        index = place.stem == "index"
        last = "" if index else place.stem if self.clean else f"{place.stem}.html"
        slug = site_path(base, file_address(f"{place.parent}/{last}"))
        return site_path(slug, "") if index and slug else slug


def read(request: Request) -> Book:
    """Read every page: first those in the sidebar, in its order."""
    site, files, report = _Site(request), request.files, request.report
    root, config = site.folder, site.config
    parser = site.dialect.parser()
    below = root.relative_to(site.source) if root.is_relative_to(site.source) else Path()
    find_include = partial(find, site.source, site.dialect)

    def parse(path: str, text: str) -> tuple[Any, Page] | None:
        """Return the page and its sort key."""
        if "[" in path:
            report.losses.add("pages could not be read without running a program", path)
            return None
        meta, body = split_front_matter(text, path, report)
        includes = Includes(files, root, path, lines_above(text, body))
        body = includes.expand(body, INCLUDE, find_include)
        tokens = parser.parse(body)
        for token in tokens:
            if token.type == "fence" and "snippet" in token.meta:
                token.content = snippet(token, site.source, root / path, includes)
        give_anchors(tokens, site.dialect)  # of the braces, not of what is filled in
        load = partial(site.scripts.load, root / path)
        Filling(meta, includes, report.losses, load).fill(tokens, body)
        includes.report()
        hero, features = _home(meta)
        name = next(iter(hero), PurePosixPath(path).stem)
        document = read_tokens(tokens, site.dialect, str(meta.get("title") or ""), name)
        report.add_all(path, document.warnings)
        sections = document.sections
        if blocks := tuple(Block("paragraph", text) for text in hero + features):
            sections = (Section(document.title, 1, "", (), blocks), *sections)
        inside = site.rewrites.apply((below / path).as_posix())
        language = str(meta.get("lang") or site.language_of(inside))
        base = request.base_path
        slug = site.slug("", inside) if base is None else site.slug(base, path)
        page = Page(path, document.title, slug, sections, language)
        return (path != "index.md", site.position(inside)), page

    found = files.find(root, (".md",))
    paths = [path for path in found if not matches(str(below / path), site.excluded)]
    pages = files.pages(root, paths, parse)
    pages.sort(key=lambda item: item[0])
    title = config.text("title") or config.text("locales", "root", "title") or ""
    host, base = config.text("sitemap", "hostname") or "", (config.text("base") or "").strip("/")
    url = host if base in host else f"{host.rstrip('/')}/{base}"
    return Book(title, site.language, "vitepress", tuple(page for _, page in pages), site_url=url)


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
        for key, inner in items.items():
            if key == "items" or key[:1] == "/":
                yield from _links(inner, base)


def _home(meta: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the texts of a home page's front matter: its hero, whose name is first, and features.

    https://vitepress.dev/reference/default-theme-home-page
    """
    hero, features = meta.get("hero"), meta.get("features")
    parts = [hero.get(key) for key in ("name", "text", "tagline")] if isinstance(hero, dict) else []
    details = [
        ": ".join(part for key in ("title", "details") if isinstance(part := feature.get(key), str))
        for feature in (features if isinstance(features, list) else ())
        if isinstance(feature, dict)
    ]
    heroes = [fragment_words(part) for part in parts if isinstance(part, str)]
    return list(filter(None, heroes)), list(filter(None, map(fragment_words, details)))
