"""Insert the files that a page includes, within one budget for each page."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from sites.files import Files, Refused, real_path


def relative_name(place: Path, folder: Path) -> str:
    """Return a file's path as messages name it."""
    return Path(os.path.relpath(place, real_path(folder))).as_posix()


def numbered_lines(text: str, first: str, last: str | None = None) -> str:
    """Return one line, or those up to `last`; an empty number stands for the start or end."""
    last = first if last is None else last
    begin, end = max(int(first or 1), 1), int(last) if last else None
    return "\n".join(text.split("\n")[begin - 1 : end])


def marked_lines(lines: Sequence[str], mark: re.Pattern[str], name: str) -> Iterator[str]:
    """Yield the lines between the first marks of a name, without other marks.

    The pattern has the groups `name` and `end`.
    """
    inside = False
    for line in lines:
        found = mark.search(line)
        if found and found["name"] == name:
            if inside and found["end"]:
                return
            inside = not found["end"]
        elif inside and not found:
            yield line


class Include(NamedTuple):
    """A file that a page includes."""

    name: str
    """As the page spells it."""
    place: Path | None
    """None for what is not a file."""
    cut: Callable[[str], str] = str
    """Selects the part of the file's text that the page shows."""
    at: str = ""
    """File and line of the include; without them it is in the page."""
    missing: str = "includes could not be found"
    """The kind of loss that a file is that does not exist."""
    is_code: bool = False
    """Whether it is shown as it is written; then a file may include itself."""


class _Open(NamedTuple):
    """A file whose includes are being inserted."""

    place: Path
    at: Callable[[int], str]
    """Returns the file and line that a line of its text, from 0, is from."""


Find = Callable[[re.Match[str], Path], Sequence[Include | str]]
"""Returns what replaces a match in a file of a folder: files and text."""


class Includes:
    """The includes of one page. A file that cannot be included is reported and left out."""

    def __init__(self, files: Files, folder: Path, page: str, above: int = 0) -> None:
        """`above` is the number of lines above the page's body."""
        self._files = files
        self._folder = folder
        self._page = page
        self._count = 0
        self._limits = files.limits
        self._characters = self._limits.included_characters
        self._open = [_Open(real_path(folder / page), partial(_line, page, above))]
        """The page and the files that are being included, outermost first."""
        self._left_out: dict[str, list[tuple[str, str]]] = {}
        self._parts: list[str] = []
        self._lines = 0
        """Line ends in `parts`."""
        self._origins: list[tuple[int, _Open, int]] = []
        """(line of the expanded text, the file that it is from, line of that file's text)"""

    @contextmanager
    def including(self, include: Include) -> Iterator[str]:
        """Return the text of a file for the block that inserts it; "" if it is left out."""
        try:
            text, opened = self._text(include)
        except Refused as refusal:
            left_out = self._left_out.setdefault(str(refusal), [])
            left_out.append((include.name, include.at or self._page))
            yield ""
            return
        self._open.append(opened)
        yield text
        self._open.pop()

    def _text(self, include: Include) -> tuple[str, _Open]:
        """Return the part of a file that is shown."""
        place = self._files.locate(include.place or self._folder)
        if not include.is_code and any(place == each.place for each in self._open):
            raise Refused("includes itself")
        if len(self._open) > self._limits.include_depth:
            depth = self._limits.include_depth
            raise Refused(f"is included more than {depth} levels deep (MAX_INCLUDE_DEPTH)")
        self._count += 1
        if self._count > self._limits.includes:
            limit = f"{self._limits.includes:,}"
            raise Refused(f"is beyond the limit of {limit} includes for a page (MAX_INCLUDES)")
        if not include.place or not os.path.exists(place):
            self._files.report.losses.add(include.missing, include.at or self._page, include.name)
            return "", self._open[-1]
        whole = self._files.included(place, self._limits.included_characters)
        text = include.cut(whole)
        self._spend(len(text))
        begin = whole.find(text)
        above = whole.count("\n", 0, begin) if begin >= 0 else None
        return text, _Open(place, partial(_line, relative_name(place, self._folder), above))

    def _spend(self, characters: int) -> None:
        if characters > self._characters:
            raise Refused(
                f"is beyond the limit of {self._limits.included_characters:,} included characters "
                "for a page (MAX_INCLUDED_CHARACTERS)"
            )
        self._files.spend(characters)
        self._characters -= characters

    def filled(self, text: str, expression: str) -> str:
        """Return the text that an expression of the page stands for; "" if that is too much."""
        try:
            self._spend(len(text))
        except Refused as refusal:
            self._left_out.setdefault(str(refusal), []).append((expression, self._page))
            return ""
        return text

    def expand(self, text: str, pattern: re.Pattern[str], find: Find) -> str:
        """Replace each match by the files that it names, in them too."""
        self._parts, self._origins, self._lines = [], [], 0
        self._expand(text, pattern, find)
        self._open[0] = self._open[0]._replace(at=partial(_origin, self._origins))
        return "".join(self._parts)

    def _expand(self, text: str, pattern: re.Pattern[str], find: Find) -> None:
        at = line = 0
        for match in pattern.finditer(text):
            self._add(text[at : match.start()], line)
            line += text.count("\n", at, match.start())
            for found in find(match, self._open[-1].place.parent):
                if isinstance(found, str):
                    self._add(found, line)
                    continue
                named = line + match[0].count("\n", 0, max(match[0].find(found.name), 0))
                with self.including(found._replace(at=self._open[-1].at(named))) as inner:
                    self._expand(inner, pattern, find)
            line += match[0].count("\n")
            at = match.end()
        self._add(text[at:], line)

    def _add(self, text: str, line: int) -> None:
        """Add text that begins at a line of the file that is open."""
        if not text and self._origins:
            return
        below = text.startswith("\n")  # what stands before it on its line is from elsewhere
        self._origins.append((self._lines + below, self._open[-1], line + below))
        self._lines += text.count("\n")
        self._parts.append(text)

    def origin(self, line: int) -> str:
        """Return the file and line that a line of the expanded text, from 0, is from."""
        return self._open[0].at(line)

    def report(self) -> None:
        """Name the files that were left out: one line for each reason."""
        for reason, names in self._left_out.items():
            first, at = names[0]
            others = len({name for name, _ in names}) - 1
            more = f", and {others} more like it" if others else ""
            where = f" ({at})" if at != self._page else ""
            self._files.report.add(
                self._page,
                f"includes {first}, which {reason}{more}; it was left out{where}.",
                skipped=True,
            )


def _line(name: str, above: int | None, line: int) -> str:
    """Name a line of a file; only the file if the lines above its text are not known."""
    return name if above is None else f"{name}:{above + line + 1}"


def _origin(origins: Sequence[tuple[int, _Open, int]], line: int) -> str:
    first, file, there = origins[max(bisect_right(origins, line, key=itemgetter(0)) - 1, 0)]
    return file.at(there + line - first)
