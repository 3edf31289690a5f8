"""Insert the files that a page includes, within one budget for each page."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sites.files import Files, Refused, real_path

MAX_INCLUDES = 500
"""Files that one page may include, repeats counted."""
MAX_DEPTH = 6
"""Levels of files that include files."""
MAX_INCLUDED = 1_000_000
"""Characters that the includes of one page may add, and bytes of one included file."""


class Include(NamedTuple):
    """A file that a page includes."""

    name: str
    """As the page spells it."""
    place: Path
    cut: Callable[[str], str] = str
    """Selects the part of the file's text that the page shows."""


class Includes:
    """The includes of one page. A file that cannot be included is reported and left out."""

    def __init__(
        self,
        files: Files,
        folder: Path,
        page: str,
        missing: str = "includes could not be found",
    ) -> None:
        """`missing` is the kind of loss that a file is that does not exist."""
        self._files = files
        self._missing = missing
        self._page = page
        self._count = 0
        self._characters = MAX_INCLUDED
        self._open = [real_path(folder / page)]
        """The page and the files that are being included, outermost first."""
        self._left_out: dict[str, list[str]] = {}

    @contextmanager
    def including(self, include: Include) -> Iterator[str]:
        """Return the text of a file for the block that inserts it; "" if it is left out."""
        try:
            text = self._text(include)
        except Refused as refusal:
            self._left_out.setdefault(str(refusal), []).append(include.name)
            yield ""
            return
        self._open.append(real_path(include.place))
        yield text
        self._open.pop()

    def _text(self, include: Include) -> str:
        place = self._files.locate(include.place)
        if place in self._open:
            raise Refused("includes itself")
        if len(self._open) > MAX_DEPTH:
            raise Refused(f"is included more than {MAX_DEPTH} levels deep")
        self._count += 1
        if self._count > MAX_INCLUDES:
            raise Refused(f"is beyond the limit of {MAX_INCLUDES} includes for a page")
        if not os.path.exists(place):
            self._files.report.losses.add(self._missing, self._page, include.name)
            return ""
        text = include.cut(self._files.included(place, MAX_INCLUDED))
        if len(text) > self._characters:
            limit = f"{MAX_INCLUDED:,}"
            raise Refused(f"is beyond the limit of {limit} included characters for a page")
        self._files.spend(len(text))
        self._characters -= len(text)
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

        def put(match: re.Match[str]) -> str:
            found = find(match, self._open[-1].parent)
            if isinstance(found, str):
                return found
            with self.including(found) as inner:
                return pattern.sub(put, inner)

        return pattern.sub(put, text)

    def report(self) -> None:
        """Name the files that were left out: one line for each reason."""
        for reason, names in self._left_out.items():
            first, others = names[0], len(set(names)) - 1
            more = f", and {others} more like it" if others else ""
            self._files.report.add(
                self._page,
                f"includes {first}, which {reason}{more}; it was left out.",
                skipped=True,
            )
