"""Teach a parser blocks that begin with a line of their own, and the titles of code fences."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
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


_TITLE = re.compile(r"\btitle=(?:\"([^\"]{1,200})\"|'([^'\n]{1,200})'|([^\s\"'{}]{1,200}))")
_LABEL = re.compile(r"\[([^\[\]]{1,200})\]\s*$")


def named_title(info: str) -> str:
    """Return `app.js` of `js {1} title="app.js"`."""
    match = _TITLE.search(info)
    return (match[1] or match[2] or match[3]).strip() if match else ""


def label(info: str) -> str:
    """Return `npm` of `sh {1} [npm]`."""
    match = _LABEL.search(info)
    return match[1].strip() if match else ""


def fence_titles(title_of: Callable[[str], str]) -> Callable[[MarkdownIt], None]:
    """Make a parser put a fence's title above it as a paragraph.

    `title_of` reads it from the info string.
    """

    def rule(state: StateCore) -> None:
        tokens: list[Token] = []
        for token in state.tokens:
            if token.type == "fence":
                token.info = token.info.strip()
                if title := title_of(token.info):
                    tokens += paragraph(title, token.level, token.map, plain=True)
            tokens.append(token)
        state.tokens[:] = tokens

    return lambda md: md.core.ruler.push("fence_titles", rule)
