"""Split JavaScript and TypeScript into tokens, without comments, in linear time."""

from __future__ import annotations

import re
from typing import NamedTuple

_SPACE = re.compile(r"\s+|//[^\n]*")
_NUMBER = re.compile(r"[0-9][\w.]*")
_NAME = re.compile(r"[\w$@#\\]+")
_SIGN = re.compile(r"=>|\.\.\.|\?\?=|\|\|=|&&=|\?\?|\?\.|\|\||&&|[-+*/%<>=!]=+|.", re.DOTALL)
_QUOTED = {
    "'": re.compile(r"'(?:[^'\\\n]|\\.)*+('?)", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*+("?)', re.DOTALL),
}
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*+(`|\$\{|)", re.DOTALL)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*+\])++/[a-z]*+")
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*%<>~^") | {"=>", "return", "&&", "||", "??", "..."}


class Token(NamedTuple):
    """`kind` is name, number, string, regex, template or sign.

    A template is the text up to a `${` or the closing backtick; after it come the tokens of the
    expression, and the next part.
    """

    kind: str
    text: str
    line: int
    starts_line: bool
    """Whether a line break stands before the token."""
    open: bool = False
    """Whether an expression follows this part of a template."""


def tokenize(source: str) -> list[Token]:
    """Return the tokens. A quote that nothing closes is a sign."""
    return list(_Lexer(source).tokens())


class _Lexer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at, self._line, self._fresh = 0, 1, True
        self._found: list[Token] = []
        self._dead: dict[str, int] = {}
        """Where text ends in which no string with this quote begins."""
        self._templates: list[int] = []
        """For each open template the braces open in its expression."""

    def tokens(self) -> list[Token]:
        while self._at < len(self._source):
            self._step()
        return self._found

    def _add(self, kind: str, text: str, end: int, *, open_: bool = False) -> None:
        self._found.append(Token(kind, text, self._line, self._fresh, open_))
        self._fresh = False
        self._move(end)

    def _move(self, end: int) -> None:
        self._line += self._source.count("\n", self._at, end)
        self._at = end

    def _step(self) -> None:
        source, at = self._source, self._at
        ch = source[at]
        if match := _SPACE.match(source, at):
            self._fresh = self._fresh or "\n" in match[0]
            self._move(match.end())
        elif source.startswith("/*", at) and (end := source.find("*/", at + 2)) >= 0:
            self._fresh = self._fresh or "\n" in source[at:end]
            self._move(end + 2)
        elif source.startswith("/*", at):
            self._move(len(source))
        elif ch in _QUOTED and at >= self._dead.get(ch, 0):
            match = _QUOTED[ch].match(source, at)
            if match and match[1]:
                self._add("string", unescape(match[0][1:-1]), match.end())
            else:
                self._dead[ch] = match.end() if match else at
        elif ch == "`" or (ch == "}" and self._templates and not self._templates[-1]):
            self._template(ch)
        elif ch == "/" and self._regex():
            pass
        elif match := _NUMBER.match(source, at):
            self._add("number", match[0], match.end())
        elif match := _NAME.match(source, at):
            self._add("name", match[0], match.end())
        else:
            match = _SIGN.match(source, at)
            sign = match[0] if match else ch
            if self._templates:
                self._templates[-1] += (sign == "{") - (sign == "}")
            self._add("sign", sign, at + len(sign))

    def _template(self, ch: str) -> None:
        match = _TEMPLATE.match(self._source, self._at + 1)
        end = match[1] if match else ""
        if ch == "}":
            self._templates.pop()
        if end == "${":
            self._templates.append(0)
        stop = match.end() if match else len(self._source)
        text = self._source[self._at + 1 : stop - len(end)]
        self._add("template", unescape(text), stop, open_=end == "${")

    def _regex(self) -> bool:
        before = self._found[-1].text if self._found else "="
        if before not in _BEFORE_REGEX or self._at < self._dead.get("/", 0):
            return False
        match = _REGEX.match(self._source, self._at)
        if match:
            self._add("regex", match[0], match.end())
        else:
            end = self._source.find("\n", self._at)
            self._dead["/"] = end if end >= 0 else len(self._source)
        return match is not None


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
