"""Add the syntax of Python-Markdown and its usual extensions to markdown-it.

Admonitions (`!!! note "Title"`, `??? …`) and content tabs (`=== "Title"`) contain the lines
below them that are indented by four spaces. A heading needs no space after its `#`.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from mdit_py_plugins.deflist import deflist_plugin

from sites.directives import push_paragraph
from sites.pymarkdown_html import code_in_tables, raw_html

_BOX = re.compile(
    r"(?:!!!|\?\?\?\+?)(?:[ \t]*+([\w-]++(?:[ \t]++[\w-]++)*+))?(?:[ \t]++\"(.*)\")?[ \t]*+"
)
_TAB = re.compile(r"===[!+]*[ \t]+\"(.*)\"[ \t]*")
_HEADING = re.compile(r"(#{1,6})(.*)")
_ABBREVIATION = re.compile(r"\*\[[^\]]+\]:.*")


def python_markdown(md: MarkdownIt, *, in_html: bool, sane_headings: bool) -> None:
    """Make a parser accept Python-Markdown.

    `in_html` turns on Markdown in HTML that asks for it, `sane_headings` demands a space after
    the `#` of a heading.
    """
    md.use(deflist_plugin).use(raw_html, in_html=in_html).use(code_in_tables)
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    if not sane_headings:
        md.block.ruler.at("heading", _heading, interrupts)
    md.block.ruler.before("fence", "indented_box", _indented_box, interrupts)
    md.block.ruler.before("reference", "abbreviation", _abbreviation, interrupts)


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _heading(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    extra = state.sCount[start_line] - state.blkIndent
    if extra > (3 if state.listIndent >= 0 else 0):  # a list item's text starts at column four
        return False
    match = _HEADING.fullmatch(_line(state, start_line))
    words = match[2].rstrip(" \t").rstrip("#").strip() if match else ""
    if match is None or not words:
        return False
    if silent:
        return True
    token = state.push("heading_open", f"h{len(match[1])}", 1)
    token.map = [start_line, start_line + 1]
    token = state.push("inline", "", 0)
    token.content = words
    token.map = [start_line, start_line + 1]
    token.children = []
    state.push("heading_close", f"h{len(match[1])}", -1)
    state.line = start_line + 1
    return True


def _indented_box(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    text = _line(state, start_line)
    if text[:3] not in ("!!!", "???", "===") or state.is_code_block(start_line):
        return False
    tab, box = _TAB.fullmatch(text), _BOX.fullmatch(text)
    if tab:
        title = tab[1]
    elif box and (box[1] or box[2]):
        title = box[1].split()[0].capitalize() if box[2] is None else box[2]
    else:
        return False
    if silent:
        return True
    indent = state.sCount[start_line] + 4
    end = start_line + 1
    while end < end_line and (state.isEmpty(end) or state.sCount[end] >= indent):
        end += 1
    if title:
        push_paragraph(state, title, start_line)
    before = (state.blkIndent, state.lineMax, state.parentType)
    state.blkIndent, state.lineMax, state.parentType = indent, end, "blockquote"
    state.level += 1
    state.md.block.tokenize(state, start_line + 1, end)
    state.level -= 1
    state.blkIndent, state.lineMax, state.parentType = before
    state.line = end
    return True


def _abbreviation(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Drop `*[HTML]: …`, which the page shows only as a tooltip."""
    if not _ABBREVIATION.fullmatch(_line(state, start_line)):
        return False
    if not silent:
        state.line = start_line + 1
    return True
