"""Read the literals of a JavaScript or TypeScript file without executing it.

Constants, imports of other files, spreads and wrappers such as `defineConfig({…})` are
followed. Anything else is a `Computed` value.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sites.script_tokens import (
    Token,
    Tokens,
    find,
    function_name,
    pairs,
    split,
    statements,
    tokenize,
    walk,
)
from sites.script_types import Computed, Imported, Load, Module
from sites.script_values import Expressions

_ASSIGN = ("=", "+=", "??=", "||=", "&&=")
_MUTATES = ("push", "unshift", "splice", "pop", "shift", "sort", "reverse")
MAX_CHANGES = 100
"""Members that may be assigned; an object that more are assigned to is computed."""
_MAY_RUN = ("if", "else", "for", "while", "do", "switch", "try", "catch", "finally", "with")
_DECLARES = ("const", "let", "var", "enum", "function", "async")
_TYPES = ("type", "interface", "class", "abstract", "declare", "namespace")


def read_module(source: str, load: Load = lambda name: None, file: str = "") -> Module:
    """Read the top level of a file; `load` returns the modules that it imports."""
    items = tokenize(source)
    reader = _Statements(load, file, items)
    reader.run(items, 0)
    for name, value in reader.module.names.items():
        reader.module.names[name] = reader.returned(value, 0)
    return reader.module


def evaluate(source: str, names: Mapping[str, Any], load: Load = lambda name: None) -> Any:
    """Return the value of an expression; `names` are the variables it may use."""
    items = tokenize(source)
    reader = _Statements(load, "", items)
    reader.module.names.update(names)
    return reader.value(items, 0) if items else None


class _Statements(Expressions):
    """Reads the statements of one file."""

    def __init__(self, load: Load, file: str, items: Tokens) -> None:
        super().__init__(load, file)
        self._changes = _changes(items)

    def run(self, items: Tokens, depth: int) -> None:
        """Read the statements of a file or a function's body."""
        found = list(statements(items))
        for statement in found:
            if name := function_name(statement):
                self.module.names[name.text] = self.function(statement)
        # What is exported as `{a}` may be declared below.
        found.sort(key=lambda part: len(part) == 2 and part[0].is_("export"))
        for statement in found:
            self._statement(statement, depth)

    def _statement(self, items: Tokens, depth: int) -> None:
        module, first, rest = self.module, items[0], items[1:]
        if first.is_("import") and rest and not (rest[0].kind == "(" or rest[0].is_(".")):
            self._import(rest, depth)
        elif first.is_("export") and rest:
            self._export(rest, depth)
        elif first.is_(*_DECLARES):
            self._declare(items, depth)
        elif first.is_("return"):
            value = self.value(rest, depth)
            module.returned = value if module.returned is None else self._computed(first)
        elif first.is_(*_MAY_RUN):  # and may return something else
            if any(token.is_("return") for token in walk(rest)):
                module.returned = self._computed(first)
        elif not (first.is_(*_TYPES) and rest and rest[0].kind == "name"):
            self._assign(items, depth)

    def _assign(self, items: Tokens, depth: int) -> None:
        """Read `module.exports = …` and the like, or a file that is one value, such as JSON."""
        at, module, value = find(items, "="), self.module, None
        if at > 0:
            left, value = items[:at], self.value(items[at + 1 :], depth)
            name = "".join(token.text for token in left).removeprefix("module.")
            owner, _, member = name.partition(".")
            if owner == "exports":
                module.exports[member or "default"] = value
                return
        elif items[0].kind in ("{", "[", "("):
            value = self.value(items, depth)
        if module.assigned is None and isinstance(value, dict | list):
            module.assigned = value

    def _import(self, items: Tokens, depth: int) -> None:
        """Read `a, {b as c}, * as d from 'x'`."""
        names, place = self.module.names, _first_string(items)
        for at, token in enumerate(items):
            if token.kind == "string":
                break
            if token.kind == "{":
                names.update((own, Imported(place, name)) for name, own in pairs(token))
            elif token.is_("="):  # import a = require('x')
                names[items[at - 1].text] = self.value(items[at + 1 :], depth)
                break
            elif token.kind == "name" and not token.is_("type", "from", "as"):
                everything = at > 1 and items[at - 2].is_("*")
                names[token.text] = Imported(place, "*" if everything else "default")

    def _declare(self, items: Tokens, depth: int) -> list[Token]:
        """Read `const a = 1, b = 2`, an enum or a function, and return the names."""
        module, found = self.module, []
        if name := function_name(items):
            return [name]
        if find(items[:2], "enum") >= 0 and items[-1].kind == "{":
            module.names[items[-2].text] = self._object(items[-1], depth)
            return [items[-2]]
        for part in split(items[1:], ","):
            name, at = part[0], find(part, "=")
            value = self.value(part[at + 1 :], depth) if at > 0 else None
            if module.assigned is None and isinstance(value, dict | list):
                module.assigned = value
            if name.kind == "{" and isinstance(value, dict):
                module.names.update((own, value[key]) for key, own in pairs(name) if key in value)
            elif name.kind == "name" and at > 0:
                constant = items[0].is_("const") or self._changes[name.text][""] <= (at == 1)
                unknown = self._computed(name, name.text)
                module.names[name.text] = self._changed(value, unknown) if constant else unknown
                found.append(name)
        return found

    def _changed(self, value: Any, unknown: Computed) -> Any:
        """Return a constant with what is changed or added later as computed."""
        members = self._changes[unknown.name]
        if len(members) > MAX_CHANGES:
            return unknown
        if isinstance(value, dict):
            value.update((name, unknown) for name in members if name not in ("", *_MUTATES))
        elif isinstance(value, list) and any(name in members for name in _MUTATES):
            value.append(unknown)
        return value

    def _export(self, items: Tokens, depth: int) -> None:
        exports, first, place = self.module.exports, items[0], _first_string(items)
        if first.is_("default", "="):
            exports["default"] = self.value(items[1:], depth)
        elif first.kind == "{" and len(items) > 1:
            for name, exported in pairs(first):
                exports[exported] = self._resolve(Imported(place, name), first)
        elif first.kind == "{":
            for name, exported in pairs(first):
                exports[exported] = self._look_up(first._replace(text=name), depth)
        elif first.is_("*"):
            everything = self._resolve(Imported(place, "*"), first)
            if find(items, "as") == 1 and len(items) > 2:
                exports[items[2].text] = everything
            elif isinstance(everything, dict):
                exports.update((k, v) for k, v in everything.items() if k != "default")
        elif first.is_(*_DECLARES):
            for token in self._declare(items, depth):
                exports[token.text] = self._look_up(token, depth)


def _changes(items: Tokens) -> dict[str, Counter[str]]:
    """Count for each variable the assignments to it, as "", and those that change a member."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    path: list[str] = []
    for token in walk(items):
        if token.kind == "name" and path[-1:] == ["."]:
            path[-1] = token.text
        elif token.is_(".", "?.") and path:
            path.append(".")
        else:
            if path and (
                token.is_(*_ASSIGN)
                or (token.kind == "(" and len(path) > 1 and path[-1] in _MUTATES)
            ):
                found[path[0]]["".join(path[1:2])] += 1
            path = [token.text] if token.kind == "name" else []
    return found


def _first_string(items: Tokens) -> str:
    return next((token.text for token in items if token.kind == "string"), "")
