"""Pages that handlers serve from `widget/`, and the policies that fit them."""

from __future__ import annotations

import base64
import functools
import hashlib
import re

from rag.settings import ROOT


@functools.cache
def file(name: str) -> bytes:
    return (ROOT / "widget" / name).read_bytes()


@functools.cache
def hashes(name: str, tag: str) -> str:
    """What allows the inline elements of one kind, `style` or `script`, in a page's policy."""
    inline = re.findall(f"<{tag}[^>]*>(.+?)</{tag}>".encode(), file(name), re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inline)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
