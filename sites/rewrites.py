"""Rewrite paths by VitePress's `rewrites`: `{"packages/:pkg/doc.md": ":pkg/index.md"}`.

https://vitepress.dev/guide/routing#route-rewrites. Patterns are those of path-to-regexp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MAX_STEPS = 10_000
"""Attempts to match one path."""
MAX_REPEATS = 2
"""Signs of repetition in one pattern of the site's own."""
_PIECE = re.compile(
    r":(?P<name>\w+)(?:(?P<sign>[*+?])|\((?P<pattern>[^()]{1,100})\))?"
    r"|(?P<all>\(\.\*\))|(?P<text>[^:(){}*+?]+|:)"
)
_PATTERNS = {"*": ".*", "+": ".+", "?": "[^/]*"}


class Unreadable(Exception):
    """A rule of more than names, each with `*`, `+`, `?` or a short pattern."""


class _Piece(NamedTuple):
    """A text, or a name with the pattern of its values."""

    text: str
    pattern: re.Pattern[str] | None


class Rewrites:
    """The rules of a site, in order; the first that matches a path counts."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        """Raises Unreadable."""
        self._rules = [(_pieces(old), _pieces(new)) for old, new in rules.items()]

    def apply(self, path: str) -> str:
        for old, new in self._rules:
            found = _match(path, old, iter(range(MAX_STEPS)))
            if found is not None:
                return "".join(found.get(text, "") if named else text for text, named in new)
        return path


def _pieces(rule: str) -> list[_Piece]:
    pieces, at = list[_Piece](), 0
    rule = rule.lstrip("/")
    while at < len(rule):
        found = _PIECE.match(rule, at)
        if found is None:
            raise Unreadable(rule)
        if found["text"]:
            pieces.append(_Piece(found["text"], None))
        else:
            pattern = _PATTERNS.get(found["sign"], found["pattern"] or "[^/]+")
            pattern = ".*" if found["all"] else pattern
            if sum(map(pattern.count, "*+?{")) > MAX_REPEATS:
                raise Unreadable(rule)
            name = found["name"] or str(sum(piece.pattern is not None for piece in pieces))
            try:
                pieces.append(_Piece(name, re.compile(pattern, re.ASCII)))
            except re.error:
                raise Unreadable(rule) from None
        at = found.end()
    return pieces


def _match(
    path: str, pieces: Sequence[_Piece], attempts: Iterator[int], at: int = 0
) -> dict[str, str] | None:
    """Return the names' values if the pieces match the rest of a path. Ends with the attempts."""
    if not pieces:
        return {} if at == len(path) else None
    (text, pattern), *rest = pieces
    if pattern is None:
        return _match(path, rest, attempts, at + len(text)) if path.startswith(text, at) else None
    for stop in range(len(path), at - 1, -1):
        if next(attempts, None) is None:
            return None
        found = _match(path, rest, attempts, stop) if pattern.fullmatch(path, at, stop) else None
        if found is not None:
            return {text: path[at:stop], **found}
    return None
