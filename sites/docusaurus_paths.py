"""Addresses, ids and order of Docusaurus pages.

The rules follow @docusaurus/plugin-content-docs (slug.js, docs.js, numberPrefix.js) and
@docusaurus/plugin-content-blog (blogUtils.js).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from sites.source import file_address, natural_key

_DATED = re.compile(r"\d+[-_.]\d+")
_PREFIX = re.compile(r"(\d+)\s*[-_.]+\s*([^-_.\s].*)", re.DOTALL)
_POST = re.compile(r"(.*)(\d{4}[-/]\d{1,2}[-/]\d{1,2})[-/]?(.*)", re.DOTALL)


def strip_number(name: str) -> tuple[str, int | None]:
    """Split `01-intro` into (`intro`, 1). Dates and versions such as `2021-11-foo` stay whole."""
    match = None if _DATED.match(name) else _PREFIX.fullmatch(name)
    return (match[2], int(match[1])) if match else (name, None)


def doc_slug(path: str, meta: dict[str, Any]) -> str:
    """Return a document's path below the base path, as getSlug() computes it."""
    strip = meta.get("parse_number_prefixes", True) is not False
    source = PurePosixPath(path)
    folders = list(source.parts[:-1])
    stem = strip_number(source.stem)[0] if strip else source.stem
    prefix = "/".join(strip_number(part)[0] if strip else part for part in folders)
    prefix = file_address(prefix)
    slug = meta.get("slug")
    if isinstance(slug, str) and slug.startswith("/"):
        return slug
    if not slug:
        parent = folders[-1].lower() if folders else "."
        if source.stem.lower() in ("index", "readme", parent):
            return prefix + "/"
        return f"{prefix}/{file_address(str(meta.get('id') or stem))}"
    return f"{prefix}/{slug}"


def doc_id(path: str, meta: dict[str, Any]) -> str:
    """Return the id that sidebars use: the folders and name without number prefixes."""
    strip = meta.get("parse_number_prefixes", True) is not False
    source = PurePosixPath(path)
    parts = [*source.parts[:-1], str(meta.get("id") or source.stem)]
    return "/".join(strip_number(part)[0] if strip else part for part in parts)


def doc_order(path: str, meta: dict[str, Any], positions: dict[str, float]) -> list[Any]:
    """Return the sort key of the generated sidebar: position, then name, at each level."""
    key: list[Any] = []
    parts = path.split("/")
    for depth, name in enumerate(parts):
        last = depth == len(parts) - 1
        stem = PurePosixPath(name).stem if last else name
        position: float | None = strip_number(stem)[1]
        if last:
            position = number(meta.get("sidebar_position"), position)
            is_index = stem.lower() in ("index", "readme")
            rank = 0 if is_index and position is None else 1
        else:
            position = positions.get("/".join(parts[: depth + 1]), position)
            rank = 1
        place = float("inf") if position is None else float(position)
        key.append((rank, place, natural_key(stem)))
    return key


def number(value: Any, default: float | None) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else default


def post_slug(path: str, meta: dict[str, Any]) -> tuple[str, str]:
    """Return a blog post's path below the blog's, and its date for sorting."""
    stem = re.sub(r"(?:/index)?\.mdx?$", "", path)
    match = _POST.fullmatch(stem)
    day = match[2].replace("-", "/") if match else ""
    slug = f"{day}/{match[1]}{match[3]}" if match else stem
    return str(meta.get("slug") or file_address(slug)), str(
        meta.get("date") or day.replace("/", "-")
    )


def page_slug(path: str, meta: dict[str, Any]) -> str:
    """Return the path of a page that stands alone."""
    stem = re.sub(r"(?:(?<=/)index|^index)?\.mdx?$", "", path)
    return str(meta.get("slug") or file_address(stem))
