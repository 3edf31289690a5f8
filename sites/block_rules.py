"""Teach a parser blocks that begin with a line of their own."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

INTERRUPTS: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
"""The blocks that a line ends if a rule matches it."""
MatchLine = Callable[[str, int, int], re.Match[str] | None]
Read = Callable[[StateBlock, re.Match[str], int, int], int]
"""(state, first line as matched, its number, number of the line at which all ends) -> the line
after the block"""


def add_block(
    md: MarkdownIt, name: str, starts: tuple[str, ...], match_line: MatchLine, read: Read
) -> None:
    """Make a parser call `read` for lines that begin with one of the texts and match.

    `match_line` is the method `fullmatch` of a pattern.
    """

    def rule(state: StateBlock, first: int, end: int, silent: bool) -> bool:
        begin = state.bMarks[first] + state.tShift[first]
        if not state.src.startswith(starts, begin) or state.is_code_block(first):
            return False
        match = match_line(state.src, begin, state.eMarks[first])
        if match is None:
            return False
        if not silent:
            state.line = read(state, match, first, end)
        return True

    md.block.ruler.before("fence", name, rule, INTERRUPTS)


def paragraph(
    text: str, level: int, lines: list[int] | None, *, plain: bool = False
) -> list[Token]:
    """Return the tokens of a paragraph, such as the title of an admonition.

    A plain one is added after inline Markdown is parsed.
    """
    inline = Token("inline", "", 0, content=text, level=level + 1, map=lines)
    inline.children = [Token("text", "", 0, content=text)] if plain else []
    opening = Token("paragraph_open", "p", 1, level=level, map=lines)
    return [opening, inline, Token("paragraph_close", "p", -1, level=level)]
