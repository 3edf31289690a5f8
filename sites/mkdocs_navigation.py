"""Order the pages of a MkDocs site: by `nav`, by the files of two plugins, or by their paths.

https://www.mkdocs.org/user-guide/configuration/#nav
https://github.com/oprypin/mkdocs-literate-nav
https://github.com/lukasgeiter/mkdocs-awesome-pages-plugin and its successor mkdocs-awesome-nav
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from markdown_it import MarkdownIt

from sites.files import Refused
from sites.front_matter import load_yaml
from sites.globs import matches
from sites.inline_text import plain_text
from sites.mkdocs_config import MARKDOWN, Site
from sites.source import site_path

_MISSING = "pages of the navigation could not be found"
MAX_DEPTH = 20
"""Levels of folders with a navigation of their own."""


def navigation(site: Site, paths: Sequence[str], known: Collection[str]) -> list[tuple[str, str]]:
    """Return (path, title) of the pages in the navigation; a title may be "".

    `known` are the paths with and without their languages; other pages are named as a loss.
    """
    listed = list(_configured(site.config.get("nav")))
    for path, _ in listed:
        if site_path(path) not in known and _is_missing(site, path):
            site.lost(_MISSING, "nav", path)
        elif not path.endswith(MARKDOWN) and os.path.isfile(site.root / path):
            site.lost("files of the navigation are not Markdown", "nav", path)
    options = site.plugin("literate-nav")
    if options is not None:
        name = str(options.get("nav_file") or "SUMMARY.md")
        own = _Literate(site, paths, name)
        return list(own.entries("", listed) if listed and name not in paths else own.folder(""))
    for plugin, name in (("awesome-pages", ".pages"), ("awesome-nav", ".nav.yml")):
        options = site.plugin(plugin)
        if options is not None and not listed:
            name = str(options.get("filename") or name)
            return list(_Awesome(site, paths, name).folder(""))
    return [(site_path(path), title) for path, title in listed]


def _is_missing(site: Site, path: str) -> bool:
    """Return whether a path, not a wildcard of literate-nav, is of a page that does not exist."""
    is_page = path.endswith(MARKDOWN) and "*" not in path
    return is_page and not os.path.exists(site.root / path)


def default_order(path: str) -> tuple[Any, ...]:
    """Return the sort key without a navigation: the index first, then files, then folders."""
    source = PurePosixPath(path)
    return source.parts[:-1], source.stem not in ("index", "README"), source.name


def _configured(items: Any, title: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, title) of what `nav` lists."""
    if isinstance(items, str):
        if "://" not in items:
            yield items, title
    elif isinstance(items, dict | list):
        pairs = items.items() if isinstance(items, dict) else (("", inner) for inner in items)
        for name, inner in pairs:
            yield from _configured(inner, str(name))


@dataclass(frozen=True, slots=True)
class _InFolders:
    """The files called `name` that give the order of their folders."""

    site: Site
    paths: Sequence[str]
    name: str


class _Literate(_InFolders):
    """Reads the Markdown lists of the literate-nav plugin."""

    def folder(self, folder: str, depth: int = 0) -> Iterator[tuple[str, str]]:
        """Yield the pages of a folder in the order of its file."""
        losses = self.site.files.report.losses
        below = f"{folder}/" if folder else ""
        if below + self.name not in self.paths or depth > MAX_DEPTH:
            yield from ((path, "") for path in self.paths if path.startswith(below))
            return
        try:
            text = self.site.files.included(self.site.root / folder / self.name, 500_000)
        except Refused:
            return
        listed = list(self._listed(text))
        for href, _ in listed:
            path = site_path(folder, href)
            if "://" not in href and path not in self.paths and _is_missing(self.site, path):
                losses.add(_MISSING, site_path(folder, self.name), href)
        yield from self.entries(folder, listed, depth)

    def _listed(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield (link, title); a wildcard is an item of a list without a link."""
        for token in MarkdownIt("commonmark").parse(text):
            children = token.children or []
            for at, child in enumerate(children):
                if child.type == "text" and "*" in child.content:
                    yield child.content.strip(), ""
                elif child.type == "link_open":
                    types = [inner.type for inner in children]
                    end = types.index("link_close", at)
                    yield str(child.attrs.get("href") or ""), plain_text(children[at:end])

    def entries(
        self, folder: str, listed: Sequence[tuple[str, str]], depth: int = 0
    ) -> Iterator[tuple[str, str]]:
        """Yield the pages for links to pages, links to folders and wildcards."""
        named = {site_path(folder, href) for href, _ in listed}
        for href, title in listed:
            place = site_path(folder, href)
            if place in self.paths:
                yield place, title
            elif "*" in href:
                globs = [f"{place.rstrip('/')}/**", *([] if href.endswith("/") else [place])]
                found = (path for path in self.paths if path not in named)
                yield from ((path, "") for path in found if matches(path, globs))
            elif href.endswith("/") and "://" not in href:
                yield from self.folder(place.strip("/"), depth + 1)


class _Awesome(_InFolders):
    """Reads the files of the awesome-pages and awesome-nav plugins."""

    def folder(self, folder: str, title: str = "") -> Iterator[tuple[str, str]]:
        """Yield the pages of a folder in the order that its file gives."""
        config = self._config(folder)
        if config.get("hide") is True:
            return
        below = f"{folder}/" if folder else ""
        inside = (path[len(below) :] for path in self.paths if path.startswith(below))
        children = list(dict.fromkeys(path.partition("/")[0] for path in inside))
        if config.get("order") == "desc":
            children.reverse()
        wanted = list(_entries(config.get("nav", config.get("arrange"))))
        named = {entry for entry, _ in wanted}
        for entry, label in wanted:
            for child in _children(entry, [c for c in children if c not in named]):
                if below + child in self.paths:
                    yield below + child, label if child == entry else ""
                elif child in children:
                    yield from self.folder(below + child, label)

    def _config(self, folder: str) -> dict[str, Any]:
        path = site_path(folder, self.name)
        there = (self.site.root / path).is_file()
        return load_yaml(self.site.files, self.site.root, path) if there else {}


def _entries(listed: Any) -> Iterator[tuple[str, str]]:
    """Yield (file, folder or `...`, title)."""
    for each in listed if isinstance(listed, list) else ["..."]:
        label, entry = next(iter(each.items())) if isinstance(each, dict) and each else ("", each)
        if isinstance(entry, str):
            yield entry.strip("/"), str(label)
        elif isinstance(entry, list):
            yield from _entries(entry)


def _children(entry: str, rest: Sequence[str]) -> Sequence[str]:
    """Return the children for an entry; `...` is the rest, `... | b*.md` some of it."""
    if entry.startswith("..."):
        pattern = entry.partition("|")[2].strip() or "*"
    elif "*" in entry:
        pattern = entry
    else:
        return [entry]
    return [child for child in rest if fnmatchcase(child, pattern)]
