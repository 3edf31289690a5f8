"""Addresses, ids and order of Docusaurus pages.

The rules follow @docusaurus/plugin-content-docs (slug.js, docs.js, numberPrefix.js) and
@docusaurus/plugin-content-blog (blogUtils.js), in packages/ of
https://github.com/facebook/docusaurus.
"""

from __future__ import annotations

import re
from math import inf
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


def _name(part: str, meta: dict[str, Any]) -> str:
    """Return a folder or file as addresses and ids name it."""
    return part if meta.get("parse_number_prefixes") is False else strip_number(part)[0]


def doc_slug(path: str, meta: dict[str, Any]) -> str:
    """Return a document's path below the base path, as getSlug() computes it."""
    source, slug = PurePosixPath(path), meta.get("slug")
    if isinstance(slug, str) and slug.startswith("/"):
        return slug
    folders = source.parts[:-1]
    prefix = file_address("/".join(_name(part, meta) for part in folders))
    if slug:
        return f"{prefix}/{slug}"
    if source.stem.lower() in ("index", "readme", folders[-1].lower() if folders else "."):
        return f"{prefix}/"
    return f"{prefix}/{file_address(str(meta.get('id') or _name(source.stem, meta)))}"


def doc_id(path: str, meta: dict[str, Any]) -> str:
    """Return the id that sidebars use: the folders and name without number prefixes."""
    source = PurePosixPath(path)
    parts = [*source.parts[:-1], str(meta.get("id") or source.stem)]
    return "/".join(_name(part, meta) for part in parts)


def doc_order(path: str, meta: dict[str, Any], positions: dict[str, float]) -> list[Any]:
    """Return the sort key of the generated sidebar: position, then name, at each level.

    `positions` are those that folders are given.
    """
    names = [*PurePosixPath(path).parts[:-1], PurePosixPath(path).stem]
    given = [positions.get("/".join(names[:depth])) for depth in range(1, len(names))]
    given.append(number(meta.get("sidebar_position")))
    key = []
    for name, own in zip(names, given, strict=True):
        place = strip_number(name)[1] if own is None else own
        key.append((inf if place is None else place, natural_key(name)))
    if key[-1][0] == inf and names[-1].lower() in ("index", "readme"):
        key[-1] = (-inf, key[-1][1])
    return key


def number(value: Any) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else None


def post_slug(path: str, meta: dict[str, Any]) -> tuple[str, str]:
    """Return a blog post's path below the blog's, and its date for sorting."""
    stem = re.sub(r"\.mdx?$", "", path)
    match = _POST.fullmatch(stem)
    day = match[2].replace("-", "/") if match else ""
    name = match[3] if match else stem  # `index` at once below a date stays
    name = name.removesuffix("/index")
    slug = f"{day}/{match[1]}{name}" if match else name
    return str(meta.get("slug") or file_address(slug)), str(
        meta.get("date") or day.replace("/", "-")
    )


def page_slug(path: str, meta: dict[str, Any]) -> str:
    """Return the path of a page that stands alone."""
    stem = re.sub(r"(?:(?<=/)index|^index)?\.mdx?$", "", path)
    return str(meta.get("slug") or file_address(stem))
