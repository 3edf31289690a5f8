"""Parse what PyMdown Extensions and Material for MkDocs add to Python-Markdown.

Generic blocks (`/// note | Title` … `///`), icons (`:material-bee:`) and the braces of a code
fence (`{ .python title="app.py" }`).
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

from sites.directives import push_paragraph

_BLOCK = re.compile(r"/{3,}+[ \t]*+([A-Za-z][\w-]*+)[ \t]*+(?:\|[ \t]*+(.*))?")
_OPTION = re.compile(r"[ \t]*+(?:[\w-]++:(?:[ \t].*)?|-[ \t].*)")
_UNTITLED = frozenset(
    {"html", "caption", "figure-caption", "table-caption", "define", "definition"}
)
"""Blocks whose header is not shown."""
_BARE = frozenset({"tab", "admonition"})
"""Blocks that show a title only if they have one."""
_ICON = re.compile(r":(?=[0-9_+-]{0,60}[a-z])[a-z0-9_+][a-z0-9_+-]{0,90}:")
_BRACES = re.compile(r"[ \t]*\{([^{}]*)\}[ \t]*")
_LANGUAGE = re.compile(r"(?:^|[ \t])\.([\w+#-]{1,40})")


def generic_blocks(md: MarkdownIt) -> None:
    """Make a parser accept `/// name | title`, options below it, and the closing `///`."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "generic_block", _generic_block, interrupts)


def _generic_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    text = _line(state, start_line)
    if not text.startswith("///") or state.is_code_block(start_line):
        return False
    match = None if not text.strip("/ \t") else _BLOCK.fullmatch(text)
    if match is None and text.strip("/ \t"):
        return False
    if silent:
        return True
    end = start_line + 1
    if match:
        name, title = match[1], match[2]
        indent = state.sCount[start_line] + 4
        while (
            end < end_line and state.sCount[end] >= indent and _OPTION.fullmatch(_line(state, end))
        ):
            end += 1
        if title is None and name not in _BARE:
            title = name.capitalize()
        if title and name not in _UNTITLED:
            push_paragraph(state, title.strip(), start_line)
    state.line = end
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def icons(md: MarkdownIt) -> None:
    """Make a parser drop `:material-bee:`, of which the page shows a picture."""
    md.inline.ruler.before("backticks", "icon", _icon)


def _icon(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != ":":
        return False
    match = _ICON.match(state.src, state.pos, state.posMax)
    if match is None or state.src[state.pos - 1 : state.pos].isalnum():
        return False
    if not silent:
        state.push("icon", "", 0)
    state.pos = match.end()
    return True


def braced_fences(md: MarkdownIt) -> None:
    """Make a parser read `{ .python title="app.py" }` as `python title="app.py"`."""
    md.core.ruler.push("braced_fences", _unbrace)


def _unbrace(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "fence" and (match := _BRACES.fullmatch(token.info)):
            language = _LANGUAGE.search(match[1])
            token.info = f"{language[1] if language else ''} {match[1].strip()}"
