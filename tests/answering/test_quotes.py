"""Blocks of Markdown: whole, in order, cut where a reader can bear it, and safe to quote."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.answering.citation_filter import CitationFilter, renumber
from rag.answering.claims import find_markers
from rag.answering.quotes import (
    QuotedBlock,
    blocks_around,
    escape_markdown,
    escape_markers,
    markdown_link,
    parse_blocks,
)

PAGE = """\
Before you begin.
Two lines.

## Steps

1. Open it:

   ```sh
   open it  # [1]
   ```

   Then wait. It opens.

   - a nested item
2. Close it.

| key | value |
| --- | --- |
| a | b |

> Quoted text.
> More of it.

<div>
as it is
</div>

```py
x = a[1]

y = 2
```
"""


def kinds(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text.split("\n")[0]) for block in parse_blocks(text)]


def test_each_block_is_whole_and_in_order() -> None:
    assert kinds(PAGE) == [
        ("paragraph", "Before you begin."),
        ("heading", "## Steps"),
        ("other", "1. Open it:"),
        ("other", "| key | value |"),
        ("other", "> Quoted text."),
        ("other", "<div>"),
        ("other", "```py"),
    ]
    assert "\n\n".join(block.text for block in parse_blocks(PAGE)) == PAGE.rstrip("\n")


def test_sentences_know_the_last_line_of_their_paragraph() -> None:
    before, _, steps, table, quote, *rest = parse_blocks(PAGE)
    assert before.sentences == (("Before you begin.", 1), ("Two lines.", 1))
    assert steps.sentences == (
        ("Open it:", 0),
        ("Then wait.", 6),
        ("It opens.", 6),
        ("a nested item", 8),
        ("Close it.", 9),
    )
    assert quote.sentences == (("Quoted text.", 1), ("More of it.", 1))
    assert [block.sentences for block in (table, *rest)] == [()] * 3


def test_blocks_know_where_they_begin() -> None:
    lines = PAGE.split("\n")
    for block in parse_blocks(PAGE):
        assert lines[block.line] == block.text.split("\n")[0]


def test_what_looks_like_a_definition_is_kept() -> None:
    """A chunk holds what the page shows, and a page does not show the definitions of links."""
    assert kinds("[a]: b\n[^1]: A note.\n\nText.") == [
        ("paragraph", "[a]: b"),
        ("paragraph", "Text."),
    ]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_a_text_of_nothing_has_no_blocks(text: str) -> None:
    assert parse_blocks(text) == []


def test_lines_may_end_as_on_windows() -> None:
    assert [block.text for block in parse_blocks("One.\r\nTwo.\r\n\r\n- a\r- b")] == [
        "One.\nTwo.",
        "- a\n- b",
    ]


def test_a_fence_that_is_never_closed_is_one_block() -> None:
    assert kinds("Text.\n\n```sh\na\n\n# b\n\nc") == [("paragraph", "Text."), ("other", "```sh")]


MARKUP = """\
# One
Title
===
- item
  - inner
  more
1. first

    indented
```
~~~py
---
| a | b |
| --- | --- |
> quote
> - inner
<div>
</div>
<!--
-->
[a]: b
[^1]: note
[1]
Words. And words:
a `[1]` b

""".splitlines()
LINES = st.one_of(st.sampled_from(MARKUP), st.text("ab. \t-`*[1]|>#\\é漢", max_size=30))
TEXTS = st.lists(LINES, max_size=20).map("\n".join)


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_line_of_any_markdown_is_lost_or_moved(text: str) -> None:
    found = parse_blocks(text)
    assert lines_of("\n\n".join(block.text for block in found)) == lines_of(text)
    for block in found:
        for sentence in block.sentences:
            assert 0 <= sentence.line <= block.text.count("\n")


# ---------------------------------------------------------------- shortening

BLOCKS = st.lists(
    st.tuples(st.sampled_from(["heading", "paragraph", "lead", "other"]), st.integers(10, 120)).map(
        lambda made: QuotedBlock(
            "x" * (made[1] - 1) + (":" if made[0] == "lead" else "."),
            "paragraph" if made[0] == "lead" else made[0],  # type: ignore[arg-type]
        )
    ),
    min_size=1,
    max_size=12,
)


def size(shown: list[QuotedBlock]) -> int:
    return sum(len(block.text) for block in shown)


@given(BLOCKS, st.integers(0, 400))
def test_a_beginning_fits_and_does_not_end_with_what_leads_on(
    whole: list[QuotedBlock], room: int
) -> None:
    shown = blocks_around(whole, 0, room)
    assert shown == whole[: len(shown)]
    assert len(shown) == 1 or size(shown) <= room
    assert len(shown) in (1, len(whole)) or not shown[-1].leads_in
    assert shown == whole or size(whole) > room
    longer = whole[: len(shown) + 1]
    if size(longer) <= room and len(longer) > len(shown):
        assert longer[-1].leads_in, "no more was left out than had to be"


@given(BLOCKS, st.data(), st.integers(0, 400))
def test_what_stands_around_a_block_fits_and_holds_it(
    whole: list[QuotedBlock], data: st.DataObject, room: int
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    shown = blocks_around(whole, at, room)
    first = next(n for n in range(len(whole)) if whole[n] is shown[0])
    last = first + len(shown) - 1
    assert all(a is b for a, b in zip(shown, whole[first:], strict=False))
    assert first <= at <= last
    led = at > 0 and whole[at].kind == "other" and whole[at - 1].kind == "paragraph"
    least = whole[at - led : at + 1]
    assert size(shown) <= max(room, size(least))
    assert last in (at, len(whole) - 1) or not shown[-1].leads_in
    assert not led or first < at, "a list stays with the paragraph before it"
    assert first in (0, at) or whole[first].kind != "other", "none without what leads to it"


def test_following_blocks_go_before_preceding_ones() -> None:
    whole = [QuotedBlock(letter * 10, "paragraph") for letter in "abcde"]
    assert blocks_around(whole, 2, 30) == whole[2:5]
    assert blocks_around(whole, 2, 40) == whole[1:5]
    assert blocks_around(whole, 4, 30) == whole[2:5]
    assert blocks_around(whole, 2, 0) == [whole[2]]


@pytest.mark.parametrize("text", ["Run this:", "Run **this:**", "_Run this:_", "次のとおり："])
def test_a_paragraph_with_a_colon_introduces(text: str) -> None:
    assert QuotedBlock(text, "paragraph").leads_in
    assert not QuotedBlock("Run this.", "paragraph").leads_in
    assert QuotedBlock("# Run", "heading").leads_in


# ---------------------------------------------------------------- escaping


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("As in [1] and [1][2].", "As in \\[1] and \\[1]\\[2]."),
        ("[^1], [1, 2], [ 3 ], [1-2]", "\\[^1], \\[1, 2], \\[ 3 ], \\[1-2]"),
        ("[[1]] and [1](x) and ([1])", "[\\[1]] and \\[1](x) and (\\[1])"),
        ("[1]: note", "\\[1]: note"),
        ("a[1] and [a] and [] and (1)", "a\\[1] and [a] and [] and (1)"),
        ("\\[1] \\\\[1] \\\\\\[1]", "\\[1] \\\\\\[1] \\\\\\[1]"),
        ("【1】 and ［2］", "&#12304;1】 and &#65339;2］"),
        ("`a[1]` ``b ` [1]`` [1]", "`a[1]` ``b ` [1]`` \\[1]"),
        ("a ` b [1]", "a ` b \\[1]"),
        ("`` a ` [1] ` b", "`` a ` [1] ` b"),
        ("\\`[1]`", "\\`\\[1]`"),
        ("`\\` [1]`", "`\\` \\[1]`"),
        ("```sh [1]\na[1]\n```\n[1]", "```sh [1]\na[1]\n```\n\\[1]"),
        ("~~~\n```\n[1]\n~~~~\n[1]", "~~~\n```\n[1]\n~~~~\n\\[1]"),
        ("````\n```\n[1]\n````\n[1]", "````\n```\n[1]\n````\n\\[1]"),
        ("- ```\n  a[1]\n  ```\n- [1]", "- ```\n  a[1]\n  ```\n- \\[1]"),
        ("> ```\n> [1]\n> ```\n[1]", "> ```\n> [1]\n> ```\n\\[1]"),
        ("```a``` [1]\n[1]", "```a``` \\[1]\n\\[1]"),
        ("| [1] | `[1]` |", "| \\[1] | `[1]` |"),
        ("[1](a```b```)", "\\[1](a\\`\\`\\`b\\`\\`\\`)"),
        ("", ""),
    ],
)
def test_the_authors_own_markers_are_escaped_but_for_code(text: str, shown: str) -> None:
    assert escape_markers(text) == shown


@pytest.mark.parametrize(
    ("text", "end"),
    [("```sh\na", "```"), ("1. ~~~~\n   a", "   ~~~~"), ("> ```\n> a", "> ```")],
)
def test_a_fence_that_is_never_closed_is_closed(text: str, end: str) -> None:
    assert escape_markers(text) == f"{text}\n{end}"
    assert find_markers(f"{escape_markers(text)}\n\nBehind it [1]") == [(1, "Behind it")]


MARKERS = "[1] [1][2] [^1] [1-3] [1](x) [[1]] [1]: 【1】 ［2］ [1†a] \\[1] \\\\[1] `a[1]` a[1]"
SIGNS = "word ` `` a```b``` \\ \\` ( ) [ ] [a] (1) 1 , : ~~~"
PIECES = st.sampled_from(
    [*MARKERS.split(), *SIGNS.split(), "[ 2 ]", "[1, 2]", "``[1] ` [2]``", "Two words."]
)
PROSE = (
    st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), min_size=1, max_size=8)
    .map(lambda pieces: "".join(piece + space for piece, space in pieces).strip())
    .filter(lambda text: not text.startswith(("```", "~~~")))
)
CODE = st.lists(st.sampled_from(["a[1]", "", "# [2]", "  `b", "[^1]"]), max_size=4).map(
    lambda lines: "\n".join(["```sh", *lines, "```"])
)
QUOTED = st.one_of(
    PROSE,
    CODE,
    st.lists(PROSE, min_size=1, max_size=3).map(lambda items: "\n".join(f"- {i}" for i in items)),
    CODE.map(lambda code: "- item\n\n" + "\n".join(f"  {line}" for line in code.split("\n"))),
)


def page_shows(markdown: str, links: bool = True) -> str:
    """The words and code that a page makes of Markdown, without `links` as if there were none."""
    without = ["reference"] if links else ["reference", "link", "image"]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable(without)
    found = []
    for token in parser.parse(markdown):
        inner = token.children if token.type == "inline" else [token]
        found += ["\n" if t.type == "softbreak" else t.content for t in inner or ()]
    return "".join(found)


ADDRESS_WITH_TICKS = re.compile(r"\]\(\S*`")


def through(message: str, count: int) -> str:
    """A message as a reader gets it: checked while it streams, then numbered anew."""
    citations = CitationFilter(count)
    checked = "".join(map(citations.feed, message)) + citations.flush()
    order = {old: new for new, old in enumerate(sorted(citations.cited), 1)}
    return renumber(checked, order)


@settings(max_examples=300, deadline=None)
@given(st.lists(QUOTED, min_size=1, max_size=4))
def test_a_quotation_reaches_the_reader_as_the_author_wrote_it(texts: list[str]) -> None:
    """Nothing of it is taken for a marker, and nothing of it hides our own.

    Backticks in the address of a link are left out: only without the link, they make code.
    """
    assume(not any(ADDRESS_WITH_TICKS.search(text) for text in texts))
    quoted = [escape_markers(text) for text in texts]
    message = "\n\n".join(f"{text}\n\nSo it is. [{n}]" for n, text in enumerate(quoted, 1))
    assert through(message, len(texts)) == message
    assert [marker.number for marker in find_markers(message)] == [*range(1, len(texts) + 1)]
    for text, safe in zip(texts, quoted, strict=True):
        assert page_shows(safe, links=False) == page_shows(text, links=False)


LAYOUT = st.sampled_from(
    [
        *(*MARKERS.split(), *SIGNS.split(), "\n", "\n\n", " ", "    ", "- ", "> ", "1. ", "\t"),
        *("- - ", "|", "<b>", "</b>", "<div>", "-->", "```", "&", "<", "!", "*", "_"),
        *("[1][2]", "<a title='`'>", "[x](a`b)"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(LAYOUT, min_size=1, max_size=14).map("".join))
@example(text="- ~~~\nword")
@example(text="> ~~~\nword")
@example(text="1. ```\n   code\n\n   code\nword [1]")
def test_no_layout_turns_the_authors_brackets_into_citations(text: str) -> None:
    message = f"{escape_markers(text)}\n\nSo it is. [1]"
    assert through(message, 9) == message
    assert [marker.number for marker in find_markers(message)] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "    ```\nSee [1][2].",  # indented code, not a fence
        "<!-- x\n~~~-->\n[1][2]",  # a comment
        "- ```py\ntext [1]",  # the end of the item ends its fence
        "`a\nb` see [1] `c`",  # inline code over two lines
        "<a title='`'> [1][2] `",  # a backtick in markup
        "[x](a`b) [1] `",  # a backtick in an address
        "- - ```py\n    x = [1]\n    ```\n[2]",  # a fence in two lists
    ],
)
def test_what_parsers_read_differently_has_no_citations(text: str) -> None:
    message = f"{escape_markers(text)}\n\nSo it is. [1]"
    assert through(message, 9) == message
    assert [marker.number for marker in find_markers(message)] == [1]


@pytest.mark.parametrize(
    "text", ["a ` b \\[1]", "`` a ` [1] ` b", "a \\` b `[1]` c", "\\\\`[1]`", "`\\` \\[1]"]
)
def test_what_is_inline_code_is_left_alone_by_the_filter_too(text: str) -> None:
    assert escape_markers(text) == through(text, 3) == text


def test_a_marker_is_put_at_the_end_of_its_line() -> None:
    block = QuotedBlock("- a\n- b\n- c", "other")
    assert block.with_marker("[2]", 1) == "- a\n- b [2]\n- c"


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    "title", ["404", "1984", "3.11", "[1]", "1 › 2", "2 + 2", "#", "١", "1, 2"]
)
def test_a_title_without_a_letter_is_no_citation(title: str) -> None:
    shown = markdown_link(title, "https://b.dev/x")
    assert page_shows(shown) == f"“{title}”"
    assert through(f"**{shown}** Text. [1]", 1) == f"**{shown}** Text. [1]"
    assert [marker.number for marker in find_markers(f"{shown} [1]")] == [1]


@pytest.mark.parametrize(
    "title", ["Map[K, V]", "`code`", "**bold** _x_", "a_b_c", "Vec<T> & &lt;", "~~no~~", "C:\\d"]
)
def test_a_title_is_shown_sign_by_sign(title: str) -> None:
    shown = markdown_link(title, "https://b.dev/x")
    assert not re.search(r"(?<!\\)[*_`<>&~]", shown)
    assert page_shows(shown) == title
    assert through(shown, 3) == shown


def test_a_link_keeps_its_address_whole() -> None:
    assert markdown_link("A \n b", "https://b.dev/a(b)") == "[A b](https://b.dev/a%28b%29)"


@pytest.mark.parametrize("title", ["1. Install", "2) Run", "# Top", "## Sub", "- x", "+ y"])
def test_a_title_begins_no_block(title: str) -> None:
    assert [block.kind for block in parse_blocks(escape_markdown(title))] == ["paragraph"]
    assert page_shows(escape_markdown(title)) == title


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    "unit",
    [
        "`",
        "a`",
        "` ",
        "`` ` ",
        "[",
        "[1",
        "[1]",
        "\\",
        "【1",
        "~",
        "* ",
        "> ",
        "- ",
        "|",
        "<",
        "a ",
    ],
)
def test_no_text_takes_long(unit: str) -> None:
    text = "x" + unit * (20_000 // len(unit))
    begin = time.thread_time()
    escape_markers(text)
    escape_markdown(text)
    assert time.thread_time() - begin < 0.5
    begin = time.thread_time()
    parse_blocks(text[:1500])
    assert time.thread_time() - begin < 0.5
