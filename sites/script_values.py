"""Read the literals of JavaScript and TypeScript expressions without executing them."""

from __future__ import annotations

import posixpath
import re
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sites.javascript import Token
from sites.script_cursor import Cursor
from sites.script_sizes import Sizes
from sites.script_types import Array, Computed, Imported, Load, Module, Object

MAX_DEPTH = 50
"""Levels of a literal; deeper ones are computed."""
_OPERATORS = frozenset("?+-*/%<>=&|^") | {"??", "||", "&&", "==", "===", "!=", "!==", "<=", ">="}
_OPERATORS |= {"+=", "-=", "??=", "||=", "&&=", "in", "instanceof"}
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")
"""Numbers that Python writes like JavaScript."""
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
_JOINS = frozenset({"path.join", "path.resolve", "join", "resolve", "require.resolve"})


class Expressions(Cursor):
    """Parses expressions, each token once."""

    def __init__(self, tokens: Sequence[Token], load: Load, file: str = "") -> None:
        super().__init__(tokens)
        self._load, self._file = load, file
        self._sizes = Sizes()
        self.module = Module()

    def _place(self, line: int = 0) -> str:
        return f"{self._file}:{line or self._line}"

    def _computed(self, name: str, line: int = 0, given: dict[str, Any] | None = None) -> Computed:
        return Computed(name, self._place(line), given)

    def statements(self, module: Module, depth: int) -> Module:
        """Read the statements of a function's body."""
        raise NotImplementedError

    def _function(self, depth: int) -> Any:
        """Read a function after its keyword; return the literal that it returns."""
        while not self.ended and self._here not in ("(", "{"):
            self._at += 1
        if self._here == "(":
            self._block()
        if self._here == ":":
            self._type("{")
        return self._body(depth)

    def _body(self, depth: int) -> Any:
        if self._here != "{" or depth >= MAX_DEPTH:
            return self._computed("")
        line = self._line
        self._at += 1
        inner = self.statements(Module(ChainMap({}, self.module.names)), depth + 1)
        self._at += 1
        return self._computed("", line) if inner.returned is None else inner.returned

    def expression(self, depth: int) -> Any:
        """Return the value at the current token and move to the sign after it."""
        line = self._line
        if depth >= MAX_DEPTH:
            self._skip(",;")
            return self._computed("", line)
        value = self._operand(depth + 1)
        while not self.ended:
            here = self._here
            if here in ("as", "satisfies"):
                self._type(",?")
            elif here == "+":
                self._at += 1
                right = self._operand(depth + 1)
                texts = isinstance(value, str) and isinstance(right, str)
                value = value + right if texts else self._computed("", line)
            elif here in ("||", "??") and isinstance(value, str | dict | list) and value:
                self._at += 1
                self._operand(depth + 1)
            elif here in _OPERATORS:
                self._at += 1
                self._operand(depth + 1)
                while self._take(":"):
                    self._operand(depth + 1)
                value = self._computed("", line)
            else:
                break
        return value

    def _operand(self, depth: int) -> Any:
        """Read a value with the calls and members after it."""
        while self._here in ("await", "new", "typeof", "void", "!", "-", "+") and not self.ended:
            sign = self._here
            self._at += 1
            if sign not in ("await", "new"):
                self._operand(depth)
                return self._computed("")
        line = self._line
        name, value = self._primary(depth)
        is_name = bool(name)
        while not self.ended:
            here = self._here
            if here in (".", "?.") and self._tokens[self._at + 1 : self._at + 2]:
                key = self._tokens[self._at + 1].text
                name = f"{name}.{key}" if name else ""
                self._at += 2
                value = self._member(value, key, name)
            elif here == "[" and not self._tokens[self._at].starts_line:
                self._at += 1
                token = self._tokens[self._at] if not self.ended else None
                self._skip("")
                self._at += 1
                value = self._member(value, token.text if token else "", "")
            elif here == "(" and not self._tokens[self._at].starts_line:
                value, name = self._call(name, value, depth), ""
            elif here == "<" and self._generic():
                pass
            elif here == "!" and self._text(1) not in ("=",):
                self._at += 1
            else:
                break
        return self._used(value, line) if is_name else value

    def _used(self, value: Any, line: int) -> Any:
        """Return what a name stands for, unless names have multiplied what is written."""
        return value if self._sizes.spend(value) else self._computed("", line)

    def _primary(self, depth: int) -> tuple[str, Any]:
        """Return the name, if it is one, and the value of the token here."""
        if self.ended or depth >= MAX_DEPTH:
            line = self._line
            self._skip(",;")
            return "", self._computed("", line)
        token, line = self._tokens[self._at], self._line
        if token.kind == "string":
            self._at += 1
            return "", token.text
        if token.kind == "template":
            return "", self._template(depth)
        if token.kind in ("number", "regex"):
            self._at += 1
            if not _NUMBER.fullmatch(token.text):
                return "", self._computed("", line)
            number = float(token.text)
            return "", int(number) if number.is_integer() else number
        here = token.text
        if here == "{":
            return "", self._object(depth)
        if here == "[":
            return "", self._list(depth)
        if here == "(":
            return "", self._parenthesis(depth)
        if here in ("function", "async") and "function" in (here, self._text(1)):
            self._at += 1
            return "", self._function(depth)
        if token.kind != "name":
            return "", self._computed("", line)
        self._at += 1
        if here == "async":
            return self._primary(depth)
        if self._take("=>"):
            return "", self._arrow(depth)
        if here in _CONSTANTS:
            return "", _CONSTANTS[here]
        if here in ("__dirname", "require"):
            return here, "" if here == "__dirname" else self._computed(here, line)
        return here, self._look_up(self.module.names.get(here, self._computed(here, line)))

    def _arrow(self, depth: int) -> Any:
        return self._body(depth) if self._here == "{" else self.expression(depth)

    def _parenthesis(self, depth: int) -> Any:
        """Read `(value)`, or the parameters of an arrow function and its body."""
        end = self._closing(self._at)
        after = self._tokens[end + 1 : end + 2]
        if after and after[0].text == "=>":
            self._at = end + 2
            return self._arrow(depth)
        self._at += 1
        value = self.expression(depth)
        while self._take(","):
            value = self.expression(depth)
        self._skip("")
        self._at += 1
        return value

    def _template(self, depth: int) -> Any:
        parts: list[Any] = []
        line = self._line
        while not self.ended:
            token = self._tokens[self._at]
            self._at += 1
            parts.append(token.text)
            if not token.open:
                break
            value = self.expression(depth)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            parts.append(str(value) if number else value)
            while not self.ended and self._tokens[self._at].kind != "template":
                self._at += 1
        text = "".join(part if isinstance(part, str) else "…" for part in parts)
        known = all(isinstance(part, str) for part in parts)
        return text if known else replace(self._computed("", line), text=text)

    def _object(self, depth: int) -> Object:
        found = Object()
        self._at += 1
        while not self.ended and not self._take("}"):
            if self._take(","):
                continue
            before = self._at
            self._property(found, depth)
            if self._at == before:
                self._at += 1
            self._skip(",")
            if self._here in ("]", ")"):
                self._at += 1
        return found

    def _property(self, found: Object, depth: int) -> None:
        line = self._line
        if self._take("..."):
            value = self.expression(depth)
            if isinstance(value, dict):
                found.update(value)
                if isinstance(value, Object):
                    found.places |= value.places
            elif value is not None:
                known = isinstance(value, Computed)
                found.spreads.append(value if known else self._computed("", line))
            return
        token = self._tokens[self._at]
        self._at += 1
        key, value = token.text, None
        if token.text == "[" and token.kind == "sign":
            self._skip("")
            self._at += 1
            key = ""
        elif token.text in ("async", "get", "set", "*") and self._here not in (":", ",", "(", "}"):
            key = self._here
            self._at += 1
        if self._take(":"):
            value = self.expression(depth)
        elif self._here == "(":
            value = self._function(depth)
        elif token.kind == "name":
            value = self._look_up(self.module.names.get(key, self._computed(key, line)))
            value = self._used(value, line)
        if key:
            found[key] = value
            found.places[key] = self._place(line)
        else:
            found.spreads.append(self._computed("", line))

    def _list(self, depth: int) -> Array:
        found = Array()
        self._at += 1
        while not self.ended and not self._take("]"):
            if self._take(","):
                continue
            before, place = self._at, self._place()
            spread = self._take("...")
            value = self.expression(depth)
            items = value if spread and isinstance(value, list) else [value]
            found += items
            found.places += [place] * len(items)
            self._skip(",")
            if self._here in ("}", ")") or self._at == before:
                self._at += 1
        return found

    def _call(self, name: str, callee: Any, depth: int) -> Any:
        line = self._line
        arguments: list[Any] = []
        self._at += 1
        while not self.ended and not self._take(")"):
            before = self._at
            arguments.append(self.expression(depth))
            self._skip(",")
            self._take(",")
            if self._here in ("}", "]") or self._at == before:
                self._at += 1
        if name == "require" and arguments and isinstance(arguments[0], str):
            return self._look_up(Imported(arguments[0], "*"))
        texts = [each for each in arguments if isinstance(each, str)]
        if name in _JOINS and texts and len(texts) == len(arguments):
            return posixpath.normpath(posixpath.join(*texts))
        if name.split(".")[-1].startswith(("define", "with")) and arguments:
            return next((each for each in arguments if isinstance(each, dict)), arguments[0])
        if isinstance(callee, dict | list | str):
            return callee  # a function of this file that returns a literal
        given = next((each for each in arguments if isinstance(each, dict)), None)
        return self._computed(name, line, given)

    def _member(self, value: Any, key: str, name: str) -> Any:
        if isinstance(value, dict):
            return value.get(key, self._computed(name))
        if isinstance(value, list) and key.isdecimal() and len(key) < 6 and int(key) < len(value):
            return value[int(key)]
        return self._computed(getattr(value, "name", "") or name)

    def _look_up(self, value: Any) -> Any:
        """Return the value of an imported name."""
        if not isinstance(value, Imported):
            return value
        module = self._load(value.module) if value.module.startswith((".", "@site/")) else None
        if module is None:
            return self._computed(value.module)
        if value.name == "default":
            return module.default
        if value.name == "*":
            exports = Object()
            exports.update(module.exports)
            return module.default if module.default is not None else exports
        return module.exports.get(value.name, self._computed(value.name))
