"""Small files that would take endless time or memory are bounded, named and left out."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rag.errors import SourceError
from sites import Book, crawler, read_book
from sites.attributes import CurlyAttributes
from sites.book import READERS
from sites.crawler import read_site
from sites.fetch import Limits as CrawlLimits
from sites.files import Limits
from sites.front_matter import BadYaml, parse_yaml, split_front_matter
from sites.html_page import read_page
from sites.markdown import Dialect
from sites.report import Report
from sites.script import read_module
from sites.script_types import Computed
from sites.time_limit import TooSlow, page_time_limit
from tests.sites.test_root import INCLUDES, said, write
from tests.support.served_site import html, served


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Fail a test whose main thread works for longer than 20 s."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 20


# ---------------------------------------------------------------- YAML

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


CHAIN = "a0: &a0 [[[[[x]]]]]\n" + "".join(
    f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "repeat more than 5,000 values"),
        ("a: &a [" + "1," * 90 + "]\nb: [" + "*a," * 60 + "]", "repeat more than 5,000 values"),
        ("a: &a\n  b: *a", "what contains it"),
        ("a: &a [1, *a]", "what contains it"),
        ("*a : 1", "names nothing above it"),
        (CHAIN, "nested more than"),
        ("[" * 50_000, "nested more than"),
        ("{a: " * 50_000, "nested more than"),
        ("- " * 50_000 + "a", "nested more than"),
        ("? " * 50_000, "nested more than"),
        ("\n".join(" " * n + "a:" for n in range(300)), "nested more than"),
        ("a: " + "x" * 300_000, "longer than"),
        ("a: !!bool maybe", "not of its type"),
        ("a: !!timestamp soon", "not of its type"),
        ("a: !!int ''", "not of its type"),
        ("? [a]\n: b", "unhashable"),
        ("a: [", "expected"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_yaml_that_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadYaml, match=reason):
        parse_yaml(text)
    report = Report()
    meta, body = split_front_matter(f"---\n{text[:60_000]}\n---\nWords.", "a.md", report)
    if len(text) < 60_000:
        assert (meta, body) == ({}, "Words.")
        assert re.match(
            r"a\.md has broken front matter( in line \d+)? \(", report.problems[0].message
        )


def test_values_that_could_not_be_printed_or_stored() -> None:
    read = parse_yaml(f'a: {"9" * 5_000}\nb: 0x{"f" * 5_000}\nc: "\\ud800"\nd: "\\ud83d\\ude00"\n')
    assert str(read["a"]) + str(read["b"])
    repr(read).encode()
    assert read["d"] == "😀"
    dates = parse_yaml("a: 2020-99-99\nb: 2019-02-29 11:00:00\nc: 2019-02-28T25:00:00Z")
    assert list(dates.values()) == ["2020-99-99", "2019-02-29 11:00:00", "2019-02-28T25:00:00Z"]
    assert parse_yaml("a: 7\nb: 1.5\nc: yes\nd: !relative x\ne: 'y: &z'") == {
        "a": 7, "b": 1.5, "c": True, "d": "x", "e": "y: &z",
    }  # fmt: skip


def test_variables_of_the_environment_have_their_default_value() -> None:
    read = parse_yaml("a: !ENV A\nb: !ENV [A]\nc: !ENV [A, B, x]\nd: !ENV [A, false]")
    assert read == {"a": None, "b": None, "c": "x", "d": False}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a [1]\nb: [*a, *a]", {"a": [1], "b": [[1], [1]]}),
        ("a: &x y\nb: *x", {"a": "y", "b": "y"}),
        ("x: &d {a: 1}\ny:\n  <<: *d\n  b: 2", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
        ("? &k a\n: 1\n*k : 2", {"a": 2}),
    ],
)
def test_aliases_stand_for_what_they_name(text: str, value: object) -> None:
    assert parse_yaml(text) == value


def test_aliases_are_checked_in_linear_time() -> None:
    text = "a: &a {b: 1}\nc:\n" + "".join(f"- &n{n} [*a]\n" for n in range(1_600))
    assert len(parse_yaml(text)["c"]) == 1_600


def test_broken_configurations_are_named_and_the_pages_are_read(tmp_path: Path) -> None:
    for number, text in enumerate(
        [BOMB, "markdown_extensions: 5", "theme: [1]", "nav: {1: [2, {3: null}]}", "[" * 9_000,
         "markdown_extensions:\n- pymdownx.snippets: {base_path: []}"]
    ):  # fmt: skip
        files = {"mkdocs.yml": text, "docs/a.md": '# A\n\nWords.\n\n--8<-- "x"\n'}
        assert len(read_book(write(tmp_path / str(number), files)).pages) == 1
    for name in ("book.toml", "versions.json"):
        files = {name: "a = " * (name == "book.toml") + "[" * 100_000, "a.md": "Words."}
        generator = "mdbook" if name == "book.toml" else "docusaurus"
        files["docusaurus.config.js"] = ""
        assert read_book(write(tmp_path / name, files), generator=generator).pages


# ---------------------------------------------------------------- attribute lists

ITEMS = ['a="b"', "a='b'", 'a="b', ".c", "#d", "a=b", 'a="b"c', "  ", "\t", "{", "}", '"', "=", ":"]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("start", ["## x {", "`x`{", "## x {: ", "[x](y){"])
@pytest.mark.parametrize("end", ["", " !", "}", "{"])
def test_attribute_lists_take_linear_time(item: str, start: str, end: str) -> None:
    parser = Dialect().parser()
    started = time.process_time()
    for token in parser.parse(start + f"{item} " * 4_000 + end):
        if token.type == "inline":
            CurlyAttributes(ids_only=True).heading_id(token.children or [])
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("heading", "name", "words"),
    [
        ('Title {#a .b key="v w"}', "a", "Title"),
        ("Title {: #a }", "a", "Title"),
        ("Title {key='v w' #z}", "z", "Title"),
        ('Title {a="b"c #d}', "d", "Title"),
        ('Title {a="b #d}', "d", "Title"),
        ("Title {not a list}", "", "Title {not a list}"),
        ("Title {#a} more", "", "Title {#a} more"),
    ],
)
def test_attribute_lists_are_still_read(heading: str, name: str, words: str) -> None:
    (inline,) = Dialect().parser().parseInline(heading)
    assert inline.children
    assert CurlyAttributes(ids_only=True).heading_id(inline.children) == name
    assert inline.children[0].content == words


# ---------------------------------------------------------------- includes


def expect(read: Book, reason: str) -> None:
    assert "first words" in repr(read.pages)
    assert reason in said(read)


def book_of(tmp_path: Path, generator: str, files: dict[str, str]) -> Book:
    config = "docs_dir: .\nmarkdown_extensions:\n- pymdownx.snippets: {base_path: [book]}"
    pages = "".join(f"- [{name}]({name})\n" for name in files)
    own = {"mkdocs.yml": config} if generator == "mkdocs" else {"SUMMARY.md": pages}
    return read_book(write(tmp_path / "book", {**own, **files}), generator=generator)


def includes(generator: str, *names: str) -> str:
    """A page that includes files; imports come first in MDX."""
    if generator != "docusaurus":
        lines = [INCLUDES[generator].format(name) for name in names]
        return "\n\n".join(lines) + "\n\n# A\n\nfirst words\n"
    imports = "".join(f"import P{n} from './{name}';\n" for n, name in enumerate(names))
    return imports + "\n" + "".join(f"<P{n} />\n\n" for n in range(len(names))) + "first words\n"


@pytest.mark.parametrize("generator", INCLUDES)
def test_a_page_that_includes_itself(tmp_path: Path, generator: str) -> None:
    read = book_of(tmp_path, generator, {"a.md": includes(generator, *["a.md"] * 6)})
    expect(read, "a.md includes ")
    expect(read, "which includes itself")
    assert repr(read.pages).count("first words") == 1


@pytest.mark.parametrize("generator", INCLUDES)
def test_pages_that_include_each_other(tmp_path: Path, generator: str) -> None:
    names = ["a.md", "b.md", "c.md"]
    files = {name: includes(generator, *names * 3) for name in names}
    expect(book_of(tmp_path, generator, files), "which includes itself")


@pytest.mark.parametrize("generator", INCLUDES)
def test_a_tree_of_includes(tmp_path: Path, generator: str) -> None:
    files = {f"p{n}.md": includes(generator, *[f"p{n + 1}.md"] * 12) for n in range(5)}
    files["p5.md"] = "leaf\n"
    expect(book_of(tmp_path, generator, files), "is beyond the limit of 500 includes for a page")


@pytest.mark.parametrize("generator", INCLUDES)
def test_a_chain_of_includes(tmp_path: Path, generator: str) -> None:
    files = {f"p{n}.md": includes(generator, f"p{n + 1}.md") for n in range(12)}
    expect(book_of(tmp_path, generator, files), "is included more than 6 levels deep")


@pytest.mark.parametrize("generator", INCLUDES)
def test_the_characters_of_includes(tmp_path: Path, generator: str) -> None:
    big = ("big words " * 800 + "\n\n") * 40
    files = {"a.md": includes(generator, *["big.md"] * 9), "big.md": big}
    expect(book_of(tmp_path, generator, files), "limit of 1,000,000 included characters for a page")


def test_numbers_of_lines_that_are_no_numbers(tmp_path: Path) -> None:
    lines = [
        f"{{{{#include b.md:{n}}}}}" for n in ("9" * 5_000, "²:³", "1:" + "9" * 5_000, ":", "-1")
    ]
    files = {"a.md": "\n\n".join(lines) + "\n\nfirst words\n", "b.md": "B."}
    assert "first words" in repr(book_of(tmp_path, "mdbook", files).pages)
    line = f"<!--@include: ./b.md{{{'9' * 5_000},}}-->"
    assert "first words" in repr(
        book_of(
            tmp_path / "v", "vitepress", {"a.md": f"first words\n\n{line}\n", "b.md": "B."}
        ).pages
    )


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(includes=2), "limit of 2 includes for a page (MAX_INCLUDES)"),
        (Limits(include_depth=2), "more than 2 levels deep (MAX_INCLUDE_DEPTH)"),
        (Limits(included_characters=150), "limit of 150 included characters for a page (MAX_INCL"),
    ],
    ids=["count", "depth", "characters"],
)
def test_an_author_may_change_the_budget(tmp_path: Path, limits: Limits, reason: str) -> None:
    files = {f"p{n}.md": includes("mdbook", f"p{n + 1}.md", "x.md") for n in range(4)}
    files |= {"p4.md": "leaf\n", "x.md": "few words\n"}
    write(tmp_path, {"SUMMARY.md": "- [p](p0.md)\n", **files})
    assert reason not in said(read_book(tmp_path, generator="mdbook"))
    assert reason in said(read_book(tmp_path, generator="mdbook", limits=limits))


EXPRESSIONS = {
    "constants": ("export const a = '{long}';", "{a}"),
    "front matter": ("---\nx: {long}\n---", "{frontMatter.x}"),
    "raw files": ("import a from '!!raw-loader!./long.txt';", "{a}"),
    "raw files as code": ("import a from '!!raw-loader!./long.txt';", "<CodeBlock>{a}</CodeBlock>"),
    "attributes": ("export const a = '{long}';", "<Card title={a} />"),
    "labels": (
        "export const a = [{value: {}}, {value: 'x', label: '{long}'}];\n\n<Tabs values={a} />",
        '<TabItem value="x" />',
    ),
    "properties": ("import P from './_p.mdx';", '<P x="{long}" />'),
}


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_the_characters_of_expressions(tmp_path: Path, kind: str) -> None:
    """Each stands for a long text, so a short page could become as long as one likes."""
    above, line = (text.replace("{long}", "many words " * 800) for text in EXPRESSIONS[kind])
    page = f"{above}\n\n# A\n\nfirst words\n\n" + f"{line}\n\n" * 200
    files = {"docs/a.mdx": page, "docs/long.txt": "many words " * 800, "docs/_p.mdx": "{props.x}"}
    read = read_book(write(tmp_path, {"docusaurus.config.js": "", **files}))
    expect(read, "limit of 1,000,000 included characters for a page")
    assert len(repr(read.pages)) < 2_500_000


@pytest.mark.parametrize(
    ("above", "value"),
    [
        ("---\nx: {long}\n---", "{{ $frontmatter.x }}"),
        ("<script setup>\nconst x = '{long}'\n</script>", "{{ x }}"),
    ],
)
def test_the_characters_of_values_in_vitepress(tmp_path: Path, above: str, value: str) -> None:
    above = above.replace("{long}", "many words " * 800)
    page = f"{above}\n\n# A\n\nfirst words\n\n" + f"{value}\n\n" * 200
    read = read_book(write(tmp_path, {".vitepress/config.js": "", "a.md": page}))
    expect(read, "limit of 1,000,000 included characters for a page")
    assert len(repr(read.pages)) < 2_500_000


# ---------------------------------------------------------------- scripts

DOUBLED = {
    "lists": ("['x']", "[...{0}, ...{0}]"),
    "texts": ("'words'", "{0} + {0}"),
    "templates": ("'words'", "`${{{0}}}${{{0}}}`"),
    "paths": ("'words'", "path.join({0}, {0})"),
    "functions": ("() => ['x']", "() => [...{0}(), ...{0}()]"),
    "members": ("{a: ['x']}", "{{a: [...{0}.a, ...{0}.a]}}"),
    "shorthands": ("{a: 1}", "{{{0}, b: {{{0}}}}}"),
    "shared items": ("['a']", "[{{type: 'category', label: 'x', items: {0}}}, ...{0}, {0}]"),
}


@pytest.mark.parametrize("kind", DOUBLED)
@pytest.mark.parametrize("modules", [False, True], ids=["one file", "files"])
def test_names_of_a_script_that_double_each_other(tmp_path: Path, kind: str, modules: bool) -> None:
    first, twice = DOUBLED[kind]
    values = [first, *(twice.format(f"v{n}") for n in range(60))]
    lines = [f"const v{n} = {value};" for n, value in enumerate(values)]
    files = {"docs/a.md": "# A\n\nfirst words\n"}
    if modules:
        for n, line in enumerate(lines):
            files[f"m{n}.js"] = (
                f"import v{n - 1} from './m{n - 1}.js';\n{line} export default v{n};"
            )
        lines = ["import v60 from './m60.js';"]
    files["sidebars.js"] = "\n".join([*lines, "module.exports = {docs: v60, more: [v60]};"])
    files["docusaurus.config.js"] = (
        "\n".join(lines) + "\nmodule.exports = {title: v60, presets: [['classic', "
        "{docs: {sidebarPath: './sidebars.js', exclude: v60}}]], themeConfig: {navbar: v60}};"
    )
    assert "first words" in repr(read_book(write(tmp_path, files)).pages)


def test_values_of_a_script_do_not_nest_forever(tmp_path: Path) -> None:
    lines = ["const v0 = ['a'];", *(f"const v{n + 1} = [v{n}];" for n in range(9_000))]
    script = "\n".join([*lines, "module.exports = {title: v9000, docs: v9000};"])
    files = {"docusaurus.config.js": script, "sidebars.js": script, "docs/a.md": "# A\n\nwords\n"}
    assert read_book(write(tmp_path, files)).pages
    deep = read_module("\n".join([*lines[:301], "export default v300;"])).default
    levels = 0
    while isinstance(deep, list):
        deep, levels = deep[0], levels + 1
    assert levels < 150
    assert isinstance(deep, Computed)


def test_a_script_of_usual_size_is_read_whole() -> None:
    page = "{text: 'A page of the guide', link: '/guide/page'},\n"
    script = (
        f"const pages = [{page * 500}];\nexport default {{a: pages, b: [...pages], c: {{pages}}}};"
    )
    value = read_module(script).default
    assert len(value["a"]) == len(value["b"]) == len(value["c"]["pages"]) == 500


@pytest.mark.parametrize(
    "line",
    [
        ".".join(["a"] * 90_000) + " = 1",
        " . ".join(['"a b"'] * 60_000) + " = 1",
        "[" + ".".join(["a"] * 90_000) + "]",
        "x = {" + ".".join(["a"] * 90_000) + " = 1}",
    ],
    ids=["bare", "quoted", "table", "inline"],
)
def test_a_key_of_many_parts_in_toml(tmp_path: Path, line: str) -> None:
    files = {"book.toml": line, "src/SUMMARY.md": "- [A](a.md)\n", "src/a.md": "first words\n"}
    expect(read_book(write(tmp_path, files)), "book.toml is not valid TOML (a line has more than")


# ---------------------------------------------------------------- depth, characters

NESTED = {
    "lists": "\n".join("  " * n + f"- word{n}" for n in range(300)),
    "markers": "- " * 20_000 + "a",
    "numbers": "1. " * 15_000 + "a",
    "quotes": "> " * 20_000 + "a",
    "mixed": "> - " * 10_000 + "a",
    "deep quote of lists": "\n".join("> " * (n % 90) + "- " * 90 + "a" for n in range(250)),
    "html lists": "<div>\n" + "<ul><li>word" * 4_000,
    "html numbers": "<ol><li>word\n" * 4_000,
    "html code": "<ul>" * 4_000 + "<pre>" + "code\n" * 4_000,
    "boxes": "\n".join("    " * n + "!!! note" for n in range(300)),
    "tables": "<table>\n\nword\n\n" * 20_000,
    "notes": "".join(f"[^{n}]: " for n in range(4_000)),
}


@pytest.mark.parametrize("generator", ["plain", "mkdocs", "docusaurus", "html"])
@pytest.mark.parametrize("kind", NESTED)
def test_deep_nesting_stays_small(tmp_path: Path, generator: str, kind: str) -> None:
    text = NESTED[kind]
    name = "a.html" if generator == "html" else "a.md"
    read = read_book(
        write(tmp_path, {name: f"first words\n\n{text}\n", "b.md": "B.", "b.html": "<p>B"}),
        generator=generator,
    )
    assert any(page.source_path.startswith("b.") for page in read.pages)
    assert sum(len(block.text) for p in read.pages for s in p.sections for block in s.blocks) < (
        45 * (len(text) + 1_000)
    )


@pytest.mark.parametrize(
    "unit",
    ["[", "*", "<", "`", "_", "- ", "> ", "1. ", "    ", "# a\n", "~~~\n", "```\n", "!!! a\n",
     "<div>", "<a ", "<![CDATA[", "![", "[a](", "*[a]: b\n", '=== "a"\n', "\\(", "&", "\n", "a_ ",
     "e\u0301", "\u0301", "# \u0301\u0323\n", "/// note\n", "{: a='", "[^1]: "],
)  # fmt: skip
def test_a_megabyte_that_slows_python_markdown_is_read_or_named(tmp_path: Path, unit: str) -> None:
    extensions = "attr_list, admonition, md_in_html, footnotes, abbr, def_list, pymdownx.tabbed"
    more = "pymdownx.betterem, pymdownx.arithmatex, pymdownx.blocks.admonition, pymdownx.tilde"
    more += ", pymdownx.magiclink, pymdownx.smartsymbols, smarty"
    files = {
        "mkdocs.yml": f"markdown_extensions: [{extensions}, {more}]",
        "docs/b.md": "last words",
        "docs/a.md": "first words\n\n" + unit * (1_000_000 // len(unit)),
    }
    read = read_book(write(tmp_path, files), limits=Limits(page_seconds=1))
    assert "last words" in repr(read.pages)
    assert "first words" in repr(read.pages) or read.skipped == 1


@pytest.mark.parametrize("generator", READERS)
def test_a_book_has_so_many_characters(tmp_path: Path, generator: str) -> None:
    end = "html" if generator == "html" else "md"
    files = {f"p{n}.{end}": f"<p>Page {n}.</p>\n" for n in range(9)}
    files["SUMMARY.md"] = "".join(f"- [x](p{n}.md)\n" for n in range(9))
    limits = Limits(characters=60 if generator in ("html", "mkdocs", "vitepress") else 230)
    files = files if limits.characters > 60 else {k: v for k, v in files.items() if k[0] == "p"}
    read = read_book(write(tmp_path, files), generator=generator, limits=limits)
    assert 0 < len(read.pages) < 9
    reason = f"would make the book longer than {limits.characters} characters, so it was skipped"
    assert f"p8.{end} {reason}" in said(read)
    with pytest.raises(SourceError, match="longer than 3 characters"):
        read_book(tmp_path, generator=generator, limits=Limits(characters=3))


# ---------------------------------------------------------------- the clock


def test_the_clock_stops_python_and_regular_expressions() -> None:
    for work in (
        lambda: [None for _ in iter(int, 1)],
        lambda: re.match(r"(a+)+$", "a" * 40 + "b"),
    ):
        started = time.monotonic()
        with pytest.raises(TooSlow), page_time_limit(0.1):
            work()
        assert time.monotonic() - started < 5
    with page_time_limit(0.05):
        pass
    time.sleep(0.1)  # nothing rings afterwards


def test_the_clock_rings_again_if_a_parser_swallows_it() -> None:
    started = time.monotonic()

    def swallow() -> None:
        with suppress(TooSlow):
            while True:
                pass
        while True:
            pass

    with pytest.raises(TooSlow), page_time_limit(0.05):
        swallow()
    assert time.monotonic() - started < 10


def test_a_parser_that_catches_every_exception_is_stopped() -> None:
    def swallow() -> None:
        for _ in range(3):
            with suppress(Exception):
                while True:
                    pass

    started = time.monotonic()
    with pytest.raises(TooSlow), page_time_limit(0.05):
        swallow()
    assert time.monotonic() - started < 0.9


def test_another_thread_has_no_clock() -> None:
    done: list[bool] = []

    def work() -> None:
        with page_time_limit(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


@pytest.mark.parametrize("generator", READERS)
def test_a_slow_page_is_named_and_the_rest_is_read(
    tmp_path: Path, generator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = "html" if generator == "html" else "md"
    slow = f"slow.{end}"
    files = {slow: "slow", f"a.{end}": "<p>A.</p>", f"z.{end}": "<p>Z.</p>"}
    files["SUMMARY.md"] = "".join(f"- [x]({name})\n" for name in files)
    module = READERS[generator]
    name = "read_page" if generator == "html" else "site_path"
    actual = getattr(module, name)

    def sometimes_slow(*arguments: str) -> object:
        while any("slow" in argument for argument in arguments):
            pass
        return actual(*arguments)

    monkeypatch.setattr(module, name, sometimes_slow)
    read = read_book(write(tmp_path, files), generator=generator, limits=Limits(page_seconds=0.2))
    assert {f"a.{end}", f"z.{end}"} <= {page.source_path for page in read.pages}
    assert f"{slow} took longer than 0.2 s to parse, so it was skipped." in said(read)
    assert read.skipped >= 1


def test_a_page_that_breaks_a_parser_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: str) -> str:
        raise ValueError("no")

    write(tmp_path, {"a.md": "A."})
    monkeypatch.setattr(READERS["plain"], "site_path", broken)
    with pytest.raises(SourceError, match=r"a\.md could not be parsed \(ValueError\)"):
        read_book(tmp_path, generator="plain")


def test_a_page_of_a_live_site_that_breaks_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def sometimes_broken(text: str) -> object:
        if "broken" in text:
            raise RecursionError
        return read_page(text)

    monkeypatch.setattr(crawler, "read_page", sometimes_broken)
    pages = {
        "/": html("Start", "<p>words</p><a href='/a'>a</a><a href='/b'>b</a>"),
        "/a": html("A", "<p>broken</p>"),
        "/b": html("B", "<p>other words</p>"),
    }
    with served(pages) as site:
        limits = CrawlLimits(delay=0.0)
        book = asyncio.run(read_site(site.url, limits=limits, allow_private=True))
    assert [page.title for page in book.pages] == ["Start", "B"]
    assert "/a could not be parsed (RecursionError)." in said(book)


def test_a_slow_page_of_a_live_site(monkeypatch: pytest.MonkeyPatch) -> None:
    def sometimes_slow(text: str) -> object:
        while "slow" in text:
            pass
        return read_page(text)

    monkeypatch.setattr(crawler, "read_page", sometimes_slow)
    pages = {
        "/": html("Start", "<p>words</p><a href='/a'>a</a><a href='/b'>b</a>"),
        "/a": html("A", "<p>slow</p>"),
        "/b": html("B", "<p>other words</p>"),
    }
    with served(pages) as site:
        book = asyncio.run(
            read_site(site.url, limits=CrawlLimits(delay=0.0, page_seconds=0.2), allow_private=True)
        )
    assert [page.title for page in book.pages] == ["Start", "B"]
    assert "/a took longer than 0.2 s to parse." in said(book)


def test_only_time_of_the_cpu_counts() -> None:
    def compute() -> None:
        while True:
            pass

    with page_time_limit(0.1):
        time.sleep(0.4)
    with pytest.raises(TooSlow), page_time_limit(0.1):
        compute()
