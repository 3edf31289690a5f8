"""Converting Markdown to the blocks that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.models import Block, Page
from sites import read_book
from sites.markdown import read_markdown
from sites.plain import DIALECT

HEAD = "| a | b |\n| --- | --- |"
PARSER = DIALECT.parser()


def blocks(text: str) -> list[tuple[str, str]]:
    document = read_markdown(text, DIALECT, PARSER, "T")
    return [(block.kind, block.text) for s in document.sections for block in s.blocks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a *b* **c** ~~d~~ [e](f) `g` <kbd>h</kbd>", [("paragraph", "a b c d e `g` h")]),
        ("a\nb  \nc", [("paragraph", "a b\nc")]),
        ("![alt text](x.png)", [("paragraph", "alt text")]),
        ("![](x.png)", []),
        ("a<br>b <!-- no --> c &amp; d", [("paragraph", "a\nb c & d")]),
        ("``a ` b``", [("paragraph", "``a ` b``")]),
        ("- a\n- b\n  - c\n\n    d\n- e", [("list", "- a\n- b\n  - c\n\n    d\n- e")]),
        ("3. a\n4. b", [("list", "3. a\n4. b")]),
        ("- a\n\n  ```sh\n  b\n  ```", [("list", "- a\n  ```sh\n  b\n  ```")]),
        ("2<sup>n</sup> and 2<sup>n - 1</sup>", [("paragraph", "2^n and 2^(n - 1)")]),
        ("New <sup class='badge' data-text='1' />", [("paragraph", "New")]),
        ("b\n\nA<sup/>", [("paragraph", "b"), ("paragraph", "A")]),
        ("- [x] done", [("list", "- [x] done")]),
        ("|a|b|\n|-|-|\n|c<br>d|e<br />f|", [("table", f"{HEAD}\n| c d | e f |")]),
        ("|a|b|\n|-|:-:|\n|c \\| d|`e`|", [("table", f"{HEAD}\n| c \\| d | `e` |")]),
        ("```js {1} title=x\na\n\nb\n```", [("code", "```js\na\n\nb\n```")]),
        ("    indented\n      more", [("code", "```\nindented\n  more\n```")]),
        ("````md\n```\na\n```\n````", [("code", "````md\n```\na\n```\n````")]),
        ("```\n\n```", []),
        ("> quote\n>\n> more", [("paragraph", "quote"), ("paragraph", "more")]),
        ("text[^1]\n\n[^1]: The note.", [("paragraph", "text"), ("paragraph", "The note.")]),
        ("[a](b) | [c](d)", [("links", "a | c")]),
        ("- [a](b)\n- [c](d)", [("links", "- a\n- c")]),
        ("- [a](#b)\n- [c](#d)", [("links", "- a\n- c")]),
        ("- [A b](#b)\n  1. [`C`!](#d)\n\n# a B\n\n## C\n", []),
        ("- [A](#a)\n- [C D](#c)\n\n# A\n\n## C\n", [("links", "- A\n- C D")]),
        ("- [a](b): text", [("list", "- a: text")]),
        (":::note Title\ntext\n:::", [("paragraph", "Title"), ("paragraph", "text")]),
        ("<p>a <b>b</b></p><ul><li>c<li>d</ul>", [("paragraph", "a b"), ("list", "- c\n- d")]),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>", [("table", f"{HEAD}\n| c | d |")]),
        (
            "<table>\n<tr><th>a</th><th>\n\nb\n\n</th></tr>\n<tr><td>\n\nc\n\n- <b>*d*</b>\n\n"
            "</td>\n\n<td>`e` &lt;f></td></tr></table>\n\ng",
            [("table", f"{HEAD}\n| c d | `e` <f> |"), ("paragraph", "g")],
        ),
        (
            "<table>\n\n|a|b|\n|-|-|\n|c|d|\n\n</table>",
            [("table", f"{HEAD}\n| c | d |")],
        ),
        (
            "<table><tr><td>\n\n```c\na\n```\n\n</td></tr></table>\n\nb",
            [("code", "```c\na\n```"), ("paragraph", "b")],
        ),
        ("<table>\n<tr><td>\n\na\n\nb", [("paragraph", "a"), ("paragraph", "b")]),
        ('<pre><code class="language-c">a\n b</code></pre>', [("code", "```c\na\n b\n```")]),
        ("<script>no</script>\n\na", [("paragraph", "a")]),
        (
            "<details><summary>M</summary>\n\na\n</details>",
            [("paragraph", "M"), ("paragraph", "a")],
        ),
        ("مرحبا **بالعالم**", [("paragraph", "مرحبا بالعالم")]),
    ],
)
def test_blocks(text: str, expected: list[tuple[str, str]]) -> None:
    assert blocks(text) == expected


def test_sections() -> None:
    text = "before\n\n# T\n\n## A `x`\n\na\n\n#### B\n\n> ### C\n> c\n\nb\n\n## A x\n"
    document = read_markdown(text, DIALECT, PARSER, "Given")
    assert document.title == "Given"
    assert [(s.heading, s.level, s.anchor, s.heading_path) for s in document.sections] == [
        ("Given", 1, "", ()),
        ("T", 1, "t", ("T",)),
        ("A x", 2, "a-x", ("T", "A x")),
        ("B", 4, "b", ("T", "A x", "B")),
        ("C", 3, "c", ("T", "A x", "C")),
        ("B", 4, "b", ("T", "A x", "B")),
        ("A x", 2, "a-x-1", ("T", "A x")),
    ]


def test_title_is_the_first_heading_and_not_in_the_path() -> None:
    document = read_markdown("# The *title*\n\na\n\n## B\n\nb", DIALECT, PARSER)
    assert document.title == "The title"
    assert [s.heading_path for s in document.sections] == [(), ("B",)]


@pytest.mark.parametrize(
    ("text", "title", "paths"),
    [
        ("```js\nx\n```\n\n# The *title*\n\n## B", "The title", [(), (), ("B",)]),
        ("a\n\n## B\n\n# C\n\n# D", "C", [(), ("B",), (), ("D",)]),
        ("a\n\n## B", "fallback", [(), ("B",)]),
    ],
)
def test_a_title_below_other_text(text: str, title: str, paths: list[tuple[str, ...]]) -> None:
    document = read_markdown(text, DIALECT, PARSER, fallback="fallback")
    assert document.title == title
    assert [section.heading_path for section in document.sections] == paths


def test_a_first_heading_equal_to_the_title_is_not_in_the_path() -> None:
    text = "## Appendix B: Two Words\n\na\n\n### C\n\nc"
    document = read_markdown(text, DIALECT, PARSER, "B - Two words")
    assert [s.heading_path for s in document.sections] == [(), ("C",)]
    document = read_markdown("## Why Redux\n\na", DIALECT, PARSER, "Redux")
    assert document.sections[0].heading_path == ("Why Redux",)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def test_mdbook(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "book.toml": '[book]\ntitle = "My book"\nlanguage = "de"\nsrc = "text"\n',
            "text/SUMMARY.md": "# Summary\n\n[Preface](README.md)\n\n- [One `x`](ch1/one.md)\n"
            "  - [Two](./ch1/two%20b.md)\n  - [Draft]()\n- [One again](ch1/one.md#part)\n"
            "- [Out](../../outside.md)\n- [Missing](gone.md)\n",
            "text/README.md": "# Hello\n\nHi.",
            "text/ch1/one.md": "## One `x`\n\n> ### A -- B\n>\n> quoted\n\nback\n\n"
            "```rust\n# hidden\nfn main() {}\n## shown\n```\n\n"
            "```rust\n{{#include ../../code/a.rs:part}}\n```\n\n{{#include ../gone.rs}}\n\n"
            "{{#include /etc/passwd}}\n\n"
            '<Listing number="1-1" file-name="a.rs" caption="Some `code`">\n\n```c\nx\n```\n\n'
            "</Listing>\n\n## Own { #mine .big }\n\n## own\n\n### Own\n",
            "text/ch1/two b.md": "text",
            "text/unlisted.md": "no",
            "code/a.rs": "no\n// ANCHOR: part\nyes();\n// ANCHOR_END: part\nno\n",
        },
    )
    book = read_book(tmp_path)
    assert (book.generator, book.title, book.language) == ("mdbook", "My book", "de")
    assert [(page.slug, page.title) for page in book.pages] == [
        ("index.html", "Preface"),
        ("ch1/one.html", "One x"),
        ("ch1/two b.html", "Two"),
    ]
    one = book.pages[1]
    assert [(s.heading, s.anchor, s.heading_path) for s in one.sections] == [
        ("One x", "one-x", ()),
        ("A -- B", "a--b", ("A -- B",)),
        ("One x", "one-x", ()),
        ("Own", "mine", ("Own",)),
        ("own", "own", ("own",)),
        ("Own", "own-1", ("own", "Own")),
    ]
    assert [block.text for block in one.sections[2].blocks] == [
        "back",
        "```rust\nfn main() {}\n# shown\n```",
        "```rust\nyes();\n```",
        "Listing 1-1 (a.rs): Some `code`",
        "```c\nx\n```",
    ]
    # Of the page an include from outside the book and, as a loss, one that does not exist.
    named = [problem.source_path for problem in book.problems]
    assert named == ["ch1/one.md", "../../outside.md", "gone.md", "ch1/one.md:19"]
    assert [loss.detail for loss in book.losses] == ["../gone.rs"]


def page(folder: Path, source_path: str) -> Page:
    return next(p for p in read_book(folder).pages if p.source_path == source_path)


def test_mkdocs_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "mkdocs.yml": "site_name: X\n"
            "markdown_extensions: [attr_list, admonition, pymdownx.tabbed]\n"
            "custom: !!python/object/apply:os.system ['touch hacked']\n"
            "other: !ENV [A, b]\nuse_directory_urls: false\n",
            "docs/a.md": '!!! note "Look"\n    Inside *it*.\n\n    ```sh\n    run\n    ```\n\n'
            '=== "Tab"\n\n    In tab.\n\n*After*{: .x } and [link](b){ .button }.\n',
        },
    )
    found = page(tmp_path, "a.md")
    assert found.slug == "a.html"
    assert list(found.sections[0].blocks) == [
        Block("paragraph", "Look"),
        Block("paragraph", "Inside it."),
        Block("code", "```sh\nrun\n```"),
        Block("paragraph", "Tab"),
        Block("paragraph", "In tab."),
        Block("paragraph", "After and link."),
    ]
    assert not (tmp_path / "hacked").exists()


def test_tags_in_a_huge_paragraph_are_not_text() -> None:
    text = "Say <b>x</b> if a < b.\n" + f"<i data-x='{'y' * 200}'>" * 100 + " end\n"
    (section,) = read_markdown(text, DIALECT, DIALECT.parser()).sections
    assert [" ".join(block.text.split()) for block in section.blocks] == ["Say x if a < b. end"]
