"""Make anchors from headings by each generator's rule.

Each page gets its own slugger, which remembers the anchors it returned and numbers repeats.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from rag.language.visible import normalize
from sites.alphabetic import is_alphanumeric

Slugger = Callable[[str, str], str]
"""(text of the heading, id written by the author or "") -> id on the page."""

_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_KEPT_BY_GITHUB = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc"}


def github_slug(text: str) -> str:
    """Lower-case; keep letters, marks, digits, `_` and `-`; turn each space into `-`.

    Rule of the npm package github-slugger, used by GitHub-like renderers and Docusaurus:
    it keeps Alphabetic, Mark, Decimal_Number and Connector_Punctuation.
    """
    kept = (ch for ch in text.lower() if ch in " -" or _github_keeps(ch))
    return "".join(kept).replace(" ", "-")


def _github_keeps(ch: str) -> bool:
    if unicodedata.category(ch) in _KEPT_BY_GITHUB:
        return True
    return any(low <= ord(ch) <= high for low, high in _CIRCLED)


def _numbered(slug: Callable[[str], str]) -> Callable[[], Slugger]:
    """Number repeats `-1`, `-2`. An explicit id is used as is and not remembered."""

    def slugger() -> Slugger:
        seen: dict[str, int] = {}
        return lambda text, explicit: explicit or _first_free(slug(text), seen)

    return slugger


github_slugger = _numbered(github_slug)


_VITE_SPECIAL = re.compile(r"[\s\ufeff~`!@#$%^&*()\-_+=\[\]{}|\\;:\"'“”‘’<>,.?/]+")


def vitepress_slug(text: str) -> str:
    """Apply NFKD, drop combining marks, turn punctuation into `-`, put `_` before a digit.

    Rule of the npm package @mdit-vue/shared.
    """
    text = re.sub("[\u0300-\u036f]", "", normalize("NFKD", text))
    text = _VITE_SPECIAL.sub("-", re.sub("[\x00-\x1f]", "", text))
    text = re.sub("-{2,}", "-", text).strip("-")
    return re.sub("^([0-9])", r"_\1", text).lower()


def vitepress_slugger() -> Slugger:
    """Number repeats `-1`, `-2`, like markdown-it-anchor."""
    seen: dict[str, int] = {}
    return lambda text, explicit: _first_free(explicit or vitepress_slug(text), seen)


def mdbook_slug(text: str) -> str:
    """Lower-case; keep alphanumerics, `_` and `-`; turn each space into `-`; drop the rest.

    Rule of mdBook 0.5 (`id_from_content` in mdbook-html).
    """
    result = []
    for ch in text.strip().lower():
        if is_alphanumeric(ch) or ch in "_-":
            result.append(ch)
        elif ch.isspace():
            result.append("-")
    return "".join(result)


mdbook_slugger = _numbered(mdbook_slug)


def _first_free(base: str, seen: dict[str, int]) -> str:
    """Return the id, numbered if needed; `seen` maps an id to the last number tried."""
    result = base
    while result in seen:
        seen[base] += 1
        result = f"{base}-{seen[base]}"
    seen[result] = 0
    return result
