"""Read what a code fence says besides its language: a title that the page shows above the code."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from sites.block_rules import paragraph

_TITLE = re.compile(r"\btitle=(?:\"([^\"]{1,200})\"|'([^'\n]{1,200})'|([^\s\"'{}]{1,200}))")
_LABEL = re.compile(r"\[([^\n]{1,200})\]")


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
