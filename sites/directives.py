"""Container directives for markdown-it, `:::tip Title` … `:::`, and alerts, `> [!NOTE]`.

The opening and closing lines of a directive become tokens of their own. The content between them
is parsed as Markdown, at any depth of nesting.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from sites.block_rules import add_block, paragraph

_LINE = re.compile(
    r":{3,}+[ \t]*+(?:[A-Za-z][\w-]*+[ \t]*+(?:\[(?P<label>.*)\])?+(?:\{[^}]*\})?+"
    r"[ \t]*+(?P<title>.*)|:*+[ \t]*+)"
)


def directives(md: MarkdownIt) -> None:
    """Make a parser accept container directives."""
    add_block(md, "directive", (":::",), _LINE.fullmatch, _directive)


def _directive(state: StateBlock, match: re.Match[str], first: int, end: int) -> int:
    if title := match["label"] or _without_attributes(match["title"] or ""):
        state.tokens += paragraph(title, state.level, [first, first + 1])
    return first + 1


def _without_attributes(title: str) -> str:
    """Remove closing colons and an attribute list from the end of a title."""
    title = title.rstrip(" \t").rstrip(":").rstrip(" \t")
    if title.endswith("}"):
        begin = title.find("{", title.rfind("}", 0, -1) + 1)
        title = title[:begin].rstrip(" \t") if begin >= 0 else title
    return title


_MARK = re.compile(
    r"\[!(?:TIP|NOTE|INFO|IMPORTANT|WARNING|CAUTION|DANGER)\][ \t]*+([^\n]*+)\n?", re.IGNORECASE
)


def alerts(md: MarkdownIt) -> None:
    """Make a parser read the mark of an alert as its title, or leave it out if it has none."""

    def rule(state: StateCore) -> None:
        tokens: list[Token] = []
        for token in state.tokens:
            opened = [each.type for each in tokens[-2:]] == ["blockquote_open", "paragraph_open"]
            mark = _MARK.match(token.content) if opened and token.type == "inline" else None
            if mark:
                if title := mark[1].strip():
                    tokens[-1:-1] = paragraph(title, tokens[-1].level, token.map)
                token.content = token.content[mark.end() :]
            tokens.append(token)
        state.tokens[:] = tokens

    md.core.ruler.after("block", "alerts", rule)
