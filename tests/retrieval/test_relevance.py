"""One relevance: its two parts, its scale, its limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language.tokens import K1, sparse_passage, sparse_question
from rag.models import (
    Candidates,
    Chunk,
    Hit,
    SparseVector,
)
from rag.retrieval.relevance import (
    ANSWER,
    DENSE_WEIGHT,
    NOTHING,
    SPARSE_WEIGHT,
    best_bm25,
    clip,
    grade,
    idf,
    relevance,
    scale_cosine,
)

RANGE = (0.1, 0.7)
CHUNK = Chunk("id", "Text.", "Title", "", "page", "page.md", 0)
QUESTION = SparseVector((1, 2), (1.0, 0.5))


def score(dense: float, sparse: float, known: dict[int, int], total: int = 10) -> float:
    (found,) = relevance(QUESTION, Candidates((Hit(CHUNK, dense, sparse),), total, known), RANGE)
    return found


def test_meaning_and_words_are_added() -> None:
    known = {1: 2, 2: 3}
    best = best_bm25(QUESTION, known, 10)
    assert score(0.1, 0, known) == 0
    assert score(0.7, 0, known) == pytest.approx(DENSE_WEIGHT)
    assert score(0.1, best, known) == pytest.approx(SPARSE_WEIGHT)
    assert score(0.4, best / 2, known) == pytest.approx((DENSE_WEIGHT + SPARSE_WEIGHT) / 2)
    assert pytest.approx(1) == DENSE_WEIGHT + SPARSE_WEIGHT


def test_scores_come_in_the_order_of_the_hits() -> None:
    hits = tuple(Hit(CHUNK, dense, 0.0) for dense in (0.2, 0.7, 0.4))
    found = relevance(QUESTION, Candidates(hits, 10, {1: 1}), RANGE)
    assert found == pytest.approx([DENSE_WEIGHT * near for near in (1 / 6, 1, 1 / 2)])


def test_a_cosine_outside_its_range_stays_on_the_scale_below_but_not_above() -> None:
    assert [scale_cosine(cosine, RANGE) for cosine in (-1, 0.1, 0.4, 0.7)] == pytest.approx(
        [0, 0, 0.5, 1]
    )
    assert scale_cosine(1, RANGE) == pytest.approx(1.5), "the order above the range is kept"


@pytest.mark.parametrize("known", [{}, {3: 4}])
def test_where_the_book_knows_none_of_the_words_meaning_decides_alone(
    known: dict[int, int],
) -> None:
    """A question in another language, and an index of an older layout without frequencies."""
    assert best_bm25(QUESTION, known, 10) == 0
    assert score(0.7, 0, known) == pytest.approx(1)
    assert score(0.4, 0, known) == pytest.approx(0.5)


def test_in_another_language_meaning_decides() -> None:
    """An accidental word of the book neither makes meaning count for less nor replaces it."""
    known = {1: 2}

    def in_other_language(dense: float, sparse: float) -> float:
        found = Candidates((Hit(CHUNK, dense, sparse),), 10, known)
        (score,) = relevance(QUESTION, found, RANGE, in_other_language=True)
        return score

    best = best_bm25(QUESTION, known, 10)
    assert in_other_language(0.4, 0) == pytest.approx(0.5) == score(0.4, 0, {})
    assert in_other_language(0.1, best) == 0
    assert in_other_language(0.4, best / 2) == pytest.approx(0.5 * (1 + SPARSE_WEIGHT / 2))


def test_nothing_is_divided_by_zero() -> None:
    assert relevance(SparseVector(), Candidates((), 0), RANGE) == []
    assert relevance(SparseVector(), Candidates((Hit(CHUNK, 0.7, 0),), 0), RANGE) == [1.0]
    assert score(0.4, 0, {1: 1}, total=1) > 0


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_idf_is_above_0_and_falls_with_the_frequency(a: int, b: int) -> None:
    total = max(a, b)
    assert idf(a, total) > 0
    if a < b:
        assert idf(a, total) > idf(b, total)


def test_no_text_reaches_the_best_score() -> None:
    """Not even one that is nothing but the words of the question, over and over."""
    asked = "server settings"
    question = sparse_question(asked)
    known = dict.fromkeys(question.indices, 1)
    best = best_bm25(question, known, 10)
    reached = []
    for times in (1, 10, 100):
        said = sparse_passage(f"{asked} " * times)
        weights = dict(zip(said.indices, said.values, strict=True))
        reached.append(sum(weights[term] * idf(1, 10) for term in question.indices))
    assert max(reached) < best
    assert max(reached) > 0.6 * best


def test_an_unknown_word_lowers_the_share_but_does_not_hide_what_is_near() -> None:
    asked, odd = (sparse_question(text) for text in ("server settings", "server settings zzyzx"))
    known = dict.fromkeys(asked.indices, 1)
    more = best_bm25(odd, known, 10) - best_bm25(asked, known, 10)
    assert more == pytest.approx((K1 + 1) * idf(0, 10)), "it counts as the rarest of words"
    found = Candidates((Hit(CHUNK, 0.45, best_bm25(asked, known, 10) / 3),), 10, known)
    (with_odd,), (without,) = relevance(odd, found, RANGE), relevance(asked, found, RANGE)
    assert with_odd < without
    assert grade(with_odd) != "nothing"


def test_grades_at_their_limits() -> None:
    below = [math.nextafter(limit, 0) for limit in (NOTHING, ANSWER)]
    assert [grade(best) for best in (-1, below[0])] == ["nothing"] * 2
    assert [grade(best) for best in (NOTHING, below[1])] == ["nearest"] * 2
    assert [grade(best) for best in (ANSWER, 2)] == ["answer"] * 2


def test_scores_are_shown_from_0_to_1() -> None:
    assert clip([1.3, 1, 0.5, 0, -0.2]) == [1, 1, 0.5, 0, 0]
