"""Static files from `widget/`, and the hashes for their content security policies."""

from __future__ import annotations

import base64
import functools
import hashlib
import re

from rag.settings import ROOT


@functools.cache
def file(name: str) -> bytes:
    """Return the content of a file in `widget/`."""
    return (ROOT / "widget" / name).read_bytes()


@functools.cache
def inline_hashes(name: str, tag: str) -> str:
    """Return CSP hash sources for a page's inline `style` or `script` elements."""
    inline = re.findall(f"<{tag}[^>]*>(.+?)</{tag}>".encode(), file(name), re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inline)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
