"""A highlighted text, found again among the passages."""

from __future__ import annotations

from time import process_time
from timeit import timeit

import pytest

from rag.models import Chunk, Passage, SearchResult
from rag.retrieval.highlighted import (
    MAX_SEARCHED,
    MAX_SELECTION,
    put_highlighted_first,
    searchable_selection,
)

TEXTS = (
    "Cats sleep most of the day. They like warm places, and they come when it rains.",
    "To install the server, run the `setup` program with **all** its options:\n\n"
    "- a name for the server\n- a port that is *free*\n\nIt takes a minute.",
    "The first version was written in winter and was published in spring, on paper.",
)


def found(*texts: str) -> SearchResult:
    passages = (
        Passage(Chunk(f"id-{n}", text, "Title", "", f"p{n}", "p.md", n), 0.9 - n / 10)
        for n, text in enumerate(texts or TEXTS)
    )
    return SearchResult(tuple(passages), "nearest")


def order(highlighted: str, *texts: str) -> list[int]:
    return [
        int(p.chunk.chunk_id[3:])
        for p in put_highlighted_first(found(*texts), highlighted).passages
    ]


@pytest.mark.parametrize(
    "highlighted",
    [
        "written in winter and was published in spring",
        "WRITTEN IN WINTER and was published in spring",
        "written\n\n  in\twinter and\u00a0was published in spring",
        "“… written in winter and was published in spring, …”",
    ],
)
def test_a_text_is_found_whatever_its_white_space_and_signs(highlighted: str) -> None:
    result = put_highlighted_first(found(), highlighted)
    assert [passage.chunk.chunk_id for passage in result.passages] == ["id-2", "id-0", "id-1"]
    assert (result.passages[0].score, result.grade) == (1.0, "answer")


def test_markdown_between_its_words_does_not_matter() -> None:
    shown = (
        "run the setup program with all its options: • a name for the server • a port that is free"
    )
    assert order(shown) == [1, 0, 2]


def test_one_word_is_found_where_it_stands_first() -> None:
    assert order("options") == [1, 0, 2]
    assert order("the") == [0, 1, 2]


def test_a_text_over_two_passages_is_found_in_the_one_that_holds_more() -> None:
    for count in (14, 30, 60):
        words = [f"word{n:02}" for n in range(count)]
        for cut in range(count // 3, count - count // 3):
            halves = ["Before it.", " ".join(words[:cut]), " ".join(words[cut:])]
            first = order(" ".join(words), *halves)[0]
            assert first != 0, (count, cut)
            if abs(cut - count / 2) > 3:
                assert first == (1 if cut > count / 2 else 2), (count, cut)


def test_what_is_in_no_passage_changes_nothing() -> None:
    nearly = "The first edition will be printed in summer, and in autumn it is sold out again."
    for text in ("Dogs bark at night.", nearly, "", " \n ", "?!", "…"):
        assert put_highlighted_first(found(), text) == found()
    assert put_highlighted_first(SearchResult(), "Cats") == SearchResult()


def test_the_beginning_of_a_long_selection_decides() -> None:
    text = " ".join(f"word{n:02}" for n in range(40))
    begins = text + "".join(f" other{n:03}" for n in range(200))
    assert order(begins[:MAX_SELECTION], "Before it.", text) == [1, 0]
    assert order(begins[140:MAX_SELECTION], "Before it.", text) == [0, 1]


def test_a_whole_page_is_not_what_is_asked_about() -> None:
    assert searchable_selection("x" * (MAX_SELECTION + 1)) == ""
    assert searchable_selection("x" * MAX_SELECTION) == "x" * MAX_SEARCHED
    assert searchable_selection("A sentence.") == "A sentence."
    assert searchable_selection("") == ""


def test_a_long_selection_takes_no_long_time() -> None:
    many = found(*("abcdefgh" * 190 for _ in range(50)))
    selected = "abcdefgi" * 20_000
    seconds = timeit(lambda: put_highlighted_first(many, selected), timer=process_time, number=1)
    assert seconds < 0.5
