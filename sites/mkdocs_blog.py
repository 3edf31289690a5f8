"""Addresses of blog posts: https://squidfunk.github.io/mkdocs-material/plugins/blog"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from sites.mkdocs_config import texts
from sites.pymarkdown import slug_rule
from sites.source import site_path

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_PART = re.compile(r"yyyy|yy|MM|M|dd|d|[^yMd]+")


class Blog:
    """The posts of one blog."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._folder = str(options.get("blog_dir") or "blog").strip("./")
        posts = str(options.get("post_dir") or "{blog}/posts")
        self._posts = site_path(posts.replace("{blog}", self._folder))
        self._format = str(options.get("post_url_format") or "{date}/{slug}")
        self._date = str(options.get("post_url_date_format") or "yyyy/MM/dd")
        self._drafts = options.get("draft") is True
        self._future_is_draft = options.get("draft_if_future_date") is True
        self._options = options
        most = options.get("post_url_max_categories")
        self._most = most if isinstance(most, int) else 1

    def is_post(self, path: str) -> bool:
        return path.startswith(f"{self._posts}/")

    def is_published(self, meta: Mapping[str, Any]) -> bool:
        draft = meta.get("draft")
        if not isinstance(draft, bool):
            draft = self._future_is_draft and _day(meta) > date.today().isoformat()
        return self._drafts or not draft

    def place(self, path: str, title: str, meta: Mapping[str, Any]) -> str:
        """Return the path of a post without its suffix."""
        categories = texts(meta.get("categories"))[: self._most]
        parts = {
            "{date}": _formatted(_day(meta), self._date),
            "{slug}": str(meta.get("slug") or self._slug("post", title)),
            "{file}": PurePosixPath(path).stem,
            "{categories}": "/".join(self._slug("categories", name) for name in categories),
        }
        place = self._format
        for name, value in parts.items():
            place = place.replace(name, value)
        return site_path(self._folder, place)

    def _slug(self, kind: str, text: str) -> str:
        rule = slug_rule(self._options.get(f"{kind}_slugify") or {"kwds": {"case": "lower"}})
        return rule(text, str(self._options.get(f"{kind}_slugify_separator") or "-"))


def _day(meta: Mapping[str, Any]) -> str:
    """Return the date of a post as `2024-05-06`, or "" if it has none."""
    written = meta.get("date")
    found = _DATE.match(str(written.get("created") if isinstance(written, dict) else written))
    return found[0] if found else ""


def _formatted(day: str, pattern: str) -> str:
    if not day:
        return ""
    year, month, number = day.split("-")
    forms = {"yyyy": year, "yy": year[-2:], "MM": month, "M": month.lstrip("0"),
             "dd": number, "d": number.lstrip("0")}  # fmt: skip
    return "".join(forms.get(part, part) for part in _DATE_PART.findall(pattern))
