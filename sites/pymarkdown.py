"""Add the syntax of Python-Markdown and its usual extensions to markdown-it.

Admonitions (`!!! note "Title"`, `??? …`) and content tabs (`=== "Title"`) contain the lines
below them that are indented by four spaces. A heading needs no space after its `#`.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from mdit_py_plugins.deflist import deflist_plugin

from sites.block_rules import (
    INTERRUPTS,
    add_block,
    end_of_indented,
    line_of,
    push_line,
    push_paragraph,
)
from sites.pymarkdown_html import code_in_tables, raw_html

_BOX = re.compile(
    r"(?:===[!+]*[ \t]+\"(?P<tab>.*)\"|(?:!!!|\?\?\?\+?)(?=.*[\w\"])"
    r"(?:[ \t]*+(?P<type>[\w-]++)(?:[ \t]++[\w-]++)*+)?(?:[ \t]++\"(?P<title>.*)\")?)[ \t]*+"
)
_HEADING = re.compile(r"(#{1,6})(.*)")
_ABBREVIATION = re.compile(r"\*\[[^\]]+\]:.*")


def python_markdown(md: MarkdownIt, *, in_html: bool, sane_headings: bool) -> None:
    """Make a parser accept Python-Markdown.

    `in_html` turns on Markdown in HTML that asks for it, `sane_headings` demands a space after
    the `#` of a heading.
    """
    md.use(deflist_plugin).use(raw_html, in_html=in_html).use(code_in_tables)
    if not sane_headings:
        md.block.ruler.at("heading", _heading, INTERRUPTS)
    add_block(md, "indented_box", ("!!!", "???", "==="), _BOX.fullmatch, _indented_box)
    # The page shows abbreviations only as tooltips.
    add_block(
        md,
        "abbreviation",
        ("*[",),
        _ABBREVIATION.fullmatch,
        lambda state, match, first, end: first + 1,
    )


def _heading(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    extra = state.sCount[start_line] - state.blkIndent
    if extra > (3 if state.listIndent >= 0 else 0):  # a list item's text starts at column four
        return False
    match = _HEADING.fullmatch(line_of(state, start_line))
    words = match[2].rstrip(" \t").rstrip("#").strip() if match else ""
    if match is None or not words:
        return False
    if not silent:
        push_line(state, "heading", f"h{len(match[1])}", words, start_line)
        state.line = start_line + 1
    return True


def _indented_box(state: StateBlock, match: re.Match[str], first: int, end: int) -> int:
    title = match["title"] if match["tab"] is None else match["tab"]
    title = match["type"].capitalize() if title is None else title
    if title:
        push_paragraph(state, title, first)
    end = end_of_indented(state, first, end)
    before = (state.blkIndent, state.lineMax, state.parentType)
    state.blkIndent, state.lineMax, state.parentType = state.sCount[first] + 4, end, "blockquote"
    state.level += 1
    state.md.block.tokenize(state, first + 1, end)
    state.level -= 1
    state.blkIndent, state.lineMax, state.parentType = before
    return end
