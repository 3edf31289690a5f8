"""Rewrite paths by VitePress's `rewrites`: `{"packages/:pkg/doc.md": ":pkg/index.md"}`.

https://vitepress.dev/guide/routing#route-rewrites. Patterns are those of path-to-regexp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MAX_STEPS = 2_000
"""Attempts to match one path."""
_PIECE = re.compile(r":(\w+)([*+?]|\(\.\*\))?|(\(\.\*\))|([^:(){}*+?]+|:)")


class Unreadable(Exception):
    """A pattern of more than names, `*`, `+` and `?`."""


class _Piece(NamedTuple):
    """A text, or a name with its sign: `:`, `*`, `+` or `?`."""

    sign: str
    text: str


class Rewrites:
    """The rules of a site, in order; the first that matches a path counts."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        """Raises Unreadable."""
        self._rules = [(_pieces(old), _pieces(new)) for old, new in rules.items()]

    def apply(self, path: str) -> str:
        for old, new in self._rules:
            found = _match(path, old, iter(range(MAX_STEPS)))
            if found is not None:
                return "".join(found.get(text, "") if sign else text for sign, text in new)
        return path


def _pieces(pattern: str) -> list[_Piece]:
    pieces, at = list[_Piece](), 0
    pattern = pattern.lstrip("/")
    while at < len(pattern):
        found = _PIECE.match(pattern, at)
        if found is None:
            raise Unreadable(pattern)
        name, sign, everything, text = found.groups()
        if text:
            pieces.append(_Piece("", text))
        elif everything:
            pieces.append(_Piece("*", str(sum(bool(piece.sign) for piece in pieces))))
        else:
            pieces.append(_Piece("*" if sign == "(.*)" else sign or ":", name))
        at = found.end()
    return pieces


def _match(
    path: str, pieces: Sequence[_Piece], attempts: Iterator[int], at: int = 0
) -> dict[str, str] | None:
    """Return the names' values if the pieces match the rest of a path. Ends with the attempts."""
    if next(attempts, None) is None or not pieces:
        return {} if at == len(path) and not pieces else None
    (sign, text), *rest = pieces
    if not sign:
        return _match(path, rest, attempts, at + len(text)) if path.startswith(text, at) else None
    end = len(path) if sign in "*+" else path.find("/", at)
    end = len(path) if end < 0 else end
    for stop in range(end, at - (sign in "*?"), -1):
        if (found := _match(path, rest, attempts, stop)) is not None:
            return {text: path[at:stop], **found}
    return None
