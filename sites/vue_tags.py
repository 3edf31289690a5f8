"""Tags in the Markdown of VitePress, as @mdit-vue/plugin-component reads them.

A component's tag begins a block, also below text. A component on one line ends with it, so that
what is below is Markdown again; any other reaches to the next blank line, as in CommonMark.
https://github.com/mdit-vue/mdit-vue/tree/main/packages/plugin-component
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.common.html_blocks import block_names
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.html_block import html_block
from markdown_it.rules_inline import StateInline, html_inline

from sites.block_rules import paragraph

_INLINE = (
    "a|abbr|acronym|audio|b|bdi|bdo|big|br|button|canvas|cite|code|data|datalist|del|dfn|em|embed"
    "|i|iframe|img|input|ins|kbd|label|map|mark|meter|noscript|object|output|picture|progress|q"
    "|ruby|s|samp|script|select|small|span|strong|sub|sup|svg|textarea|time|u|tt|var|video|wbr"
)
_COMPONENT = re.compile(
    rf"</?(?!(?:{_INLINE})(?![\w-])|(?i:pre|style|{'|'.join(block_names)})(?![\w-]))"
    r"[A-Za-z][A-Za-z0-9-]*+(?=\s|/?>|$)"
)
_ATTRIBUTES = (
    r"(?:\s++[a-zA-Z_:@][a-zA-Z0-9:._-]*+"
    r"(?:\s*+=\s*+(?:[^\"'=<>`\x00-\x20]++|'[^']*+'|\"[^\"]*+\"))?+)*+\s*+"
)
_TAG = re.compile(rf"<[A-Za-z][A-Za-z0-9-]*+{_ATTRIBUTES}/?>")
_ON_ONE_LINE = re.compile(
    rf"<[A-Za-z][A-Za-z0-9-]*+{_ATTRIBUTES}/>|<([A-Za-z][A-Za-z0-9-]*+){_ATTRIBUTES}>.*</\1\s*+>"
)


def vue_tags(md: MarkdownIt) -> None:
    """Make a parser read the tags of components, and attributes such as `@click`."""
    md.block.ruler.at("html_block", _block, {"alt": ["paragraph", "reference", "blockquote"]})
    md.inline.ruler.at("html_inline", _inline)


def _block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    begin = state.bMarks[first] + state.tShift[first]
    line = state.src[begin : state.eMarks[first]]
    if state.is_code_block(first) or not _COMPONENT.match(line):
        return html_block(state, first, end, silent)
    if silent:
        return True
    whole = _ON_ONE_LINE.match(line)
    state.line = first + 1
    while not whole and state.line < end and not state.isEmpty(state.line):
        if state.sCount[state.line] < state.blkIndent:
            break
        state.line += 1
    token = state.push("html_block", "", 0)
    token.map = [first, state.line]
    token.content = whole[0] if whole else state.getLines(first, state.line, state.blkIndent, True)
    if whole and (rest := line[whole.end() :].strip()):
        state.tokens += paragraph(rest, state.level, token.map)
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    tag = _TAG.match(state.src, state.pos, state.posMax) if state.src[state.pos] == "<" else None
    if tag is None:
        return html_inline(state, silent)
    if not silent:
        state.push("html_inline", "", 0).content = tag[0]
    state.pos = tag.end()
    return True
