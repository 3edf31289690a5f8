"""Parse attribute lists, `{#id .class key=value}`, which several Markdown dialects share."""

from __future__ import annotations

import re

from markdown_it.token import Token

_QUOTED = r"(?:\"[^\"{}]*\"|'[^'{}]*')(?=[ \t}])"
# Atomic: `a="b"` is also an unquoted value, so that a list with an error could be read in
# exponentially many ways.
_ITEM = rf"(?>[#.][^\s{{}}]+|[\w:-]+=(?:{_QUOTED}|[^\s{{}}]+))"
_LIST = re.compile(rf"\{{:?[ \t]*+({_ITEM}(?:[ \t]++{_ITEM})*+)[ \t]*+\}}")
_ID = re.compile(rf"(?:(?<=[ \t])|^)(?:#|id=)({_QUOTED}|[^\s{{}}]+)")


def trailing_id(tokens: list[Token]) -> str:
    """Remove an attribute list from the end of a heading and return its id, or ""."""
    last = tokens[-1] if tokens else None
    if last is None or last.type != "text":
        return ""
    text = last.content.rstrip(" \t")
    match = _LIST.fullmatch(text, max(0, text.rfind("{")))
    if match is None:
        return ""
    last.content = text[: match.start()].rstrip(" \t")
    ids = _ID.findall(match[1])
    return str(ids[-1]).strip("\"'") if ids else ""
