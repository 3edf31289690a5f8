"""Walk over the tokens of a script: skip blocks and types, find closing brackets."""

from __future__ import annotations

from collections.abc import Sequence

from sites.javascript import Token

MAX_TYPE = 40
"""Tokens of a type between `<` and `>`."""
OPEN, CLOSE = frozenset("{[("), frozenset("}])")


class Cursor:
    """A position in the tokens of a script."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._pairs: dict[int, int] = {}
        """Index of each opening bracket -> index of its closing one."""
        stack: list[int] = []
        for at, token in enumerate(tokens):
            if token.kind == "sign" and token.text in OPEN:
                stack.append(at)
            elif token.kind == "sign" and token.text in CLOSE and stack:
                self._pairs[stack.pop()] = at

    @property
    def _here(self) -> str:
        return self._text(0)

    def _text(self, ahead: int) -> str:
        """Return a sign or name ahead; "" for literals and the end."""
        if self._at + ahead >= len(self._tokens):
            return ""
        token = self._tokens[self._at + ahead]
        return token.text if token.kind in ("sign", "name") else ""

    @property
    def _line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._tokens)

    def _take(self, text: str) -> bool:
        if self._here == text:
            self._at += 1
            return True
        return False

    def _skip(self, ends: str) -> None:
        """Skip to one of the signs or a closing bracket, over whole brackets."""
        level = 0
        while not self.ended:
            here = self._here
            if not level and here and (here in ends or here in CLOSE):
                return
            level += (here in OPEN) - (here in CLOSE) if here else 0
            self._at += 1

    def _block(self) -> None:
        self._at += 1
        self._skip("")
        self._at += 1

    def _type(self, ends: str) -> None:
        """Skip a type up to one of the signs, or the end of its statement."""
        self._at += 1
        level, first = 0, self._at
        while not self.ended:
            token, here = self._tokens[self._at], self._here
            if level <= 0 and here and (here in ends or here in (";", *CLOSE)):
                return
            if level <= 0 and token.starts_line and token.kind == "name" and self._at > first:
                return
            level += (here in OPEN or here == "<") - (here in CLOSE or here == ">")
            self._at += 1

    def _closing(self, start: int) -> int:
        """Return the index of the bracket that closes the one at `start`."""
        return self._pairs.get(start, len(self._tokens))

    def _generic(self) -> bool:
        """Skip the types of a call, `f<T>(…)`."""
        level = 0
        for at in range(self._at, min(self._at + MAX_TYPE, len(self._tokens))):
            token = self._tokens[at]
            if token.kind == "sign":
                level += (token.text == "<") - (token.text == ">")
                if token.text in (";", "=", "=>", "("):
                    return False
            if not level:
                if self._tokens[at + 1 : at + 2] and self._tokens[at + 1].text == "(":
                    self._at = at + 1
                    return True
                return False
        return False
