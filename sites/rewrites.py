"""Rewrite paths by VitePress's `rewrites`: `{"packages/:pkg/doc.md": ":pkg/index.md"}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_STEPS = 2_000
"""Attempts to match one path."""


class Unreadable(Exception):
    """A pattern of more than names, `*`, `+` and `?`."""


class Rewrites:
    """The rules of a site, in order; the first that matches a path counts."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        """Raises Unreadable."""
        self._rules = [(_pieces(old), _pieces(new)) for old, new in rules.items()]

    def apply(self, path: str) -> str:
        for old, new in self._rules:
            found = _Match(path).match(old)
            if found is not None:
                return "".join(
                    found.get(piece[1:], "") if _named(piece) else piece for piece in new
                )
        return path


def _named(piece: str) -> bool:
    return piece[:1] in (":", "*", "+", "?") and len(piece) > 1


def _pieces(pattern: str) -> list[str]:
    """Split a pattern into text and names; `:a*` becomes `*a`, `:a` stays `:a`."""
    pieces, at = [""], 0
    pattern = pattern.lstrip("/")
    while at < len(pattern):
        ch = pattern[at]
        if ch == ":":
            end = at + 1
            while end < len(pattern) and (pattern[end].isalnum() or pattern[end] == "_"):
                end += 1
            sign = pattern[end] if pattern[end : end + 1] in ("*", "+", "?") else ":"
            if pattern[end : end + 4] == "(.*)":
                sign, end = "*", end + 3
            pieces += [sign + pattern[at + 1 : end - (sign == "*" and pattern[end] == ")") * 3], ""]
            at = end + (sign != ":")
        elif pattern.startswith("(.*)", at):
            pieces += [f"*{sum(map(_named, pieces))}", ""]
            at += 4
        elif ch in "(){}*+?":
            raise Unreadable(pattern)
        else:
            pieces[-1] += ch
            at += 1
    return [piece for piece in pieces if piece]


class _Match:
    """Matches one path, with a bounded number of attempts."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = MAX_STEPS

    def match(self, pieces: Sequence[str], at: int = 0) -> dict[str, str] | None:
        """Return the names' values if the pieces match the rest of the path."""
        self._left -= 1
        if self._left < 0 or not pieces:
            return {} if at == len(self._path) and not pieces else None
        piece, rest = pieces[0], pieces[1:]
        if not _named(piece):
            return self.match(rest, at + len(piece)) if self._path.startswith(piece, at) else None
        whole = piece[0] in "*+"
        end = len(self._path) if whole else self._path.find("/", at)
        end = len(self._path) if end < 0 else end
        for stop in range(end, at - (piece[0] in "*?"), -1):
            if (found := self.match(rest, stop)) is not None:
                return {piece[1:]: self._path[at:stop], **found}
        return None
