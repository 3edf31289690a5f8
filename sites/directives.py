"""Container directives for markdown-it: `:::tip Title` … `:::`.

The opening and closing lines become tokens of their own. The content between them is parsed
as Markdown, at any depth of nesting.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

_LINE = re.compile(
    r":{3,}+[ \t]*+(?:[A-Za-z][\w-]*+[ \t]*+(?:\[(?P<label>.*)\])?+(?:\{[^}]*\})?+"
    r"[ \t]*+(?P<title>.*)|:*+[ \t]*+)"
)


def directives(md: MarkdownIt) -> None:
    """Make a parser accept container directives."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "directive", _directive, interrupts)


def _directive(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    begin = state.bMarks[start_line] + state.tShift[start_line]
    if not state.src.startswith(":::", begin) or state.is_code_block(start_line):
        return False
    match = _LINE.fullmatch(state.src, begin, state.eMarks[start_line])
    if match is None:
        return False
    if silent:
        return True
    title = match["label"] or _without_attributes(match["title"] or "")
    if title:
        push_paragraph(state, title, start_line)
    state.line = start_line + 1
    return True


def _without_attributes(title: str) -> str:
    """Remove closing colons and an attribute list from the end of a title."""
    title = title.rstrip(" \t").rstrip(":").rstrip(" \t")
    if title.endswith("}"):
        begin = title.find("{", title.rfind("}", 0, -1) + 1)
        title = title[:begin].rstrip(" \t") if begin >= 0 else title
    return title


def push_paragraph(state: StateBlock, text: str, line: int) -> None:
    """Add a one-line paragraph, such as the title of an admonition."""
    state.push("paragraph_open", "p", 1)
    token: Token = state.push("inline", "", 0)
    token.content = text
    token.map = [line, line + 1]
    token.children = []
    state.push("paragraph_close", "p", -1)
