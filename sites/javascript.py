"""Literals in a generator's JavaScript or TypeScript configuration; nothing is executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MAX_SCRIPT = 500_000
"""Bytes; what comes later in a configuration is not read."""
_STRING = r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`"
_COMMENTS = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """A configuration without its comments."""

    source: str

    def text(self, key: str) -> str | None:
        """The first string given to `key`."""
        return next(iter(self.texts(key)), None)

    def texts(self, key: str) -> list[str]:
        """Every string given to `key`, alone or in a list, in order."""
        found = []
        pattern = rf"(?<![\w$])['\"]?{key}['\"]?\s*:\s*(\[[^\]]*\]|{_STRING})"
        for match in re.finditer(pattern, self.source):
            found += [_unquote(string) for string in re.findall(_STRING, match[1])]
        return found

    def flag(self, key: str) -> bool:
        """Whether `key` is given `true`."""
        return bool(re.search(rf"(?<![\w$])['\"]?{key}['\"]?\s*:\s*true\b", self.source))

    def strings(self) -> list[str]:
        """Every string in it, in order."""
        return [_unquote(string) for string in re.findall(_STRING, self.source)]


def read_script(path: Path) -> Script:
    """Read a configuration; an unreadable one is empty."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SCRIPT).decode("utf-8", errors="replace")
    except OSError:
        source = ""
    return Script(_COMMENTS.sub(lambda match: match[1] or " ", source))


def _unquote(string: str) -> str:
    return re.sub(r"\\(.)", r"\1", string[1:-1], flags=re.DOTALL)
