"""Follow the MkDocs plugins that change addresses and order; name those that make text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from markdown_it import MarkdownIt

from sites.files import Files, Refused
from sites.front_matter import BadYaml, parse_yaml
from sites.globs import matches
from sites.inline_text import plain_text
from sites.source import site_path

_READ = frozenset(
    {"blog", "i18n", "awesome-pages", "awesome-nav", "literate-nav", "section-index", "search"}
    | {"tags", "social", "privacy", "offline", "minify", "optimize", "meta", "info", "typeset"}
    | {"git-revision-date", "git-revision-date-localized", "git-authors", "git-committers"}
    | {"git-committers-2", "redirects", "glightbox", "autorefs", "rss", "link-marker", "exclude"}
    | {"open-in-new-tab", "panzoom", "htmlproofer", "llmstxt", "mike"}
)
"""Plugins that are followed, or change neither the text nor the addresses of pages."""
_OBJECT = re.compile(r"(?:#{1,6} +)?:::[ \t]+([\w.]+)[ \t]*")
_JINJA = re.compile(r"\{\{[^{}]{0,500}\}\}|\{%[^%]{0,500}%\}")
_DATE_PART = re.compile(r"yyyy|yy|MM|M|dd|d|[^yMd]+")
INSTEAD = "index the built site instead (`mkdocs build`, then `python ingest.py site`)"


def name_unread(plugins: Mapping[str, dict[str, Any]], config: str, files: Files) -> None:
    """Name the plugins that are not run."""
    for name in plugins:
        if name.removeprefix("material/") not in _READ | {"macros", "mkdocstrings"}:
            files.report.losses.add(f"plugins are not run; {INSTEAD}", config, name)


def name_jinja(body: str, path: str, files: Files) -> None:
    """Name a page's first expression of Jinja, which the macros plugin would run."""
    if match := _JINJA.search(body):
        kind = f"macros are not run; {INSTEAD}"
        files.report.losses.add(kind, path, match[0])


def drop_objects(body: str, path: str, files: Files) -> str:
    """Drop the directives of mkdocstrings with their indented options, and name them."""
    lines: list[str] = []
    fence, dropping = "", False
    for line in body.split("\n"):
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~") and (not fence or mark == fence):
            fence = "" if fence else mark
        if dropping and (line.startswith("    ") or not line.strip()):
            continue
        match = None if fence else _OBJECT.fullmatch(line)
        dropping = match is not None
        if match:
            kind = f"objects of mkdocstrings are not rendered; {INSTEAD}"
            files.report.losses.add(kind, path, match[1])
            lines.append("")
        else:
            lines.append(line)
    return "\n".join(lines)


class Blog:
    """Addresses of the posts of Material's blog plugin."""

    def __init__(self, options: Mapping[str, Any], slug: Callable[[str], str]) -> None:
        self._folder = str(options.get("blog_dir") or "blog").strip("./")
        posts = str(options.get("post_dir") or "{blog}/posts")
        self._posts = site_path(posts.replace("{blog}", self._folder))
        self._format = str(options.get("post_url_format") or "{date}/{slug}")
        self._date = str(options.get("post_url_date_format") or "yyyy/MM/dd")
        self._drafts = options.get("draft") is True
        self._slug = slug

    def is_post(self, path: str) -> bool:
        return path.startswith(f"{self._posts}/")

    def is_published(self, meta: Mapping[str, Any]) -> bool:
        return self._drafts or meta.get("draft") is not True

    def place(self, path: str, title: str, meta: Mapping[str, Any]) -> str:
        """Return the path of a post without its suffix."""
        written = meta.get("date")
        created = written.get("created") if isinstance(written, dict) else written
        categories = meta.get("categories")
        first = categories[0] if isinstance(categories, list) and categories else ""
        parts = {
            "{date}": _formatted(created, self._date),
            "{slug}": str(meta.get("slug") or self._slug(title)),
            "{file}": PurePosixPath(path).stem,
            "{categories}": self._slug(str(first)),
        }
        place = self._format
        for name, value in parts.items():
            place = place.replace(name, value)
        return site_path(self._folder, place)


def _formatted(day: Any, pattern: str) -> str:
    if isinstance(day, str):
        try:
            day = datetime.fromisoformat(day)
        except ValueError:
            return ""
    if not isinstance(day, date):
        return ""
    forms = {"yyyy": f"{day.year:04}", "yy": f"{day.year % 100:02}", "MM": f"{day.month:02}",
             "M": str(day.month), "dd": f"{day.day:02}", "d": str(day.day)}  # fmt: skip
    return "".join(forms.get(part, part) for part in _DATE_PART.findall(pattern))


class Languages:
    """Languages of the static-i18n plugin: `a.fr.md` or `fr/a.md` is `a` in French."""

    def __init__(self, options: Mapping[str, Any], default: str) -> None:
        listed = options.get("languages")
        entries = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
        self._folders = options.get("docs_structure") == "folder"
        self._links: dict[str, str] = {}
        self._built: set[str] = set()
        self.default = default
        for entry in entries:
            locale = str(entry.get("locale") or "")
            if entry.get("default") is True:
                self.default = locale
            first = "" if entry.get("default") is True else locale
            self._links[locale] = str(entry.get("link") or first).strip("/")
            if entry.get("build") is not False:
                self._built.add(locale)

    def split(self, path: str) -> tuple[str, str]:
        """Return the language of a page and its path without it."""
        if self._folders:
            first, _, rest = path.partition("/")
            return (first, rest) if rest and first in self._links else (self.default, path)
        source = PurePosixPath(path)
        stem, _, locale = source.stem.rpartition(".")
        if stem and locale in self._links:
            return locale, str(source.with_name(stem + source.suffix))
        return self.default, path

    def is_built(self, path: str) -> bool:
        locale = self.split(path)[0]
        return not self._links or locale in self._built or locale not in self._links

    def prefix(self, language: str) -> str:
        """Return the folder of a language on the site."""
        return self._links.get(language, "")


def navigation_files(
    plugins: Mapping[str, dict[str, Any]], files: Files, root: Path, paths: Sequence[str]
) -> list[tuple[str, str]] | None:
    """Return the navigation as (path, title) if files in the folders of pages give it."""
    if "literate-nav" in plugins:
        name = str(plugins["literate-nav"].get("nav_file") or "SUMMARY.md")
        return list(_literate(files, root, name, "", paths)) if name in paths else None
    for plugin, option, name in (("awesome-pages", "filename", ".pages"),
                                 ("awesome-nav", "filename", ".nav.yml")):  # fmt: skip
        if plugin in plugins:
            name = str(plugins[plugin].get(option) or name)
            return list(_awesome(files, root, name, "", paths))
    return None


def _literate(
    files: Files, root: Path, name: str, folder: str, paths: Sequence[str], depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Yield the links of a literate-nav file; a link to a folder stands for its own file."""
    try:
        text = files.included(root / folder / name, 500_000)
    except Refused:
        yield from ((path, "") for path in _below(folder, paths))
        return
    for token in MarkdownIt("commonmark").parse(text):
        children = token.children or []
        for at, child in enumerate(children):
            if child.type == "text" and "*" in child.content:
                glob = site_path(folder, child.content.strip())
                yield from ((path, "") for path in paths if matches(path, [glob]))
            if child.type != "link_open":
                continue
            href = str(child.attrs.get("href") or "")
            end = next(i for i in range(at, len(children)) if children[i].type == "link_close")
            place = site_path(folder, href)
            if place in paths:
                yield place, plain_text(children[at:end])
            elif href.endswith("/") and "://" not in href and depth < 20:
                yield from _literate(files, root, name, place.strip("/"), paths, depth + 1)


def _below(folder: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path.startswith(f"{folder}/" if folder else "")]


def _awesome(
    files: Files, root: Path, name: str, folder: str, paths: Sequence[str], title: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the pages of a folder in the order that its file gives."""
    config: Any = None
    if (root / folder / name).is_file():
        try:
            config = parse_yaml(files.config(root, site_path(folder, name)))
        except BadYaml as error:
            files.report.add(site_path(folder, name), f"is not valid YAML ({error}).")
    config = config if isinstance(config, dict) else {}
    if config.get("hide") is True:
        return
    prefix = f"{folder}/" if folder else ""
    children = list(
        dict.fromkeys(path[len(prefix) :].partition("/")[0] for path in _below(folder, paths))
    )
    listed = config.get("nav", config.get("arrange"))
    wanted: list[tuple[str, str]] = []
    for each in listed if isinstance(listed, list) else ["..."]:
        entry, label = (next(iter(each.items()))[::-1] if isinstance(each, dict) and each
                        else (each, ""))  # fmt: skip
        wanted += [(str(entry).strip("/"), str(label))] if isinstance(entry, str) else []
    named = {entry for entry, _ in wanted}
    for entry, label in wanted:
        rest = [child for child in children if child not in named]
        for child in rest if entry.split(" ")[0] in ("...", "*") else [entry]:
            if prefix + child in paths:
                yield prefix + child, label
            elif child in children:
                yield from _awesome(files, root, name, prefix + child, paths, label)
