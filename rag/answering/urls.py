"""Make every address of the book's pages and sections, and read the page of an address.

A slug is `path#anchor`. Its path is percent-encoded where a sign would end the path or begin an
escape, so the first `#` always begins the anchor.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_PATHS = "/%:@!$'()*+,;=~"


def address(base: str, slug: str, directive: str = "") -> str:
    """Return the URL of a slug below `base`, which may be relative, such as `..`.

    `directive` is a text fragment, see `rag/answering/text_fragments.py`.
    """
    path, _, anchor = slug.partition("#")
    url = f"{base.removesuffix('/')}/{_encode(path.lstrip('/'), _IN_PATHS)}"
    fragment = _encode(anchor, _IN_PATHS + "?&")
    if directive:
        fragment += f":~:{directive}"
    return f"{url}#{fragment}" if fragment else url


def page_path(slug_or_path: str) -> str:
    """Return the decoded path of a page, by which it is found. Slashes at its ends do not count."""
    return unquote(re.split("[#?]", slug_or_path, maxsplit=1)[0]).strip("/")


def _encode(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)
