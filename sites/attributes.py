"""Parse attribute lists, `{#id .class key=value}`, which several Markdown dialects share."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_QUOTED = r"(?:\"[^\"{}]*\"|'[^'{}]*')(?=[ \t}])"
# Atomic: `a="b"` is also an unquoted value, so that a list with an error could be read in
# exponentially many ways.
_ITEM = rf"(?>[#.][^\s{{}}]+|[\w:-]+=(?:{_QUOTED}|[^\s{{}}]+))"
_LIST = re.compile(rf"\{{(:?)[ \t]*+({_ITEM}(?:[ \t]++{_ITEM})*+)[ \t]*+\}}")
_ANY_ITEM = rf"(?>[^\s={{}}]+(?:={_QUOTED}|=[^\s={{}}]+)?+)"
_ANY_LIST = re.compile(rf"\{{:?[ \t]*+({_ANY_ITEM}(?:[ \t]++{_ANY_ITEM})*+)[ \t]*+\}}")
_ID = re.compile(rf"(?:(?<=[ \t])|^)(?:#|id=)({_QUOTED}|[^\s{{}}]+)")
_AFTER = frozenset(")]`*_~>:\n")
"""Characters after which a list without a colon is an attribute list, not text."""


def trailing_id(tokens: list[Token], pattern: re.Pattern[str] = _LIST) -> str:
    """Remove an attribute list from the end of a heading and return its id, or ""."""
    if not tokens:
        return ""
    last = tokens[-1]
    if last.type not in ("text", "attributes"):
        return ""
    text = last.content.rstrip(" \t")
    match = pattern.fullmatch(text, max(0, text.rfind("{")))
    if match is None:
        return ""
    last.content = text[: match.start()].rstrip(" \t")
    ids = _ID.findall(match[match.lastindex or 0])
    return str(ids[-1]).strip("\"'") if ids else ""


def trailing_words(tokens: list[Token]) -> str:
    """Do the same where single words are attributes, too: `Title {x}`, as in Python-Markdown."""
    last = tokens[-1].content if tokens else ""
    after_space = len(tokens) > 1 or " {" in last
    return trailing_id(tokens, _ANY_LIST).replace("\\", "") if after_space else ""


def attribute_lists(md: MarkdownIt) -> None:
    """Make a parser accept attribute lists after links, images, code and emphasis."""
    md.inline.ruler.before("backticks", "attributes", _attributes)


def _attributes(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "{":
        return False
    match = _LIST.match(state.src, state.pos, state.posMax)
    if match is None or not (match[1] or state.src[state.pos - 1 : state.pos] in _AFTER):
        return False
    if not silent:
        state.push("attributes", "", 0).content = match[0]
    state.pos = match.end()
    return True
