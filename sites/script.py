"""Read the literals of a JavaScript or TypeScript file without executing it.

Constants, imports of other files, spreads and wrappers such as `defineConfig({…})` are
followed. Anything else is a `Computed` value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sites.javascript import Token, tokenize
from sites.script_cursor import OPEN
from sites.script_data import Computed, Imported, Load, Module
from sites.script_values import Expressions


def read_module(source: str, load: Load = lambda name: None, file: str = "") -> Module:
    """Read the top level of a file; `load` returns the modules that it imports."""
    reader = _Statements(tokenize(source), load, file)
    return reader.statements(reader.module, 0)


def evaluate(source: str, names: Mapping[str, Any], load: Load = lambda name: None) -> Any:
    """Return the value of an expression; `names` are the variables it may use."""
    reader = _Statements(tokenize(source), load)
    reader.module.names.update(names)
    if reader.ended:
        return None
    value = reader.expression(0)
    return value if reader.ended else Computed()


class _Statements(Expressions):
    """Parses statements, each token once."""

    def __init__(self, tokens: Sequence[Token], load: Load, file: str = "") -> None:
        super().__init__(tokens, load, file)
        self._last_change = {
            token.text: at
            for at, (token, after) in enumerate(pairwise(tokens))
            if token.kind == "name" and after.text in ("=", "+=", "??=", "||=")
        }
        """Index at which a variable is assigned for the last time."""

    def statements(self, module: Module, depth: int) -> Module:
        """Read statements up to a closing brace or the end."""
        outer, self.module = self.module, module
        while not self.ended and self._here != "}":
            before = self._at
            self._statement(depth)
            if self._at == before:
                self._at += 1
        self.module = outer
        return module

    def _statement(self, depth: int) -> None:
        here, module = self._here, self.module
        if here == "import" and self._text(1) not in ("(", "."):
            self._import()
        elif here in ("const", "let", "var"):
            self._declaration(depth)
        elif here == "export":
            self._export(depth)
        elif here in ("function", "async") and "function" in (here, self._text(1)):
            self._at += 1 + (here == "async")
            self._take("*")
            name = self._here
            module.names[name] = self._function(depth)
        elif here == "return":
            self._at += 1
            value = self.expression(depth)
            module.returned = value if module.returned is None else self._computed("")
        elif here == "module" and self._text(2) == "exports" and self._text(3) == "=":
            self._at += 4
            module.exports["default"] = self.expression(depth)
        elif self._is_literal_statement():
            module.assigned = self.expression(depth)
        elif here == "=" and self._at:
            self._at += 1
            value = self.expression(depth)
            module.assigned = value if module.assigned is None else module.assigned
        elif here in OPEN:  # also the body of `if` and the like, which may not run
            self._block()
        else:
            self._at += 1

    def _is_literal_statement(self) -> bool:
        """Return whether the file is one value, such as JSON."""
        json = self._here == "{" and [t.kind for t in self._tokens[1:2]] == ["string"]
        return self._at == 0 and (json or self._here in ("[", "("))

    def _import(self) -> None:
        """Read `import a, {b as c}, * as d from 'x'`."""
        self._at += 1
        names: dict[str, str] = {}
        name = "default"
        while not self.ended and self._tokens[self._at].kind != "string":
            here = self._here
            if here == ";" or here == "import":
                return
            if here == "as":
                self._at += 1
                names[self._here] = name
            elif here == "*":
                name = "*"
            elif here == "{":
                names |= self._named("}")
                continue
            elif here not in ("type", "from", ",", "*") and self._tokens[self._at].kind == "name":
                names[here] = name = "default"
            self._at += 1
        if self.ended:
            return
        place = self._tokens[self._at].text
        self._at += 1
        for local, exported in names.items():
            self.module.names[local] = Imported(place, exported)

    def _named(self, end: str) -> dict[str, str]:
        """Read `{a, b as c}` as local name -> exported name."""
        found: dict[str, str] = {}
        self._at += 1
        while not self.ended and not self._take(end):
            token = self._tokens[self._at]
            self._at += 1
            if token.kind == "name" and token.text != "type":
                name, local = token.text, token.text
                if self._here in ("as", ":"):
                    local = self._text(1)
                    self._at += 2
                found[local] = name
        return found

    def _declaration(self, depth: int) -> list[str]:
        """Read `const a = 1, b = 2` and return the names."""
        constant, module = self._take("const"), self.module
        self._at += not constant
        names: list[str] = []
        while True:
            name = self._here
            if name in OPEN:  # `{a, b} = …` takes a value apart
                self._block()
            else:
                self._at += 1
                names.append(name)
            again = not constant and self._last_change.get(name, 0) >= self._at
            if self._here == ":":
                self._type("=")
            if self._take("="):
                line, value = self._line, self.expression(depth)
                if name not in OPEN:
                    module.names[name] = self._computed(name, line) if again else value
                    if module.assigned is None and isinstance(value, dict | list):
                        module.assigned = value
            if not self._take(","):
                return names

    def _export(self, depth: int) -> None:
        self._at += 1
        exports = self.module.exports
        if self._take("default"):
            if self._here in ("function", "async") and "function" in (self._here, self._text(1)):
                self._at += 1 + (self._here == "async")
                self._take("*")
                exports["default"] = self._function(depth)
            else:
                exports["default"] = self.expression(depth)
        elif self._here == "{":
            named = self._named("}")
            for exported, local in named.items():
                exports[exported] = self.module.names.get(local, self._computed(local))
            if self._take("from") and not self.ended:
                place = self._tokens[self._at].text
                self._at += 1
                for exported, local in named.items():
                    exports[exported] = self._look_up(Imported(place, local))
        elif self._here in ("const", "let", "var", "function", "async"):
            if self._here in ("const", "let", "var"):
                names = self._declaration(depth)
            else:
                names = [self._text(1 + (self._here == "async"))]
                self._statement(depth)
            exports |= {n: self.module.names[n] for n in names if n in self.module.names}
        elif self._take("*") and self._take("from") and not self.ended:
            everything = self._look_up(Imported(self._tokens[self._at].text, "*"))
            exports |= everything if isinstance(everything, dict) else {}
