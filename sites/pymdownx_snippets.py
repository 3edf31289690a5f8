"""Insert the files that PyMdown's snippets name: `--8<-- "file:section"`.

https://facelessuser.github.io/pymdown-extensions/extensions/snippets
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from sites.files import real_path
from sites.includes import Include, Includes, marked_lines
from sites.mkdocs_config import Site, texts

_DIRECTIVE = re.compile(
    r"^(?P<indent>[ \t]{0,100})(?P<escape>;?)-+8<-+(?:[ \t]+([\"'])(?P<name>[^\"'\n]+)\3"
    r"|[ \t]*\n(?P<names>(?:(?![ \t]*;?-+8<-)[^\n]*\n){0,200})[ \t]*-+8<-+)[ \t]*$",
    re.MULTILINE,
)
_MARK = re.compile(
    r"(?<!-)-++8<-++[ \t]++\[[ \t]*(?:start|(?P<end>end))[ \t]*:[ \t]*(?P<name>[\w-]+)[ \t]*\]"
)
_LINES = re.compile(r"-?[0-9]{0,9}(?::-?[0-9]{0,9})?(?:,-?[0-9]{0,9}(?::-?[0-9]{0,9})?)*")


class Snippets:
    """The snippets of a site, with paths from its configuration or from above its pages."""

    def __init__(self, options: Mapping[str, Any], site: Site) -> None:
        bases = texts(options.get("base_path")) or ["."]
        for name, folder in (("$config_dir", site.folder), ("$docs_dir", site.root)):
            bases = [base.replace(name, str(folder), 1) for base in bases]
        folders = (real_path(site.folder), real_path(site.root.parent))
        self._bases = [folder / base for folder in folders for base in bases]
        self._beside = "" in bases
        """Whether snippets are looked for beside the page: `!relative` is an empty text."""
        self._appended = texts(options.get("auto_append"))
        self._dedent = options.get("dedent_subsections") is True

    def insert(self, body: str, includes: Includes) -> str:
        """Return a page with its snippets."""
        body = "\n\n".join([body, *(f'--8<-- "{name}"' for name in self._appended)])
        return includes.expand(body, _DIRECTIVE, self._includes)

    def _includes(self, match: re.Match[str], folder: Path) -> list[Include | str]:
        """Return the file that a line names, or those in the lines of a block."""
        if match["escape"]:
            return [match[0].replace(";", "", 1)]
        found: list[Include | str] = []
        for name in (match["name"] or match["names"]).split("\n"):
            if name.strip() and name.strip()[0] != ";":
                found += ["\n"] * bool(found)
                found.append(self._include(match["indent"], name.strip(), folder))
        return found

    def _include(self, indent: str, named: str, folder: Path) -> Include:
        if "://" in named:
            return Include(named, None, missing="snippets from addresses are not read")
        name, _, part = named.partition(":")
        bases = [*self._bases, *[folder] * self._beside]
        files = [base for base in bases if base.name == name and os.path.isfile(base)]
        places = [*files, *(base / name for base in bases)]
        place = next((place for place in places if os.path.isfile(place)), places[0])
        return Include(named, place, partial(cut, indent, part, flat=self._dedent))


def cut(indent: str, part: str, text: str, *, flat: bool = False) -> str:
    """Return the lines of a text, such as `2,4:6`, or its section of a name.

    `flat` removes the indent that they share.
    """
    lines = text.removesuffix("\n").split("\n")
    if part and _LINES.fullmatch(part):
        lines = [line for window in part.split(",") for line in _window(lines, window)]
    elif part:
        lines = list(marked_lines(lines, _MARK, part))
    if part and flat:
        lines = dedent("\n".join(lines)).split("\n")
    return "\n".join(indent + line for line in lines if not _MARK.search(line)).rstrip()


def _window(lines: list[str], window: str) -> list[str]:
    """Return the lines of `2`, `2:4`, `:4` or `-3:`; a negative number counts from the end."""
    first, colon, last = window.partition(":")
    begin, end = (
        len(lines) + 1 + number if number < 0 else number
        for number in (int(first or 1), int(last or len(lines)))
    )
    return lines[max(begin, 1) - 1 : end if colon else len(lines)]
