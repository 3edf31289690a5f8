"""Read the literals of JavaScript and TypeScript expressions without executing them."""

from __future__ import annotations

import posixpath
import re
from collections import ChainMap
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sites.script_tokens import Token, Tokens, find, split, walk, without_modifiers
from sites.script_types import Array, Computed, Imported, Load, Module, Object, Sizes, shown_text

MAX_DEPTH = 50
"""Levels of a literal; deeper ones are computed."""
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")
"""Numbers that Python writes like JavaScript."""
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None, "__dirname": ""}
_JOINS = frozenset({"path.join", "path.resolve", "join", "resolve", "require.resolve"})
_READ = frozenset({".", "?.", "+", "||", "??", "!"})
"""Signs in expressions that are read; one with any other sign is computed."""
_FILTER = [".", "filter", "(", "Boolean"]
_UNKNOWN = Computed()


@dataclass(slots=True)
class Function:
    """A function, which is read when it is first used."""

    parameters: Tokens
    body: Tokens
    """A block, or the expression of an arrow function."""
    names: MutableMapping[str, Any]
    """The variables where it is written."""
    result: Any = _UNKNOWN


class Expressions:
    """Reads the expressions of one file."""

    def __init__(self, load: Load, file: str) -> None:
        self._load, self._file = load, file
        self._sizes = Sizes()
        self.module = Module()

    def run(self, items: Tokens, depth: int) -> None:
        """Read the statements of a function's body."""
        raise NotImplementedError

    def _place(self, token: Token) -> str:
        return f"{self._file}:{token.line}"

    def _computed(self, token: Token, name: str = "", given: Any = None) -> Computed:
        return Computed(name, self._place(token), given)

    def value(self, items: Tokens, depth: int) -> Any:
        """Return the value of an expression."""
        if not items:
            return Computed("", self._file)
        first = items[0]
        if depth >= MAX_DEPTH:
            return self._computed(first)
        if find(items[:2], "function") == first.is_("async"):
            return self.returned(self.function(items), depth)
        at = find(items, "=>", "=")
        if at >= 0 and items[at].is_("="):
            return self.value(items[at + 1 :], depth + 1)
        if at >= 0:
            arrow = Function(items[:at], items[at + 1 :], self.module.names)
            return self.returned(arrow, depth)
        if [token.text for token in (*items[-3:], *items[-1].items)] == _FILTER:
            known = self.value(items[:-3], depth + 1)
            return [each for each in known if each] if isinstance(known, list) else known
        at = find(items, "as", "satisfies")
        if at > 0:
            goes_on = find(items[at:], "||", "??", "?", "+", "&&") >= 0
            return self._computed(first) if goes_on else self.value(items[:at], depth)
        if any(token.kind == "sign" and token.text not in _READ for token in items):
            return self._computed(first)
        at = find(items, "||", "??")
        if at >= 0:
            value = self.value(items[:at], depth + 1)
            known = isinstance(value, str | dict | list) and value
            return value if known else self._computed(first)
        if first.is_("+"):
            return self._computed(first)
        parts = [self._operand(part, depth) for part in split(items, "+")]
        if len(parts) == 1:
            return parts[0]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(parts) else self._computed(first)

    def _operand(self, items: Tokens, depth: int) -> Any:
        """Return a value with the calls and members after it."""
        start = next((at for at, each in enumerate(items) if not each.is_("await", "new")), 0)
        first = items[start]
        name = first.text if first.kind == "name" else ""
        value = self._primary(first, depth)
        for before, token in pairwise(items[start:]):
            if token.kind == "name" and before.is_(".", "?."):
                name = f"{name}.{token.text}" if name else ""
                value = self._member(value, token.text, self._computed(first, name))
            elif token.kind == "[":
                key = self.value(token.items, depth + 1)
                key = str(key) if isinstance(key, str | int) else ""
                value = self._member(value, key, self._computed(first))
            elif token.kind == "(":
                parts = split(token.items, ",")
                arguments = [self.value(part, depth + 1) for part in parts]
                value, name = self._called(name, value, arguments, first), ""
            elif not token.is_(".", "?.", "!"):
                return self._computed(first)
        # Names may have multiplied what is written.
        within = first.kind != "name" or self._sizes.spend(value)
        return value if within else self._computed(first)

    def _primary(self, token: Token, depth: int) -> Any:
        match token.kind:
            case "name":
                return self._look_up(token, depth)
            case "string":
                return token.text
            case "number" if _NUMBER.fullmatch(token.text):
                number = float(token.text)
                return int(number) if number.is_integer() else number
            case "`":
                return self._template(token, depth)
            case "{":
                return self._object(token, depth)
            case "[":
                return self._list(token, depth)
            case "(":
                return self.value([[], *split(token.items, ",")][-1], depth + 1)
        return self._computed(token)

    def _look_up(self, token: Token, depth: int) -> Any:
        """Return the value of a name."""
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        value = self.returned(self.module.names.get(token.text, _UNKNOWN), depth)
        if value is _UNKNOWN:
            return self._computed(token, token.text)
        return self._resolve(value, token)

    def _resolve(self, value: Any, token: Token) -> Any:
        """Return the value of an imported name."""
        if not isinstance(value, Imported):
            return value
        module = self._load(value.module) if value.module.startswith((".", "@site/")) else None
        if module is None:
            return self._computed(token, value.module)
        if value.name == "default":
            return module.default
        if value.name == "*":
            named = module.exports.keys() - {"default"}
            return Object(module.exports) if named or module.default is None else module.default
        known = module.exports
        if value.name not in known and isinstance(module.default, dict):
            known = module.default  # of JSON or CommonJS
        return known.get(value.name, self._computed(token, value.name))

    def function(self, items: Tokens) -> Function:
        """Return a function or method; its body is the last block."""
        at = max((at for at, token in enumerate(items) if token.kind == "{"), default=len(items))
        parameters = [token for token in items[:at] if token.kind == "("]
        return Function(parameters, items[at:], self.module.names)

    def returned(self, function: Any, depth: int) -> Any:
        """Return the literal that a function returns; any other value as it is."""
        if not isinstance(function, Function):
            return function
        if function.result is _UNKNOWN and function.body:
            block, outer = function.body[0], self.module
            function.result = self._computed(block)
            hidden = {token.text: _UNKNOWN for token in walk(function.parameters)}
            self.module = Module(ChainMap(hidden, function.names))
            if depth < MAX_DEPTH and block.kind == "{":
                self.run(block.items, depth + 1)
            elif depth < MAX_DEPTH:
                self.module.returned = self.value(function.body, depth + 1)
            if self.module.returned is not None:
                function.result = self.module.returned
            if isinstance(function.result, Computed):
                function.result = replace(function.result, body=function.body)
            self.module = outer
        return function.result

    def _template(self, group: Token, depth: int) -> Any:
        parts = [
            token.text if token.kind == "string" else shown_text(self.value(token.items, depth + 1))
            for token in group.items
        ]
        text = "".join("…" if part is None else part for part in parts)
        return replace(self._computed(group), text=text) if None in parts else text

    def _object(self, group: Token, depth: int) -> Object:
        found = Object()
        for part in split(group.items, ","):
            if part[0].is_("..."):
                self._spread(found, self.value(part[1:], depth + 1), part[0])
            else:
                self._property(found, part, depth)
        return found

    def _spread(self, found: Object, value: Any, token: Token) -> None:
        """Add the members of a value to an object."""
        if isinstance(value, dict):
            found.update(value)
            found.places |= getattr(value, "places", {})
        elif value is not None:
            found.spreads.append(value if isinstance(value, Computed) else self._computed(token))

    def _property(self, found: Object, items: Tokens, depth: int) -> None:
        """Read `key: value`, `key`, `key() {…}` or, in an enum, `key = value`."""
        first, *rest = without_modifiers(items)
        key: Any = self.value(first.items, depth + 1) if first.kind == "[" else first.text
        if rest and rest[0].is_(":", "="):
            value = self.value(rest[1:], depth + 1)
        elif rest:
            value = self.returned(self.function(rest), depth + 1)
        else:
            value = self.value([first], depth + 1)
        if isinstance(key, str):
            found[key] = value
            found.places[key] = self._place(first)
        else:
            found.spreads.append(self._computed(first))

    def _list(self, group: Token, depth: int) -> Array:
        found = Array()
        for part in split(group.items, ","):
            spread = part[0].is_("...")
            value = self.value(part[spread:], depth + 1)
            items = value if spread and isinstance(value, list) else [value]
            found += items
            found.places += [self._place(part[0])] * len(items)
        return found

    def _called(self, name: str, callee: Any, arguments: list[Any], token: Token) -> Any:
        """Return the value of a call."""
        texts = [each for each in arguments if isinstance(each, str)]
        if name in ("require", "import") and texts:
            return self._resolve(Imported(texts[0], "*"), token)
        if name in _JOINS and texts and len(texts) == len(arguments):
            return posixpath.normpath(posixpath.join(*texts))
        if name in ("Object.assign", "Object.freeze"):
            found = Object()
            for each in arguments:
                self._spread(found, each, token)
            return found
        given = next((each for each in arguments if isinstance(each, dict)), None)
        if name == "Object.keys" and given is not None:
            return list(given)
        if name.split(".")[-1].startswith(("define", "with")) and arguments:
            return arguments[0] if given is None else given
        if isinstance(callee, dict | list | str):
            return callee  # a function of this file that returns a literal
        return self._computed(token, name, given)

    def _member(self, value: Any, key: str, unknown: Computed) -> Any:
        """Return a member of a value."""
        if isinstance(value, dict):
            # Of a module without other exports the value is its default.
            return value.get(key, value if key == "default" else unknown)
        if isinstance(value, list) and key.isdecimal() and len(key) < 6 and int(key) < len(value):
            return value[int(key)]
        return replace(unknown, name=getattr(value, "name", "") or unknown.name)
