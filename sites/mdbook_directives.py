"""The directives of mdBook, such as `{{#include file.rs:anchor}}`.

https://rust-lang.github.io/mdBook/format/mdbook.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from textwrap import dedent

from sites.block_text import fenced
from sites.includes import Include, marked_lines, numbered_lines

DIRECTIVE = re.compile(
    r"(\\?)\{\{\s*#(include|rustdoc_include|playground|playpen|title|shiftinclude)\s++"
    r"((?:(?!\{\{)[^}])*+)\}\}"
)
_NUMBER = re.compile(r"[0-9]{1,9}")
_ANCHOR = re.compile(r"ANCHOR(?P<end>_END)?:\s*+(?P<name>[\w-]+)")


def find(match: re.Match[str], folder: Path) -> list[Include | str]:
    """Return what replaces a directive of a file in a folder."""
    escaped, kind, rest = match.groups()
    if escaped:
        return [match[0][1:]]
    if not rest:
        return [match[0]]
    if kind == "title":
        return []
    name, *window = rest.split()[0].split(":")
    cut = partial(_lines, window)
    if kind in ("playground", "playpen"):
        cut = partial(fenced, language="rust")
    elif kind == "shiftinclude":
        shift, (name, *window) = name, window or [""]
        cut = partial(_shifted, shift, window)
    return [Include(name, folder / name, cut)]


def _lines(window: Sequence[str], text: str) -> str:
    """Return the lines that `:from:to` or `:anchor` selects."""
    first, *last = window or [""]
    if first and not _NUMBER.fullmatch(first):
        return "\n".join(marked_lines(text.split("\n"), _ANCHOR, first)).strip("\n")
    last = [number if _NUMBER.fullmatch(number) else "" for number in last[:1]]
    return numbered_lines(text, first, *last).strip("\n")


def _shifted(shift: str, window: Sequence[str], text: str) -> str:
    """Indent the lines to include by `shift` columns, or take as many away; `auto` by all."""
    text = _lines(window, text)
    if not re.fullmatch(r"-?[0-9]{1,3}", shift):
        return dedent(text)
    columns = int(shift)
    return "\n".join(" " * columns + line[max(0, -columns) :] for line in text.split("\n"))
