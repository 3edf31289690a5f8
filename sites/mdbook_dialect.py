"""The Markdown of mdBook: directives, its rule for anchors, hidden lines of code and listings.

https://rust-lang.github.io/mdBook/format/mdbook.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from mdit_py_plugins.deflist import deflist_plugin

from sites.attributes import CurlyAttributes
from sites.block_text import fenced
from sites.directives import alerts
from sites.html_blocks import tag_words
from sites.includes import Include, marked_lines, numbered_lines
from sites.inline_text import Words, no_text, plain_text
from sites.markdown import Dialect
from sites.slugs import mdbook_slugger

_HIDDEN = re.compile(r"[ \t]*#(?:[ \t]|$)")


def dialect(html: Mapping[str, Any], hidden: Mapping[str, Any]) -> Dialect:
    """Return the dialect for `[output.html]` and its prefixes of hidden lines by language."""
    terms = html.get("definition-lists") is not False
    anchors: Words = {"image": no_text, "footnote_ref": lambda token: str(token.meta["id"] + 1)}
    if html.get("smart-punctuation") is not False:  # which turns `--` into a dash
        anchors = {**anchors, "text": lambda token: re.sub("-{2,}", "–", token.content)}
    return Dialect(
        slugger=mdbook_slugger,
        plugins=(alerts, *((deflist_plugin,) if terms else ())),
        anchor_text=partial(plain_text, own=anchors),
        heading_id=CurlyAttributes().heading_id,
        terms_have_anchors=terms,
        tag_words=_tag_words,
        shown_code=partial(_shown_code, hidden),
    )


def _shown_code(prefixes: Mapping[str, Any], code: str, info: str) -> str:
    """Remove the lines that the page hides: in Rust those that begin with `# `."""
    language, *options = re.split(r"[\s,]+", info)
    lines = code.split("\n")
    if language == "rust":
        shown = (line for line in lines if not _HIDDEN.match(line))
        return "\n".join(re.sub(r"^(\s*)##", r"\1#", line) for line in shown)
    given = [word.removeprefix("hidelines=") for word in options if word.startswith("hidelines=")]
    prefix = str(given[0] if given else prefixes.get(language, ""))
    return "\n".join(line for line in lines if not prefix or not line.lstrip().startswith(prefix))


def _tag_words(name: str, attributes: dict[str, str]) -> str:
    """Show the number, file and caption of a `<Listing>`, which the Rust books use."""
    if name != "listing":
        return tag_words(name, attributes)
    number, caption = attributes.get("number", ""), attributes.get("caption", "")
    words = f"Listing {number}" if number else "Listing" if caption else ""
    if file := attributes.get("file-name"):
        words = f"{words} ({file})".strip()
    caption = re.sub("<[^<>]*>", "", caption)
    return f"{words}: {caption}" if caption else words


DIRECTIVE = re.compile(
    r"(\\?)\{\{\s*#(include|rustdoc_include|playground|playpen|title|shiftinclude)\s++"
    r"((?:(?!\{\{)[^}])*+)\}\}"
)
_NUMBER = re.compile(r"[0-9]{1,9}")
_ANCHOR = re.compile(r"ANCHOR(?P<end>_END)?:\s*(?P<name>\S+)")


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
