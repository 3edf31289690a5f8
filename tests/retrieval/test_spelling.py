"""Typos, corrected by the words of passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models import Chunk, Passage
from rag.retrieval.spelling import MOST_WORDS, correct, corrected_word, edits

TEXT = (
    "The borrow checker, useSelector, thread and threads, Gandhi; configuration of reducers."
    " How to build a test, and just one demo of the list. Call an API over https. العلم عمل"
)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("borow", "borrow"),
        ("checkre", "checker"),
        ("usSelector", "useselector"),
        ("ghandi", "gandhi"),
        ("confguraton", "configuration"),
        ("thred", "thread"),
        ("thread", ""),  # not misspelt
        ("bread", ""),  # the first letter is right
        ("confuraton", ""),  # three slips
        ("thrad1", ""),
        ("hwo", "how"),
        ("tset", "test"),
        ("buld", "build"),
        ("jsut", "just"),
        ("Jsut", "just"),
        ("jst", ""),  # of three letters, one forgotten is too little to go by
        ("deno", ""),  # another letter makes another word of a short one
        ("lits", "list"),
        ("lsit", "list"),
        ("ltsi", ""),
        ("lisst", "list"),
        ("lit", ""),
        ("liss", ""),
        ("AIP", ""),  # an abbreviation
        ("HTTP", ""),
        ("علم", ""),  # another word, not a slip of عمل
        ("thr", ""),
        ("of", ""),
        ("risotto", ""),
        ("", ""),
    ],
)
def test_slips(word: str, meant: str) -> None:
    assert corrected_word(word, [TEXT]) == meant


def test_the_nearest_then_the_most_frequent_is_meant() -> None:
    assert corrected_word("stackss", ["stacks stacked stacks"]) == "stacks"
    assert corrected_word("boook", ["brook book", "book"]) == "book"
    assert corrected_word("catts", ["carts cants", "carts"]) == "carts"
    assert corrected_word("catts", []) == ""


def plain(a: str, b: str) -> int:
    """Optimal string alignment by its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    best = min(plain(a[1:], b) + 1, plain(a, b[1:]) + 1, plain(a[1:], b[1:]) + (a[0] != b[0]))
    if len(a) > 1 and len(b) > 1 and a[:2] == b[1::-1]:
        best = min(best, plain(a[2:], b[2:]) + 1)
    return best


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 4))
def test_edits_are_the_optimal_string_alignment(a: str, b: str, most: int) -> None:
    assert edits(a, b, most) == min(plain(a, b), most + 1)


def test_a_question_is_corrected_word_by_word() -> None:
    passages = [Passage(Chunk("c", TEXT, "Testing", "Build a list", "", "", 0), 0.1)]
    assert correct("hwo to buld a Lsit?", passages) == "how to build a list?"
    assert correct("how to build a list?", passages) == ""
    assert correct("builds tests", passages) == "", "other forms of the same words"
    assert correct("", passages) == correct("tset", []) == ""
    many = [f"unk{a}{b}own" for a in "bcdfgh" for b in "jkmnp"]
    assert correct(f"{' '.join(many)} tset", passages) == "", "a long question has other words"
    assert correct(f"{' '.join(many[: MOST_WORDS - 1])} tset", passages).endswith(" test")
    assert correct("tsetting (tset) tset_a", passages) == "tsetting (test) tset_a"
