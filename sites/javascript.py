"""Read literals from a JavaScript or TypeScript configuration without executing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STRING = r"(?:'(?:\\.|[^'\\\n])*+|\"(?:\\.|[^\"\\\n])*+|`(?:\\.|[^`\\])*+)(['\"`]?)"
"""A string, and the quote that closes it, if one does."""
_STRINGS = re.compile(_STRING, re.DOTALL)
_MARK = re.compile(r"['\"`]|//[^\n]*|/\*")


@dataclass(frozen=True, slots=True)
class Script:
    """A configuration without comments."""

    source: str

    def text(self, key: str) -> str | None:
        """Return the first string assigned to `key`."""
        return next(iter(self.texts(key)), None)

    def texts(self, key: str) -> list[str]:
        """Return every string assigned to `key`, alone or in a list, in order."""
        found: list[str] = []
        end, last = 0, self.source.rfind("]")
        pattern = rf"(?<![\w$])['\"]?{key}['\"]?\s*:\s*(\[|{_STRING})"
        for match in re.finditer(pattern, self.source, re.DOTALL):
            if match.start() < end:
                continue
            if match[2]:
                found.append(_unquote(match[1]))
            elif match[1] == "[" and match.end() <= last:
                end = self.source.find("]", match.end())
                found += _closed_strings(self.source[match.end() : end])
        return found

    def flag(self, key: str) -> bool | None:
        """Return the boolean assigned to `key`, or None."""
        found = re.search(rf"(?<![\w$])['\"]?{key}['\"]?\s*:\s*(true|false)\b", self.source)
        return found[1] == "true" if found else None

    def strings(self) -> list[str]:
        """Return every string in the configuration, in order."""
        return _closed_strings(self.source)


def read_script(source: str) -> Script:
    """Remove the comments of a configuration."""
    return Script(_without_comments(source))


def _without_comments(source: str) -> str:
    """Replace comments by spaces. A quote that nothing closes is text."""
    parts: list[str] = []
    at, last = 0, source.rfind("*/")
    dead = dict.fromkeys("'\"`", 0)
    """Where text ends in which no string with this quote begins."""
    while mark := _MARK.search(source, at):
        parts.append(source[at : mark.start()])
        shown, at = " ", mark.end()
        if (sign := mark[0]) in dead:
            shown = sign
            string = _STRINGS.match(source, mark.start()) if mark.start() >= dead[sign] else None
            if string and string[1]:
                shown, at = string[0], string.end()
            elif string:
                dead[sign] = string.end()
        elif sign == "/*" and at <= last:
            at = source.find("*/", at) + 2
        elif sign == "/*":
            shown = sign
        parts.append(shown)
    return "".join([*parts, source[at:]])


_TOKEN = re.compile(rf"{_STRING}|[{{}}\[\](),:]|[^\s{{}}\[\](),:'\"`]+", re.DOTALL)
_LITERAL = re.compile(r"(?:=|\bdefault)\s*(?=[{\[])|\A\s*(?=[{\[])")
_OPEN, _CLOSE = frozenset("{[("), frozenset("}])")
MAX_DEPTH = 50
"""Levels of a literal; deeper ones are skipped."""


def read_literals(source: str) -> list[Any]:
    """Return every object and list that is assigned or exported, without computed parts.

    Objects become dictionaries, lists lists and strings strings; anything else becomes None.
    """
    found, end = [], 0
    for match in _LITERAL.finditer(source):
        if match.end() >= end:
            reader = _Literals(source, match.end())
            found.append(reader.value())
            end = reader.end
    return found


class _Literals:
    """Parses one literal in linear time."""

    def __init__(self, source: str, start: int) -> None:
        self._tokens = _TOKEN.finditer(source, start)
        self._here = ""
        self.end = start
        self._next()

    def _next(self) -> str:
        taken, match = self._here, next(self._tokens, None)
        self._here = match[0] if match else ""
        self.end = match.end() if match else self.end
        return taken

    def value(self, depth: int = 0) -> Any:
        """Return the value at the current token and move to the `,` or bracket that ends it."""
        result: Any = None
        if depth < MAX_DEPTH and self._here == "{":
            result = self._object(depth)
        elif depth < MAX_DEPTH and self._here == "[":
            result = self._list(depth)
        elif self._here[:1] in ("'", '"', "`") and len(self._here) > 1:
            result = _unquote(self._next())
        computed = self._skip_to(",") if depth else False
        return None if computed and not isinstance(result, dict | list) else result

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._next()
        while self._here not in ("", "}"):
            key = self._next()
            if key == ",":
                continue
            self._skip_to(":,")
            if self._here == ":":
                self._next()
                key = _unquote(key) if key[:1] in ("'", '"', "`") else key
                found.setdefault(key, self.value(depth + 1))
        self._next()
        return found

    def _list(self, depth: int) -> list[Any]:
        found = []
        self._next()
        while self._here not in ("", "]"):
            if self._here == ",":
                self._next()
            else:
                found.append(self.value(depth + 1))
        self._next()
        return found

    def _skip_to(self, ends: str) -> bool:
        """Skip to one of `ends` or a closing bracket; return whether anything was skipped."""
        level, passed = 0, False
        while self._here:
            if not level and (self._here in ends or self._here in _CLOSE):
                break
            level += (self._here in _OPEN) - (self._here in _CLOSE)
            passed = True
            self._next()
        return passed


def _closed_strings(source: str) -> list[str]:
    return [_unquote(string[0]) for string in _STRINGS.finditer(source) if string[1]]


def _unquote(string: str) -> str:
    return re.sub(r"\\(.)", r"\1", string[1:-1], flags=re.DOTALL)
