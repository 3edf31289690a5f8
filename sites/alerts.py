"""Alerts in quotes: `> [!NOTE]`, as GitHub and VitePress show them."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from sites.block_rules import paragraph

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
