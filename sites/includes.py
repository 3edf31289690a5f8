"""Insert the files that a page includes, within one budget for each page."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from sites.files import Files, Refused, real_path


def relative_name(place: Path, folder: Path) -> str:
    """Return a file's path as messages name it."""
    return Path(os.path.relpath(place, real_path(folder))).as_posix()


class Include(NamedTuple):
    """A file that a page includes."""

    name: str
    """As the page spells it."""
    place: Path
    cut: Callable[[str], str] = str
    """Selects the part of the file's text that the page shows."""
    at: str = ""
    """File and line of the include; without them it is in the page."""


class _Open(NamedTuple):
    """A file whose includes are being inserted."""

    place: Path
    name: str
    above: int | None
    """Lines above the part that is shown, if that is known."""

    def at(self, line: int) -> str:
        return self.name if self.above is None else f"{self.name}:{self.above + line + 1}"


class Includes:
    """The includes of one page. A file that cannot be included is reported and left out."""

    def __init__(
        self,
        files: Files,
        folder: Path,
        page: str,
        missing: str = "includes could not be found",
        above: int | None = None,
    ) -> None:
        """`missing` is the kind of loss that a file is that does not exist.

        `above` is the number of lines above the page's body, if lines are to be named.
        """
        self._files = files
        self._folder = folder
        self._missing = missing
        self._page = page
        self._count = 0
        self._limits = files.limits
        self._characters = self._limits.included_characters
        self._open = [_Open(real_path(folder / page), page, above)]
        """The page and the files that are being included, outermost first."""
        self._left_out: dict[str, list[tuple[str, str]]] = {}
        self._parts: list[str] = []
        self._lines = 0
        """Line ends in `parts`."""
        self._origins: list[tuple[int, _Open, int]] = []
        """(line of the expanded text, the file that it is from, line of that file's part)"""

    @contextmanager
    def including(self, include: Include) -> Iterator[str]:
        """Return the text of a file for the block that inserts it; "" if it is left out."""
        try:
            text, above = self._text(include)
        except Refused as refusal:
            left_out = self._left_out.setdefault(str(refusal), [])
            left_out.append((include.name, include.at or self._page))
            yield ""
            return
        place = real_path(include.place)
        self._open.append(_Open(place, relative_name(place, self._folder), above))
        yield text
        self._open.pop()

    def _text(self, include: Include) -> tuple[str, int | None]:
        """Return the part of a file that is shown, and the lines above it."""
        place = self._files.locate(include.place)
        if any(place == each.place for each in self._open):
            raise Refused("includes itself")
        if len(self._open) > self._limits.include_depth:
            depth = self._limits.include_depth
            raise Refused(f"is included more than {depth} levels deep (MAX_INCLUDE_DEPTH)")
        self._count += 1
        if self._count > self._limits.includes:
            limit = f"{self._limits.includes:,}"
            raise Refused(f"is beyond the limit of {limit} includes for a page (MAX_INCLUDES)")
        if not os.path.exists(place):
            self._files.report.losses.add(self._missing, include.at or self._page, include.name)
            return "", None
        whole = self._files.included(place, self._limits.included_characters)
        text = include.cut(whole)
        self._spend(len(text))
        begin = whole.find(text)
        return text, whole.count("\n", 0, begin) if begin >= 0 else None

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

    def expand(
        self,
        text: str,
        pattern: re.Pattern[str],
        find: Callable[[re.Match[str], Path], Include | str],
    ) -> str:
        """Replace each match by the file that it names.

        `find` returns, for a match and the folder of the file that it is in, the file to
        insert or the text to put in its place.
        """

        self._parts.clear()
        self._origins.clear()
        self._lines = 0
        self._expand(text, pattern, find)
        return "".join(self._parts)

    def _expand(
        self,
        text: str,
        pattern: re.Pattern[str],
        find: Callable[[re.Match[str], Path], Include | str],
    ) -> None:
        at = line = 0
        for match in pattern.finditer(text):
            self._add(text[at : match.start()], line)
            line += text.count("\n", at, match.start())
            found = find(match, self._open[-1].place.parent)
            if isinstance(found, str):
                self._add(found, line)
            else:
                with self.including(found._replace(at=self._open[-1].at(line))) as inner:
                    self._expand(inner, pattern, find)
            line += text.count("\n", match.start(), match.end())
            at = match.end()
        self._add(text[at:], line)

    def _add(self, text: str, line: int) -> None:
        """Add text that begins at a line of the file that is open."""
        below = text.startswith("\n")  # what stands before it on its line is from elsewhere
        self._origins.append((self._lines + below, self._open[-1], line + below))
        self._lines += text.count("\n")
        self._parts.append(text)

    def origin(self, line: int) -> str:
        """Return the file and line that a line of the expanded text, from 0, is from."""
        at = bisect_right(self._origins, line, key=itemgetter(0)) - 1
        first, file, there = self._origins[max(at, 0)]
        return file.at(there + line - first)

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
