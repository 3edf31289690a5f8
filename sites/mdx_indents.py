"""Indentation in MDX: without indented code, a block may begin at any column.

To markdown-it, a line indented by four columns continues the paragraph above it, even with indented
code disabled. Authors often indent the content of tags that far.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, list_block

from sites.block_rules import paragraph


def indents(md: MarkdownIt) -> None:
    """Make a parser accept blocks at any column."""
    md.block.ruler.at("list", _list, {"alt": ["paragraph", "reference", "blockquote"]})
    md.block.ruler.at("paragraph", _paragraph)


def _list(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Parse a list; the column of the list around it does not matter."""
    outer, state.listIndent = state.listIndent, -1
    found = list_block(state, first, end, silent)
    state.listIndent = outer
    return found


def _paragraph(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Parse a paragraph; any line that begins another block ends it."""
    outer, state.parentType = state.parentType, "paragraph"
    rules = state.md.block.ruler.getRules("paragraph")
    line, end = first + 1, state.lineMax
    while line < end and not state.isEmpty(line):
        lazy = state.sCount[line] < 0
        if not lazy and any(rule(state, line, end, True) for rule in rules):
            break
        line += 1
    text = state.getLines(first, line, state.blkIndent, False).strip()
    state.tokens += paragraph(text, state.level, [first, line])
    state.line, state.parentType = line, outer
    return True
