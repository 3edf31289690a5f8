"""Names of emoji such as `:tada:`, as GitHub knows them, and emoticons such as `:-)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from unicodedata import category

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pymdownx import gemoji_db

_NAME = ":(?=(?P<name>[a-z0-9_+-]{1,60}):)"
_EMOTICON = (
    r"[]>,]?:-?\(|[]oO0,]?:-?\)|:[',]-?[()D]|:,'-?\(|;-?[()]|[xX8B]-\)|<[/\\]?3"
    r"|:-?(?:\"\)|[/*|oO@DP$])|:[sz]|:-[SZ]"
)
"""Those of https://github.com/markdown-it/markdown-it-emoji."""
_NAMES = re.compile(_NAME)
_NAMES_AND_EMOTICONS = re.compile(f"{_NAME}|{_EMOTICON}")


def emoji(md: MarkdownIt, *, emoticons: bool = False) -> None:
    """Make a parser turn names and emoticons in text into tokens of their own."""
    pattern = _NAMES_AND_EMOTICONS if emoticons else _NAMES
    md.core.ruler.before("text_join", "emoji", partial(_replace, pattern))


def _replace(pattern: re.Pattern[str], state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and pattern.search(token.content):
            children = token.children or ()
            token.children = [part for child in children for part in _split(pattern, child)]


def _split(pattern: re.Pattern[str], token: Token) -> Iterator[Token]:
    """Yield the texts and emoji of a token, or the token itself if it is not text."""
    text, at = token.content, 0
    for found in pattern.finditer(text) if token.type == "text" else ():
        start, end = found.start(), found.end()
        if name := found["name"]:
            end = found.end("name") + 1
            sign = _sign(f":{name}:")
        elif _stands_alone(text, start, end):
            sign = found[0]
        else:
            sign = ""
        if sign and start >= at:
            if at < start:
                yield token.copy(content=text[at:start])
            yield Token("emoji", "", 0, content=sign, markup=text[start:end])
            at = end
    if at < len(text) or not at:
        yield token.copy(content=text[at:]) if at else token


def _sign(name: str) -> str:
    """Return the emoji of a name between colons, or "" if there is none."""
    known = gemoji_db.emoji.get(gemoji_db.aliases.get(name, name), {})
    codes = known.get("unicode_alt") or known.get("unicode", "")
    return "".join(chr(int(code, 16)) for code in codes.split("-") if code)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether only spaces and punctuation are beside a part of a text."""
    beside = text[start - 1 : start] if start else ""
    return all(
        category(ch)[0] in "ZP" or category(ch) == "Cc" for ch in beside + text[end : end + 1]
    )
