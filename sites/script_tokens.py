"""Split JavaScript and TypeScript into tokens, grouped by their brackets, in linear time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_SPACE = r"(?P<space>(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)++)|"
_REGEX = r"(?P<regex>/(?:[^/\\\[\n]++|\\.|\[(?:[^\]\\\n]++|\\.)*+\]?)++(?:/[a-z]*+)?)|"
_REST = (
    r"(?P<string>'(?:[^'\\\n]++|\\.)*+'|\"(?:[^\"\\\n]++|\\.)*+\")"
    r"|(?P<number>[0-9][\w.]*+)"
    r"|(?P<name>[\w$@#]++)"
    r"|(?P<open>[{\[(`])|(?P<close>[}\])])"
    r"|(?P<sign>=>|\.\.\.|\?\?=|\|\|=|&&=|\?\?|\?\.|\|\||&&|[-+*/%<>=!]=+|\\.|.)"
)
_TOKEN = re.compile(_SPACE + _REST, re.DOTALL)
_TOKEN_OR_REGEX = re.compile(_SPACE + _REGEX + _REST, re.DOTALL)
_TEMPLATE = re.compile(
    r"(?P<text>(?:[^`\\$]++|\\.?|\$(?!\{))++)|(?P<open>\$\{)|(?P<close>`)", re.DOTALL
)
_BEFORE_REGEX = (*",=:!&|?;+-*%~^", "=>", "&&", "||", "??", "...", "return")
"""Neither `<` nor `>`: after them `/` stands in JSX."""
_OPENERS = {"}": ("{", "${"), "]": ("[",), ")": ("(",), "`": ("`",)}
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_IN_TYPES = (*".,|&=", "=>")
_COMPARED = re.compile(r"[ \t]*+(?!(?:as|satisfies|extends|implements)\b)[\w$'\"]")
"""What stands after a `>` that compares."""
MAX_TYPE = 40
"""Tokens of a type between `<` and `>`."""


class Token(NamedTuple):
    """A name, number, string, regex or sign; or a group, whose kind is its opening bracket.

    A template is a group of kind `` ` ``: its strings, and groups of kind `${`.
    """

    kind: str
    text: str
    line: int
    starts_line: bool
    """Whether a line break stands before the token."""
    items: list[Token]
    """The tokens of a group."""

    def is_(self, *texts: str) -> bool:
        """Return whether this is one of these signs or names."""
        return self.text in texts and self.kind in ("sign", "name")


Tokens = Sequence[Token]


def tokenize(source: str) -> list[Token]:
    """Return the tokens without comments and without most types between `<` and `>`.

    A quote that nothing closes is a sign. A group that nothing closes ends with the source.
    """
    groups, opened = [Token("", "", 1, True, [])], Counter[str]()
    at, line, starts_line = 0, 1, True
    while at < len(source):
        items, pattern = groups[-1].items, _TOKEN
        if groups[-1].kind == "`":
            pattern = _TEMPLATE
        elif source[at] == "/" and (not items or items[-1].is_(*_BEFORE_REGEX)):
            pattern = _TOKEN_OR_REGEX
        match = pattern.match(source, at)
        if match is None:  # every character matches
            break
        kind, text, at = match.lastgroup or "", match[0], match.end()
        if kind == "space":
            starts_line = starts_line or "\n" in text
        elif kind == "close":
            openers = _OPENERS[text]
            while any(opened[opener] for opener in openers):
                closed = groups.pop().kind
                opened[closed] -= 1
                if closed in openers:
                    break
        else:
            shown = text[1:-1] if kind == "string" else text
            shown = unescape(shown) if kind in ("string", "text") else text
            name = {"open": text, "text": "string"}.get(kind, kind)
            items.append(Token(name, shown, line, starts_line, []))
            starts_line = False
            if kind == "open":
                groups.append(items[-1])
                opened[text] += 1
            elif text == ">" and not _COMPARED.match(source, at):
                _drop_type(items)
        line += text.count("\n")
    return groups[0].items


def _drop_type(items: list[Token]) -> None:
    """Remove `<…>` at the end if it can be a type, since it may hold commas."""
    for at in range(len(items) - 2, max(len(items) - MAX_TYPE, 0) - 1, -1):
        if items[at].kind == "sign" and items[at].text not in _IN_TYPES:
            if items[at].text == "<":
                del items[at:]
            return


def unescape(text: str) -> str:
    """Return the characters that a string or template stands for."""

    def put(match: re.Match[str]) -> str:
        if digits := match[1] or match[2] or match[3]:
            code = int(digits, 16)
            return chr(code) if code <= 0x10FFFF else "�"
        return _LETTERS.get(match[4], match[4])

    if "\\" not in text:
        return text
    # Halves of a character above U+FFFF are written one by one; a half alone cannot be stored.
    done = _ESCAPE.sub(put, text)
    return done.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def walk(items: Tokens) -> Iterator[Token]:
    """Yield the tokens and those of the groups in them, in the order of the source."""
    levels = [iter(items)]
    while levels:
        for token in levels[-1]:
            yield token
            if token.items:
                levels.append(iter(token.items))
                break
        else:
            levels.pop()


def find(items: Tokens, *texts: str) -> int:
    """Return the index of the first of these signs or names, or -1. Members do not count."""
    for at, token in enumerate(items):
        if token.is_(*texts) and not (at and items[at - 1].is_(".", "?.")):
            return at
    return -1


def split(items: Tokens, sign: str) -> list[Tokens]:
    """Return the parts between the signs that are not empty."""
    ends = [at for at, token in enumerate(items) if token.is_(sign)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [items[start:end] for start, end in zip(starts, [*ends, None], strict=True)]
    return [part for part in parts if part]


_AFTER_VALUE = (
    *("as", "satisfies", "from", "in", "of", "instanceof", "extends", "implements"),
    *("else", "catch", "finally"),
)
_BEFORE_VALUE = (
    *("default", "export", "import", "const", "let", "var", "new", "await", "async"),
    *("function", "class", "typeof", "extends", "from", "as", "satisfies", "in", "of"),
)
"""Names that do not end a statement."""
_BEGINS = ("export", "const", "let", "var", "return")


def statements(items: Tokens) -> Iterator[Tokens]:
    """Yield the statements, also of source that leaves out the semicolons."""
    for part in split(items, ";"):
        start = 0
        for at, (before, token) in enumerate(pairwise(part), start=1):
            is_last = at > 1 and part[at - 2].is_(".", "?.", "as")  # of a member, or `as const`
            is_value = before.kind != "sign" or token.is_(*_BEGINS)  # the sign ends a JSX tag
            is_value = is_value and (is_last or not before.is_(*_BEFORE_VALUE))
            is_next = token.starts_line or (before.kind == "{" and token.kind == "name")
            goes_on = token.kind in ("sign", "{") or token.is_(*_AFTER_VALUE)
            if is_value and is_next and not goes_on:
                yield part[start:at]
                start = at
        yield part[start:]


def function_name(items: Tokens) -> Token | None:
    """Return the name that a statement declares as a function."""
    at = find(items[:4], "function")
    if at < 0 or not all(token.is_("export", "default", "async") for token in items[:at]):
        return None
    return next((token for token in items[at + 1 : at + 3] if token.kind == "name"), None)


def pairs(group: Token) -> Iterator[tuple[str, str]]:
    """Yield the pairs of names in `{a, b as c}` or `{a, b: c}`."""
    for part in split(group.items, ","):
        words = [token.text for token in part if token.kind in ("name", "string")]
        if len(words) in (2, 4) and words[0] == "type":
            del words[0]
        if words:
            yield words[0], words[-1]


def without_modifiers(items: Tokens) -> Tokens:
    """Remove `async`, `get`, `set` and `*` before the name of a method."""
    while len(items) > 1 and items[0].is_("async", "get", "set", "*"):
        if items[1].kind == "(" or items[1].is_(":", "="):
            break
        items = items[1:]
    return items
