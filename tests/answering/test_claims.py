"""Markers of a finished answer, and what each stands behind."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.claims import find_markers


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", []),
        ("No marker at all.", []),
        ("Cats sleep [1]. Dogs bark [2].", [(1, "Cats sleep"), (2, "Dogs bark")]),
        ("Cats [2] sleep [1] and [2] purr.", [(2, "Cats"), (1, "sleep"), (2, "and")]),
        ("Cats sleep. [12]", [(12, "Cats sleep")]),
        ("Both say so [1][2].", [(1, "Both say so"), (2, "Both say so")]),
        (
            "Both say so [1], [2] and more [3].",
            [(1, "Both say so"), (2, "Both say so"), (3, "and more")],
        ),
        ("Two\nlines [1]", [(1, "Two lines")]),
        ("Two  \nlines [1]", [(1, "Two lines")]),
        ("One.\n\nTwo [1]", [(1, "Two")]),
        ("**Bold** and *thin* [1]", [(1, "Bold and thin")]),
        ("# Heading [1]\n\nText", [(1, "Heading")]),
        ("~~Not~~ this [1]", [(1, "Not this")]),
        ("Run `make[1] x` now [2]", [(2, "Run make[1] x now")]),
        ("Run `x` twice [1] then [2]", [(1, "Run x twice"), (2, "then")]),
        ("Run ``a ` [1]`` [2]", [(2, "Run a ` [1]")]),
        ("[See here](https://b.dev/[1]) [2]", [(2, "See here")]),
        ("Not \\[1] but [2]", [(2, "Not [1] but")]),
        ("Nor \\\\[1]", [(1, "Nor \\")]),
        ("Nor &#91;1] but [2]", [(2, "Nor [1] but")]),
        ("[1]", [(1, "")]),
        ("- One [1]\n- Two [2]\n  - Three [3]", [(1, "One"), (2, "Two"), (3, "Three")]),
        ("> Quoted [1]", [(1, "Quoted")]),
        ("[1000] [a] [] [1 ] (1)", []),
    ],
)
def test_markers_with_the_words_before_them(message: str, expected: list[tuple[int, str]]) -> None:
    assert find_markers(message) == expected


def test_code_holds_no_markers_and_a_marker_behind_it_stands_for_the_words_before() -> None:
    message = "Run this:\n\n```sh\na[1]\n```\n\n[2]\n\n    b[1]\n\nThen wait [3]."
    assert find_markers(message) == [(2, "Run this"), (3, "Then wait")]


def test_each_cell_of_a_table_is_a_claim() -> None:
    table = "| key [1] | value |\n| --- | --- |\n| a | it is b [2] |\n| `c[1]` | [3] |"
    assert find_markers(table) == [(1, "key"), (2, "it is b"), (3, "c[1]")]


def test_a_marker_is_never_read_as_a_definition() -> None:
    assert find_markers("[1]: https://b.dev\n\nText [1]") == [(1, ""), (1, "Text")]
    assert find_markers("Text [1][2]\n\n[2]: /x") == [(1, "Text"), (2, "Text"), (2, "Text")]


@pytest.mark.parametrize("html", ["<!-- open", "<script>", "<pre", "<?php", "<!X", "<div>"])
def test_no_html_hides_a_marker(html: str) -> None:
    message = f"One [1].\n\n{html}\n\nTwo [2].\n\n- {html}\n  Three [3]"
    assert [marker.number for marker in find_markers(message)] == [1, 2, 3]


@given(st.lists(st.tuples(st.sampled_from(["Cats sleep", "Dogs", "a `b` c"]), st.integers(1, 99))))
def test_every_marker_comes_in_its_order(said: list[tuple[str, int]]) -> None:
    message = "\n\n".join(f"{words} [{n}]." for words, n in said)
    assert find_markers(message) == [(n, words.replace("`", "")) for words, n in said]


@pytest.mark.parametrize("unit", ["[", "[1", "[1]", "]", "![", "[a](", "`", "*a ", "> ", "- "])
def test_a_message_of_signs_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        message = ("x" + unit * length)[:length]
        best = 9.0
        for _ in range(3):
            begin = time.thread_time()
            find_markers(message)
            best = min(best, time.thread_time() - begin)
        return best

    assert seconds(8000) < 8 * seconds(2000) + 0.02
