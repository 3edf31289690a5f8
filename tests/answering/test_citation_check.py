"""Citations are compared with the passages they cite."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.citation_check import check_citations
from rag.answering.claims import find_markers
from rag.models import Chunk, Passage

TEXTS = (
    "To delete a conversation, press the bin above it. Deleted conversations cannot be restored.",
    "A backup is made every night at 02:00. Set `BACKUP_HOUR` to choose another hour.",
    "Readers may ask twenty questions a minute. Further requests get the status 429.",
    "Install the package with pip, then run `shop serve` in the project folder.",
    "The index is rebuilt when the embedding model changes, which takes some minutes.",
)
STATEMENTS = {
    1: "Press the bin above a conversation to delete it",
    2: "The backup is made each night at 02:00",
    3: "Readers can ask twenty questions every minute",
    4: "Install the package using pip and run `shop serve`",
    5: "A changed embedding model rebuilds the index",
}
PASSAGES = [
    Passage(Chunk(str(n), text, f"Page {n}", "", f"p{n}", f"{n}.md", n), 0.5)
    for n, text in enumerate(TEXTS)
]
FORMS = ("{} [{}].", "- {}. [{}]\n", "{}.[{}]\n\n")


def numbers(text: str) -> list[int]:
    return [marker.number for marker in find_markers(text)]


@settings(deadline=None)  # the first example loads a stemmer
@given(st.permutations(sorted(STATEMENTS)), st.randoms())
def test_shuffled_numbers_are_put_right(order: list[int], rng: random.Random) -> None:
    wrong = [rng.randint(1, len(TEXTS)) for _ in order]
    form = rng.choice(FORMS)
    told = "".join(form.format(STATEMENTS[n], shown) for n, shown in zip(order, wrong, strict=True))
    checked = check_citations(told, PASSAGES, "en")
    assert numbers(checked.text) == order
    assert checked.unsupported == 0
    again = check_citations(checked.text, PASSAGES, "en")
    assert again == checked


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ("Press the bin to delete a conversation, a backup is made at night [1][2].", [1, 2]),
        ("Press the bin to delete a conversation, a backup is made at night [3][2].", [1, 2]),
        ("Yes [3].", [3]),  # too few words to tell
        ("This is explained there [4].", [4]),
        ("The weather in Paris is nice today [4].", [4]),
        ("First, nothing. Press the bin above the conversation to delete it [2].", [1]),
        ("Zum Löschen drückt man den Papierkorb über dem Gespräch [1].", [1]),
        ("`[2]` and \\[2] stay. Press the bin above the conversation to delete it [2].", [1]),
        ("```\nx = [2]\n```\n\nThe backup is made each night at 02:00 [2].", [2]),
    ],
)
def test_only_a_clearly_better_passage_is_cited_instead(told: str, right: list[int]) -> None:
    checked = check_citations(told, PASSAGES, "en")
    assert numbers(checked.text) == right
    assert checked.cited(5) == sorted(set(right))


def test_nothing_but_the_numbers_changes() -> None:
    told = "`a[2]`\n\n| `[2]` |\n\n* The backup is made each night at 02:00 [5], yes.\n"
    assert check_citations(told, PASSAGES, "en").text == told.replace("[5]", "[2]")


def test_numbers_of_no_passage_are_left_alone() -> None:
    told = "A ` sign and\n`[9]` the backup is made each night at 02:00 [5]."
    assert check_citations(told, PASSAGES, "en").text == told.replace("[5]", "[2]")


@pytest.mark.parametrize(
    ("told", "language", "count"),
    [
        ("Zebras gallop across savannas [1].", "en", 1),
        ("Zebras gallop [1]. Giraffes sleep standing [2][3]. The backup is nightly [2].", "en", 2),
        ("Zebras gallop across savannas.", "en", 0),  # not cited
        ("Das Buch und die Zebras sind nicht auf der Wiese [1].", "en", 0),  # another language
        ("It is so [1].", "en", 0),  # says nothing
        ("", "en", 0),
    ],
)
def test_statements_without_a_word_of_any_passage_are_counted(
    told: str, language: str, count: int
) -> None:
    assert check_citations(told, PASSAGES, language).unsupported == count


@settings(deadline=None)
@given(st.text(alphabet="ab [1]2345`*\n|-<>"), st.integers(1, 5))
def test_any_text_is_checked(told: str, count: int) -> None:
    from rag.answering.citation_filter import CitationFilter

    citations = CitationFilter(count)
    told = citations.feed(told) + citations.flush()
    checked = check_citations(told, PASSAGES[:count], "en")
    assert len(checked.text) == len(told)
    assert checked.cited(count) or not citations.cited
