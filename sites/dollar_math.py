"""Math between dollars for markdown-it, as remark-math reads it. It stays as it is written."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from sites.block_rules import add_block, paragraph

_FENCE = re.compile(r"(\${2,}+)[^$\n]*+")
_RUN = re.compile(r"\$++")


def dollar_math(md: MarkdownIt) -> None:
    """Make a parser accept math."""
    add_block(md, "math", ("$$",), _FENCE.fullmatch, _block)
    md.inline.ruler.before("backticks", "math", _inline)


def _block(state: StateBlock, match: re.Match[str], first: int, end: int) -> int:
    lines, line = list[str](), first + 1
    while line < end and state.sCount[line] >= state.blkIndent:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        line += 1
        if text.rstrip() and not text.rstrip().strip("$") and len(text.rstrip()) >= len(match[1]):
            break
        lines.append(text)
    math = f"$$ {' '.join(' '.join(lines).split())} $$"
    state.tokens += paragraph(math, state.level, [first, first + 1])
    return line


def _inline(state: StateInline, silent: bool) -> bool:
    opening = _RUN.match(state.src, state.pos, state.posMax)
    if opening is None:
        return False
    if state.env.get("math_in") is not state.src:
        state.env["math_in"] = state.src
        state.env["math_ends"] = {len(run[0]): run.start() for run in _RUN.finditer(state.src)}
    size = len(opening[0])
    if state.env["math_ends"].get(size, -1) <= state.pos:  # no later run is as long
        if not silent:
            state.pending += opening[0]
        state.pos = opening.end()
        return True
    for closing in _RUN.finditer(state.src, opening.end(), state.posMax):
        if len(closing[0]) == size:
            if not silent:
                state.push("text", "", 0).content = state.src[state.pos : closing.end()]
            state.pos = closing.end()
            return True
    return False
