"""Insert the files that PyMdown's snippets name: `--8<-- "file:section"`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sites.files import Report, real_path
from sites.includes import Include, Includes
from sites.mkdocs_config import Site

_LINE = re.compile(r"^([ \t]{0,100})(;?)-+8<-+[ \t]+([\"'])([^\"'\n]+)\3[ \t]*$", re.MULTILINE)
BLOCK = re.compile(
    r"^([ \t]{0,100})-+8<-+[ \t]*\n((?:(?![ \t]*-+8<-)[^\n]*\n){0,200})[ \t]*-+8<-+[ \t]*$",
    re.MULTILINE,
)
_MARK = re.compile(r"(?<!-)-++8<-++[ \t]++\[[ \t]*(start|end)[ \t]*:[ \t]*([\w-]+)[ \t]*\]")
_LINES = re.compile(r"-?[0-9]{0,9}(?::-?[0-9]{0,9})?(?:,-?[0-9]{0,9}(?::-?[0-9]{0,9})?)*")


class Snippets:
    """The snippets of a site, with paths from its configuration or from above its pages."""

    def __init__(self, options: Mapping[str, Any], site: Site, report: Report) -> None:
        base = options.get("base_path", ".")
        self._bases = [str(each) for each in (base if isinstance(base, list) and base else [base])]
        added = options.get("auto_append")
        self._appended = [str(each) for each in added] if isinstance(added, list) else []
        self._folders = [real_path(site.folder), real_path(site.root.parent)]
        self._report = report

    def insert(self, body: str, path: str, includes: Includes) -> str:
        """Return a page with its snippets."""
        body = "\n\n".join([body, *(f'--8<-- "{name}"' for name in self._appended)])
        body = BLOCK.sub(_lines_of_block, body)
        return includes.expand(body, _LINE, partial(self._include, path))

    def _include(self, path: str, match: re.Match[str], folder: Path) -> Include | str:
        indent, escaped, _, named = match.groups()
        if escaped:
            return match[0].replace(";", "", 1)
        if "://" in named:
            self._report.losses.add("snippets from addresses are not read", path, named)
            return ""
        name, _, part = named.partition(":")
        bases = [folder / base for folder in self._folders for base in self._bases]
        files = [base for base in bases if base.name == name and os.path.isfile(base)]
        places = [*files, *(base / name for base in bases)]
        place = next((place for place in places if os.path.isfile(place)), places[0])
        return Include(named, place, partial(_cut, indent, part))


def _lines_of_block(match: re.Match[str]) -> str:
    """Write each file of a block as a line of its own."""
    names = [line.strip() for line in match[2].split("\n")]
    return "\n".join(f'{match[1]}--8<-- "{name}"' for name in names if name and name[0] != ";")


def _cut(indent: str, part: str, text: str) -> str:
    lines = text.removesuffix("\n").split("\n")
    if part and _LINES.fullmatch(part):
        lines = [line for window in part.split(",") for line in _window(lines, window)]
    elif part:
        lines = list(_section(lines, part))
    return "\n".join(indent + line for line in lines if not _MARK.search(line)).rstrip()


def _window(lines: list[str], window: str) -> list[str]:
    """Return the lines of `2`, `2:4`, `:4` or `-3:`; a negative number counts from the end."""
    first, colon, last = window.partition(":")
    begin, end = (
        len(lines) + 1 + number if number < 0 else number
        for number in (int(first or 1), int(last or len(lines)))
    )
    return lines[max(begin, 1) - 1 : end if colon else len(lines)]


def _section(lines: list[str], name: str) -> Iterator[str]:
    inside = False
    for line in lines:
        mark = _MARK.search(line)
        if mark and mark[2] == name:
            inside = mark[1] == "start"
        elif inside:
            yield line
