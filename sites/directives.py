"""Container directives for markdown-it: `:::tip Title` … `:::`.

The opening and closing lines become tokens of their own. The content between them is parsed
as Markdown, at any depth of nesting.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

from sites.block_rules import add_block, paragraph

_LINE = re.compile(
    r":{3,}+[ \t]*+(?:[A-Za-z][\w-]*+[ \t]*+(?:\[(?P<label>.*)\])?+(?:\{[^}]*\})?+"
    r"[ \t]*+(?P<title>.*)|:*+[ \t]*+)"
)


def directives(md: MarkdownIt) -> None:
    """Make a parser accept container directives."""
    add_block(md, "directive", (":::",), _LINE.fullmatch, _directive)


def _directive(state: StateBlock, match: re.Match[str], first: int, end: int) -> int:
    if title := match["label"] or _without_attributes(match["title"] or ""):
        state.tokens += paragraph(title, state.level, [first, first + 1])
    return first + 1


def _without_attributes(title: str) -> str:
    """Remove closing colons and an attribute list from the end of a title."""
    title = title.rstrip(" \t").rstrip(":").rstrip(" \t")
    if title.endswith("}"):
        begin = title.find("{", title.rfind("}", 0, -1) + 1)
        title = title[:begin].rstrip(" \t") if begin >= 0 else title
    return title
