"""Follow the MkDocs plugins that change addresses; name those that make text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

from sites.includes import Includes
from sites.losses import Losses
from sites.mkdocs_config import Site
from sites.pymarkdown import is_known
from sites.source import site_path

_READ = frozenset(
    {"blog", "i18n", "awesome-pages", "awesome-nav", "literate-nav", "section-index", "search"}
    | {"tags", "social", "privacy", "offline", "minify", "optimize", "meta", "info", "typeset"}
    | {"git-revision-date", "git-revision-date-localized", "git-authors", "git-committers"}
    | {"git-committers-2", "redirects", "glightbox", "autorefs", "rss", "link-marker", "exclude"}
    | {"include-markdown"}
    | {"open-in-new-tab", "panzoom", "htmlproofer", "llmstxt", "mike"}
)
"""Plugins that are followed, or change neither the text nor the addresses of pages."""
_JINJA = re.compile(r"\{\{[^{}]{0,500}\}\}|\{%[^%]{0,500}%\}")
_DATE_PART = re.compile(r"yyyy|yy|MM|M|dd|d|[^yMd]+")
INSTEAD = "index the built site instead (`mkdocs build`, then `python ingest.py site`)"


def name_unread(site: Site) -> None:
    """Name the plugins, extensions and hooks that are not run."""
    for name, _ in site.plugins:
        if name not in _READ | {"macros", "mkdocstrings"}:
            site.lost(f"plugins are not run; {INSTEAD}", "plugins", name)
    for name in site.extensions:
        if not is_known(name):
            site.lost(f"extensions are not run; {INSTEAD}", "markdown_extensions", name)
    hooks = site.config.get("hooks")
    for hook in hooks if isinstance(hooks, list) else ():
        site.lost(f"hooks are not run; {INSTEAD}", "hooks", str(hook))


def name_jinja(body: str, includes: Includes, losses: Losses) -> None:
    """Name a page's first expression of Jinja, which the macros plugin would run."""
    if match := _JINJA.search(body):
        place = includes.origin(body.count("\n", 0, match.start()))
        losses.add(f"macros are not run; {INSTEAD}", place, match[0])


def name_objects(lines: Iterable[str], body: str, includes: Includes, losses: Losses) -> None:
    """Name the objects that would be described from code, each by the line that asks for it."""
    numbered = enumerate(body.split("\n"))
    places = {line.strip(" \t>"): number for number, line in reversed(list(numbered))}
    for line in lines:
        at = places.get(line.strip(), 0)
        kind = f"descriptions from code are not rendered; {INSTEAD}"
        losses.add(kind, includes.origin(at), line.partition(":::")[2].strip())


class Blog:
    """Addresses of the posts of Material's blog plugin."""

    def __init__(self, options: Mapping[str, Any], slug: Callable[[str], str]) -> None:
        self._folder = str(options.get("blog_dir") or "blog").strip("./")
        posts = str(options.get("post_dir") or "{blog}/posts")
        self._posts = site_path(posts.replace("{blog}", self._folder))
        self._format = str(options.get("post_url_format") or "{date}/{slug}")
        self._date = str(options.get("post_url_date_format") or "yyyy/MM/dd")
        self._drafts = options.get("draft") is True
        self._future_is_draft = options.get("draft_if_future_date") is True
        self._slug = slug

    def is_post(self, path: str) -> bool:
        return path.startswith(f"{self._posts}/")

    def is_published(self, meta: Mapping[str, Any]) -> bool:
        draft = meta.get("draft")
        if not isinstance(draft, bool):
            draft = self._future_is_draft and _iso(_created(meta)) > date.today().isoformat()
        return self._drafts or not draft

    def place(self, path: str, title: str, meta: Mapping[str, Any]) -> str:
        """Return the path of a post without its suffix."""
        categories = meta.get("categories")
        first = categories[0] if isinstance(categories, list) and categories else ""
        parts = {
            "{date}": _formatted(_iso(_created(meta)), self._date),
            "{slug}": str(meta.get("slug") or self._slug(title)),
            "{file}": PurePosixPath(path).stem,
            "{categories}": self._slug(str(first)),
        }
        place = self._format
        for name, value in parts.items():
            place = place.replace(name, value)
        return site_path(self._folder, place)


def _created(meta: Mapping[str, Any]) -> Any:
    written = meta.get("date")
    return written.get("created") if isinstance(written, dict) else written


def _iso(day: Any) -> str:
    """Return a date as `2024-05-06`, or "" for anything else."""
    if isinstance(day, str):
        try:
            day = datetime.fromisoformat(day)
        except ValueError:
            return ""
    return day.isoformat()[:10] if isinstance(day, date) else ""


def _formatted(day: str, pattern: str) -> str:
    if not day:
        return ""
    year, month, number = day.split("-")
    forms = {"yyyy": year, "yy": year[-2:], "MM": month, "M": month.lstrip("0"),
             "dd": number, "d": number.lstrip("0")}  # fmt: skip
    return "".join(forms.get(part, part) for part in _DATE_PART.findall(pattern))
