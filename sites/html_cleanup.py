"""Make untrusted HTML safe for the standard library's parser."""

from __future__ import annotations

import re

MAX_TAG = 4_000
"""Characters of a tag; longer ones are text."""
_TAG = re.compile(r"<[A-Za-z/!?]")
_COMMENT = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|(<(script|style|title|textarea)(?=[\s/>]).*?(?:</\2|\Z)"
    r"|<[a-z](?:[^<>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+)*+>)",
    re.DOTALL | re.IGNORECASE,
)
"""A comment, or what may hold `<!--` as text: a tag's attributes, a script, a title.

A comment that is never closed hides the rest, as in a browser.
"""
_DATA = re.compile(r"(\b(?:src|href|srcset)=)([\"'])data:[^\"'>]*\2")


def _without_comments(match: re.Match[str]) -> str:
    return (match[1] or "").replace("<!--", "&lt;!--")


def prepare_html(html: str) -> str:
    """Rewrite HTML so that `html.parser` reads it in linear time and like a browser.

    Comments and data URLs are removed. A `<` without a `>` soon after becomes `&lt;`, because
    the parser takes quadratic time for tags that are never closed.
    """
    if "<!--" in html:
        html = _COMMENT.sub(_without_comments, html)
    if "data:" in html:
        html = _DATA.sub(r"\1\2\2", html)
    parts, begin, close = [], 0, -1
    for match in _TAG.finditer(html):
        start = match.start()
        if close < start:
            close = html.find(">", start)
            if close < 0:
                close = len(html) + MAX_TAG
        if close - start >= MAX_TAG:
            parts += [html[begin:start], "&lt;"]
            begin = start + 1
    return "".join([*parts, html[begin:]])
