"""Passages that carry an answer which cites none."""

from __future__ import annotations

import time

from rag.answering.citation_check import supporting_passages
from rag.models import Chunk, Passage

CATS = "Cats sleep most of the day. They look for warm and quiet places near a heated window."
SERVER = "The server retries every request three times before it gives up with an error message."


def passage(text: str, title: str = "Handbook", language: str = "en") -> Passage:
    return Passage(Chunk(text[:9], text, title, "", "page", "page.md", 0, language), 0.9)


PASSAGES = [passage(CATS), passage(SERVER)]


def test_a_sentence_of_a_passage_is_carried_by_it() -> None:
    said = "They look for warm and quiet places near a heated window."
    assert supporting_passages(said, "Where do cats sleep?", PASSAGES) == [1]
    both = f"{said}\n\n- Every request is retried three times, until the server gives up."
    assert supporting_passages(both, "What happens?", PASSAGES) == [1, 2]


def test_other_words_may_stand_between() -> None:
    said = "You will find them in warm and quiet places, near some heated window, I think."
    assert supporting_passages(said, "Where do cats sleep?", PASSAGES) == [1]
    said = "Old friends of mine meet in warm places, near some window, on every rainy Sunday."
    assert supporting_passages(said, "Where do cats sleep?", PASSAGES) == []


def test_a_refusal_that_repeats_the_question_is_carried_by_nothing() -> None:
    question = "Do cats look for warm and quiet places near a heated window?"
    refusal = "The book does not say whether cats look for warm, quiet places near a heated window."
    assert supporting_passages(refusal, question, PASSAGES) == []
    assert supporting_passages(refusal, "What about dogs?", PASSAGES) == [1]


def test_a_short_sentence_proves_nothing() -> None:
    assert supporting_passages("Cats sleep. Most of the day.", "What?", PASSAGES) == []
    assert supporting_passages("", "", PASSAGES) == []
    assert supporting_passages("They look for warm places near a window.", "What?", []) == []


def test_sentences_are_judged_one_by_one() -> None:
    carried = "They look for warm and quiet places near a heated window."
    other = "My old friends from Lisbon prefer tall green trees beside a broad slow river."
    assert supporting_passages(f"{other} {carried} {other}", "What?", PASSAGES) == [1]


def test_the_titles_above_a_passage_count() -> None:
    said = "Dogs and fish sleep near a heated window."
    assert supporting_passages(said, "", [passage(CATS, title="Dogs and fish")]) == [1]
    assert supporting_passages(said, "", [passage(CATS)]) == []


def test_a_passage_is_read_in_its_own_language() -> None:
    german = passage("Katzen suchen warme und ruhige Orte nahe beheizten Fenstern.", language="de")
    said = "Katzen suchten einen warmen, ruhigen Ort nahe einem beheizten Fenster."
    assert supporting_passages(said, "Was tun Hunde?", [german]) == [1]


def test_a_long_answer_takes_no_long_time() -> None:
    said = " ".join(f"Word{n} is word{n + 1} of word{n + 2}." for n in range(1000))
    begin = time.thread_time()
    supporting_passages(said, "x " * 1000, PASSAGES * 5)
    assert time.thread_time() - begin < 2
