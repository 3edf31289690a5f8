"""Configurations are read as data: literals, constants, imports; nothing is executed."""

from __future__ import annotations

from time import process_time
from timeit import timeit
from typing import Any

import pytest

from sites.script import evaluate, read_module
from sites.script_types import Computed, Module


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
        "const x: Map<A, B<C>> = f(), own: Own<A, B> = {a: 'b'}\nexport default own",
        "type A = {a: 'no'} | {c: 1}\ninterface B { a: C }\nexport default {a: 'b'} as A & B",
        "@own({a: 'no'})\nclass Own<T> extends A { a = {a: 'no'} }\nexport default {a: 'b'}",
        "enum A { B = 'b', C }\nexport default {a: A.B} satisfies Own",
        "const a = 4 / 2, c = 'b' // '\nexport default {a: c /* ' */}",
        "const a = s.replace(/[/'\"]/g, \"'\"), c = `/`\nexport default {a: 'b'}",
        "const logo = <a href='/'>don't</a>\nexport default {a: 'b'}",
        "const {c: a, d} = {c: 'b'}\nexport default {a}",
        "const key = 'a', keys = ['b']\nexport default {[key]: keys[0]}",
        "export default {a: make()}\nfunction make<T>(x: T): {a: string} { return 'b' }",
        "export {config as default}\nconst config = {a: 'b'}",
        "exports.default = {a: 'b'}",
        "export = {a: 'b'}",
        "import own = require('./object')\nexport default own",
        "import {second} from './again'\nexport default second",
        "export {default} from './whole'",
        "export default {a: 'b'}\nexport * from './both'",
        "type A = {a: 'no'}\nx = {a: 'b'}",
        "export default (await import('./whole')).default",
        "import * as all from './named'\nexport default {a: all.second.a}",
        "const title = 'no'\nexport default {a: 'b', ...{}, ...(title => ({}))}",
        "export default defineConfig(async ({mode}) => { const a = 'b'; return {a} })",
        "export default async function () {\n  return {a: 'b'}\n}",
        "export default {\n  a:\n    'b',\n}\nexport const c = {a: 'no'}",
        "function f() { return 'b' } export default {a: f()}",
        "const c = {a: 'no'}, a = x.default\nmodule.exports = {a: 'b'}",
        "const a = x\n  .y()\n  .z\nexport default {a: 'b'}",
    ],
)
def test_objects_in_every_form(source: str) -> None:
    modules = {
        "other": "export const b = 'b'",
        "object": "module.exports = {a: 'b'}",
        "whole": "export default {a: 'b'}",
        "both": "export default {a: 'no'}\nexport const c = 1",
        "again": "export * from './named'",
        "named": "export const first = {a: 'no'}\nexport const second = {a: 'b'}",
    }
    assert exported(source, **modules) == {"a": "b"}


@pytest.mark.parametrize(
    "value",
    [
        "process.env.X || '/'",
        "`a${x}`",
        "c ? 'a' : 'b'",
        "make('a')",
        "x.y",
        "f`a`",
        "[].join()",
        "/'a,/g",
        "<b>a, {x}</b>",
        "<A b={'}'} />",
        "(x as string) ? 'a' : 'b'",
        "'a' as string + x",
        "+'a'",
        "!x",
        "8n",
        "function () { if (x) return 'a'; return 'b' }",
        "() => { if (x) { return 'a' } else { return 'c' } return 'b' }",
        "class A { b = 'a' }",
        "b => b",
        "f(x < 1, 'a', y > (2))",
    ],
)
def test_computed_values_are_known_as_such(value: str) -> None:
    read = exported(f"\nexport default {{a: {value}, b: 'after'}}")
    assert isinstance(read["a"], Computed)
    assert read["a"].place == ":2"
    assert read["b"] == "after"


def test_the_object_given_to_a_function_is_kept() -> None:
    read = exported("const c = {a: 1}\nexport default extend(c, 'x')")
    assert isinstance(read, Computed)
    assert (read.name, read.place, read.argument) == ("extend", ":2", {"a": 1})


def test_a_variable_that_changes_is_computed() -> None:
    read = exported("let a = 'x'\nlet b = 'y'\nif (z) a = 'w'\nexport default {a, b}")
    assert isinstance(read["a"], Computed)
    assert read["b"] == "y"


def test_names_of_parameters_hide_others() -> None:
    read = exported("const b = 'no'\nexport default {a: b => b, c: ({b}) => [b], d: (c) => b}")
    assert isinstance(read["a"], Computed)
    assert isinstance(read["c"][0], Computed)
    assert read["d"] == "no"


def test_what_is_changed_later_is_computed() -> None:
    read = exported(
        "const config = {a: 1, b: 2, c: {d: 3}}\nconst list = ['x']\nlist.push(make())\n"
        "if (x) { config.b = 3 }\nconfig.c.d = 4\nconfig.list = list\nexport default config"
    )
    assert read["a"] == 1
    assert all(isinstance(read[key], Computed) for key in ("b", "c", "list"))
    read = exported("const list = ['x']\nlist.push(make())\nexport default {list}")
    assert read["list"][0] == "x"
    assert isinstance(read["list"][1], Computed)


def test_comparisons_are_no_types() -> None:
    assert exported("export default [x < 1, 'a', y > z, x >> 1, 'b']")[1::3] == ["a", "b"]


def test_words_before_the_name_of_a_method_or_type_are_no_names() -> None:
    source = """
        import {type A as B, type C, D} from './x'
        export default {
          get title() { return 'T' }, async rewrites(id) { return id.slice(1) },
          *pages() {}, get: 1, async: 2, set() {},
        }
    """
    module = read_module(source)
    assert list(module.default) == ["title", "rewrites", "pages", "get", "async", "set"]
    assert (module.default["title"], module.default["get"], module.default["async"]) == ("T", 1, 2)
    assert isinstance(module.default["rewrites"], Computed)
    assert {name: value.name for name, value in module.names.items()} == {
        "B": "A", "C": "C", "D": "D",
    }  # fmt: skip


def test_functions_that_call_each_other_end() -> None:
    source = "function a() { return b() }\nfunction b() { return [a()] }\nexport default {c: a()}"
    assert isinstance(exported(source)["c"][0], Computed)


def test_an_unclosed_quote_hides_no_more_than_itself() -> None:
    assert exported("const a = <p>don't</p>, b = {c: 'x'}\nexport default {a: 'b'}") == {"a": "b"}
    assert exported("export default {a: 'b', c: x ' y}\n") == {"a": "b", "c": Computed("", ":1")}


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
     "function f(){", "x ? ", "a:b:", "const a: <", "a => ", "/*", "import {", "f(", "...[", "!",
     "a<b,", "}+", "/[", "= /[", "'", "\\'", "({a(){", "[{(", "a.b = ", "let a = ", "a.push(", ")"],
)  # fmt: skip
def test_any_text_is_read_in_linear_time(text: str) -> None:
    def seconds(number: int) -> float:
        # timeit keeps the garbage collector off: its passes grow with the heap of other tests
        return timeit(lambda: read_module(text * number), timer=process_time, number=1)

    seconds(10)
    assert seconds(16_000) < 8 * seconds(4_000) + 0.5


@pytest.mark.parametrize(
    "source",
    [
        "const o = {a: 'x'} as const\nexport const b = 'b'\nexport default {a: b}",
        "let o = ['x'] as const\nconst a = 'b'\nexport default {a}",
        "export default Object.assign({a: 'no'}, {a: 'b'})",
        "const all = Object.freeze({a: 'b'})\nmodule.exports = {a: all.a}",
        "export default {a: Object.keys({b: 1})[0]}",
        "const l = [false, 'b', null].filter(Boolean)\nexport default {a: l[0]}",
        "import {b} from './json'\nexport default {a: b}",
        "import {b as c} from './common'\nexport default {a: c}",
    ],
)
def test_values_that_are_made_without_a_program(source: str) -> None:
    modules = {"json": '{"b": "b"}', "common": "module.exports = {b: 'b'}"}
    assert exported(source, **modules) == {"a": "b"}


def test_what_is_computed_in_a_filtered_list_stays() -> None:
    first, second = exported("export default [x && 'a', 'b'].filter(Boolean)")
    assert isinstance(first, Computed)
    assert second == "b"
    assert isinstance(exported("export default {a: ['b'].filter(own)}")["a"], Computed)
