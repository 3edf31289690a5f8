"""Files that VitePress inserts into a page: `<!--@include: ./part.md#region{2,5}-->` and `<<<`.

https://vitepress.dev/guide/markdown#markdown-file-inclusion
https://vitepress.dev/guide/markdown#import-code-snippets
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import dedent

from markdown_it.token import Token

from sites.files import Refused
from sites.front_matter import split_front_matter
from sites.includes import Include, Includes, numbered_lines
from sites.markdown import Dialect, give_anchors
from sites.report import Report
from sites.slugs import vitepress_slugger

INCLUDE = re.compile(
    r"<!--\s*@include:\s*((?:(?!<!--)[^\s{#]| (?! )){1,500}?)(?:#([^\s{}<>]+?))?"
    r"(?:\{([0-9]{0,9})(?:,([0-9]{0,9}))?\})?\s*-->"
)
_REGION = re.compile(
    r"[ \t]*(?://|<!--|/\*|--|::|@?REM\b|#)[ \t]*#?(?P<end>[eE]nd[ \t]?)?[rR]egion\b"
    r"[ \t]*(?P<name>\w[\w-]*)?"
)


def find(source: Path, rules: Dialect, match: re.Match[str], folder: Path) -> list[Include | str]:
    """Return the file that an include in a file of a folder names, with the part it selects."""
    return [Include(match[1], _place(source, folder, match[1]), partial(_cut, rules, match))]


def _place(source: Path, folder: Path, name: str) -> Path:
    return source / name[1:].lstrip("/") if name.startswith("@") else folder / name


def _cut(rules: Dialect, match: re.Match[str], text: str) -> str:
    """Return the region, or the section below a heading, and of it the lines."""
    _, region, first, last = match.groups()
    if region:
        found = find_region(text, region)
        found = _section_under(text, region, rules) if found is None else found
        text = text if found is None else found
    if first is None:
        return text if region else split_front_matter(text, "", Report())[1]
    return numbered_lines(text, first, last)


def snippet(token: Token, source: Path, page: Path, includes: Includes) -> str:
    """Return the code that the token of a `<<<` line shows."""
    name, region = token.meta["snippet"], token.meta["region"]

    def cut(text: str) -> str:
        found = find_region(text, region) if region else text
        if found is None:
            raise Refused("has no region of that name")
        return found

    shown = f"{name}#{region}" if region else name
    at = includes.origin(token.map[0] if token.map else 0)
    found = Include(shown, _place(source, page.parent, name), cut, at, is_code=True)
    with includes.including(found) as text:
        return text.strip("\n") + "\n" if text.strip() else ""


def find_region(text: str, name: str) -> str | None:
    """Return the lines between `#region name` and its `#endregion`, or None.

    The marks stand in comments of any language, as in VitePress's findRegion().
    """
    kept: list[str] | None = None
    depth = 0
    for line in text.split("\n"):
        match = _REGION.match(line)
        if match is None:
            if kept is not None:
                kept.append(line)
        elif kept is None:
            kept = [] if not match["end"] and match["name"] == name else None
        elif not match["end"]:
            depth += 1
        elif match["name"] == name or not depth:
            break
        else:
            depth -= 1
    return None if kept is None else dedent("\n".join(kept))


def _section_under(text: str, anchor: str, rules: Dialect) -> str | None:
    """Return what stands below the heading with an anchor, or None."""
    tokens = rules.parser().parse(text)
    give_anchors(tokens, replace(rules, slugger=vitepress_slugger))
    headings = [(each, each.map) for each in tokens if each.type == "heading_open" and each.map]
    found = next(
        ((lines[1], each.tag) for each, lines in headings if each.meta["anchor"] == anchor), None
    )
    if found is None:
        return None
    begin, level = found
    ends = (lines[0] for each, lines in headings if lines[0] >= begin and each.tag <= level)
    return "\n".join(text.split("\n")[begin : next(ends, None)])
