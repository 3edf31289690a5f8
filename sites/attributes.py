"""Parse attribute lists, `{#id .class key=value}`, which several Markdown dialects share.

The rules are those of https://github.com/arve0/markdown-it-attrs
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_ID = re.compile(r"(?<!\S)(?:#|id=)(?:\"([^\"]*)\"|([^\s\"]+))")


def _id_of(inner: str) -> str:
    """Return the last id of a list, or ""."""
    return "".join(next(reversed(_ID.findall(inner)), ()))


class CurlyAttributes:
    """The rule with its delimiters, which a site may change."""

    def __init__(self, left: str = "{", right: str = "}", *, ids_only: bool = False) -> None:
        """With `ids_only`, a list without an id is text."""
        self._left, self._right, self._ids_only = left, right, ids_only

    def heading_id(self, tokens: list[Token]) -> str:
        """Remove a list from the end of a block's inline tokens; return its id, or ""."""
        last = tokens[-1] if tokens else None
        if last is None or last.type != "text" or not last.content.endswith(self._right):
            return ""
        begin = last.content.rfind(self._left)
        inner = self._inner(last.content, begin) if begin >= 0 else ""
        name = _id_of(inner)
        is_list = inner and (name or not self._ids_only)
        if not is_list or begin + len(self._left + inner + self._right) != len(last.content):
            return ""
        last.content = last.content[:begin].rstrip(" \t")
        return name.strip("'")

    def plugin(self, md: MarkdownIt) -> None:
        """Make a parser leave out the lists of all blocks but headings, which need their ids."""

        def rule(state: StateCore) -> None:
            before = ""
            for token in state.tokens:
                if token.type == "inline" and token.children and self._right in token.content:
                    self._after_elements(token.children)
                    if before != "heading_open":
                        self.heading_id(token.children)
                before = token.type

        md.core.ruler.push("curly_attributes", rule)

    def _after_elements(self, tokens: list[Token]) -> None:
        """Remove the lists that follow a link, an image, code or emphasis at once."""
        ended = False
        for token in tokens:
            begins = ended and token.type == "text" and token.content.startswith(self._left)
            if begins and (inner := self._inner(token.content, 0)):
                token.content = token.content[len(self._left + inner + self._right) :]
            ended = token.nesting == -1 or token.type in ("code_inline", "image")

    def _inner(self, text: str, begin: int) -> str:
        """Return what stands between the delimiters, or "" if it is not a list."""
        begin += len(self._left)
        end = text.find(self._right, begin)
        inner = text[begin:end] if end >= 0 else ""
        return "" if inner in (".", "#") or self._left[-1] in inner else inner
