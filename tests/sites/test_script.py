"""Configurations are read as data: literals, constants, imports; nothing is executed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sites.script import evaluate, read_module
from sites.script_data import Computed, Module


def exported(source: str, **modules: str) -> Any:
    def load(name: str) -> Module | None:
        found = modules.get(name.removeprefix("./"))
        return read_module(found, load) if found else None

    return read_module(source, load).default


@pytest.mark.parametrize(
    "source",
    [
        "export default {a: 'b'}",
        "module.exports = {'a': \"b\"};",
        "export default defineConfig({a: `b`})",
        "export default defineConfig<Theme<Own>>({a: 'b' as const})",
        "export default withMermaid(defineConfig({a: 'b'}))",
        "export default () => ({a: 'b'})",
        "module.exports = async () => { return {a: 'b'} }",
        "export default async function make() { const a = 'b'; return {a}; }",
        "const a = 'b'\nconst config: Config = {a} satisfies Config\nexport default config",
        "// {a: 'no'}\nexport default {/* a: 'no' */ ...{a: 'no'}, 'a': 'b'}",
        "import {b as a} from './other'\nexport default {a}",
        "import * as all from './other'\nexport default {a: all.b}",
        "const {x} = y\nexport default {...require('./object')}",
        "const re = /['\"`{]/g;\nexport default {a: 'b'}",
        "x = {a: 'b'}",
        '{"a": "b"}',
        "export default {a: '\\u0062'}",
        "const p = 'b';\nexport default {a: `${p}`}",
    ],
)
def test_objects_in_every_form(source: str) -> None:
    modules = {"other": "export const b = 'b'", "object": "module.exports = {a: 'b'}"}
    assert exported(source, **modules) == {"a": "b"}


@pytest.mark.parametrize(
    "value",
    ["process.env.X || '/'", "`a${x}`", "c ? 'a' : 'b'", "make('a')", "x.y", "f`a`", "[].join()"],
)
def test_computed_values_are_known_as_such(value: str) -> None:
    read = exported(f"\nexport default {{a: {value}, b: 'after'}}")
    assert isinstance(read["a"], Computed)
    assert read["a"].line == 2
    assert read["b"] == "after"


def test_the_object_given_to_a_function_is_kept() -> None:
    read = exported("const c = {a: 1}\nexport default extend(c, 'x')")
    assert isinstance(read, Computed)
    assert (read.name, read.line, read.argument) == ("extend", 2, {"a": 1})


def test_a_variable_that_changes_is_computed() -> None:
    read = exported("let a = 'x'\nlet b = 'y'\nif (z) a = 'w'\nexport default {a, b}")
    assert isinstance(read["a"], Computed)
    assert read["b"] == "y"


def test_spreads_that_are_computed_are_kept() -> None:
    read = exported("export default {...make(), a: 1}")
    assert read == {"a": 1}
    assert [spread.name for spread in read.spreads] == ["make"]


@pytest.mark.parametrize(
    ("source", "value"),
    [("'{'", "{"), ("`a}`", "a}"), ("year", 7), ("' '", " "), ("/* only */", None), ("-year", ...)],
)
def test_expressions(source: str, value: object) -> None:
    read = evaluate(source, {"year": 7})
    assert isinstance(read, Computed) if value is ... else read == value


@pytest.mark.parametrize(
    "text",
    ["{", "export default [", "x = {'a': ['", "= {`", "({a:", "`${", "a<", "'\\'", "= / ", "(",
     "function f(){", "x ? ", "a:b:", "const a: <", "a => ", "/*", "import {", "f(", "...[", "!"],
)  # fmt: skip
def test_any_text_is_read_in_linear_time(text: str) -> None:
    def seconds(number: int) -> float:
        started = time.process_time()
        read_module(text * number)
        return time.process_time() - started

    seconds(10)
    assert seconds(16_000) < 8 * seconds(4_000) + 0.5
