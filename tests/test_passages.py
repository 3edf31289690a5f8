"""Question to passages: fusion, coverage, calibration, and the search over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.passages import (
    CANDIDATES,
    RELEVANT,
    Evidence,
    blend,
    calibrate,
    examine,
    find,
    fuse,
    idf,
    in_context,
    search,
    term_weights,
)
from rag.text import sparse_passage, sparse_question
from rag.types import Candidates, Chunk, Hit, IndexInfo, Page, Passage, SparseVector

RANGE = (0.1, 0.7)
TEXTS = {
    "install": "To install the server, run the setup program. It takes a minute.",
    "upgrade": "An upgrade keeps your settings. Run the setup program again.",
    "cats": "Cats sleep most of the day. They like warm places.",
    "history": "The first version was written in winter and published in spring.",
    "licence": "The licence allows any use, as long as the notice is kept.",
    "colours": "Colours are given as hexadecimal numbers or by name.",
    "network": "The network layer retries a request three times before it gives up.",
}


def chunk(key: str, text: str = "", **fields: str) -> Chunk:
    made = Chunk(key, text or TEXTS[key], "Handbook", "", f"docs/{key}", f"{key}.md", 0)
    return replace(made, **fields) if fields else made  # type: ignore[arg-type]


class Store:
    """A few chunks in memory; cosines are given, BM25 scores computed."""

    def __init__(self, cosines: dict[str, float], *, sparse: bool = True) -> None:
        self.cosines, self.sparse, self.limit = cosines, sparse, 0
        self.asked = SparseVector()

    def chunk(self, key: str) -> Chunk:
        return chunk(key)

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        self.asked, self.limit = sparse, limit
        chunks = [self.chunk(key) for key in self.cosines]
        if not self.sparse:
            return Candidates(
                tuple(Hit(c, self.cosines[c.chunk_id], 0.0) for c in chunks), len(chunks)
            )
        vectors = [sparse_passage(c.text, title=c.title, section=c.section) for c in chunks]
        known = {term: sum(term in vector.indices for vector in vectors) for term in sparse.indices}
        known = {term: count for term, count in known.items() if count}
        weights = dict(zip(sparse.indices, sparse.values, strict=True))
        hits = [
            Hit(
                c,
                self.cosines[c.chunk_id],
                sum(
                    value * weights[term] * idf(known[term], len(chunks))
                    for term, value in zip(vector.indices, vector.values, strict=True)
                    if term in weights
                ),
            )
            for c, vector in zip(chunks, vectors, strict=True)
        ]
        return Candidates(tuple(hits), len(chunks), known)

    async def info(self) -> IndexInfo | None:
        return None

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        return ()

    async def page(self, slug: str) -> Page | None:
        return None

    async def pages(self) -> Sequence[tuple[str, str]]:
        return ()

    async def close(self) -> None:
        pass


class Titled(Store):
    """A store of other texts, each under a title and a section of its own."""

    def __init__(self, texts: dict[str, str], sections: dict[str, str]) -> None:
        super().__init__(dict.fromkeys(texts, 0.2))
        self.texts, self.sections = texts, sections

    def chunk(self, key: str) -> Chunk:
        return chunk(key, self.texts[key], title=key, section=self.sections.get(key, ""))


class Words:
    """A reranker that counts a word, and an embedder that knows one vector."""

    model = "words"
    dimensions = 1
    cosine_range = RANGE

    async def embed_question(self, text: str) -> Sequence[float]:
        return [1.0]

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[1.0] for _ in texts]

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        return [0.9 if "spring" in text else 0.3 for text in texts]

    async def close(self) -> None:
        pass


EVEN = dict.fromkeys(TEXTS, 0.2)


def ask(store: Store, question: str, limit: int = 3, **options: object) -> list[Passage]:
    return asyncio.run(
        search(store, [1.0], question, limit, cosine_range=RANGE, **options)  # type: ignore[arg-type]
    )


def keys(passages: Sequence[Passage]) -> list[str]:
    return [passage.chunk.chunk_id for passage in passages]


def test_words_and_meaning_both_count() -> None:
    assert keys(ask(Store(EVEN), "How do I install the server?"))[0] == "install"
    assert keys(ask(Store({**EVEN, "cats": 0.8}), "Where do kittens rest?"))[0] == "cats"


def test_a_sure_answer_scores_high_and_noise_is_refused() -> None:
    found = ask(Store({**EVEN, "install": 0.7}), "How do I install the server?")
    assert found[0].score > 0.9
    assert ask(Store(dict.fromkeys(TEXTS, 0.05)), "Who won the football cup?") == []
    low = ask(Store(dict.fromkeys(TEXTS, 0.05)), "Who won the football cup?", least=0.0)
    assert len(low) == 3
    assert low[0].score < RELEVANT


def test_scores_fall_and_ties_are_broken_by_id() -> None:
    found = ask(Store(EVEN), "zebra", limit=7, least=0.0)
    assert keys(found) == sorted(TEXTS)
    scores = [p.score for p in ask(Store({**EVEN, "cats": 0.6}), "setup program", 7, least=0.0)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_an_index_without_sparse_vectors_works() -> None:
    store = Store({**EVEN, "licence": 0.75}, sparse=False)
    found = ask(store, "May I use it in any way if the notice is kept? licence")
    assert keys(found)[0] == "licence"
    assert found[0].score > 0.5


def test_an_empty_index_and_an_empty_question() -> None:
    assert ask(Store({}), "anything") == []
    assert keys(ask(Store({**EVEN, "cats": 0.7}), "?!"))[0] == "cats"
    assert len(ask(Store(EVEN), "?!", highlighted="Kittens sleep.", least=0.0)) == 3


def test_one_question_to_the_store() -> None:
    store = Store(EVEN)
    ask(store, "install")
    assert store.limit == CANDIDATES
    assert store.asked == sparse_question("install")


def test_highlighted_text_tips_the_balance_but_does_not_drown_the_question() -> None:
    assert keys(ask(Store(EVEN), "How do I run it?"))[0] in {"install", "upgrade"}
    hint = "An upgrade keeps settings. " * 500
    assert keys(ask(Store(EVEN), "How do I run it?", highlighted=hint))[0] == "upgrade"
    assert keys(ask(Store(EVEN), "install the server", highlighted=hint))[0] == "install"


def test_blend_keeps_the_questions_weights() -> None:
    question, hint = sparse_question("install server"), sparse_question("server upgrade settings")
    both = blend(question, hint)
    weights = dict(zip(both.indices, both.values, strict=True))
    assert [weights[i] for i in question.indices] == [1.0, 1.0]
    assert 0 < min(weights.values()) < 0.5
    assert list(both.indices) == sorted(both.indices)
    assert blend(question, SparseVector()) == question


def test_a_reranker_decides_order_and_score() -> None:
    found = ask(Store(EVEN), "How do I install the server?", 7, reranker=Words())
    assert (keys(found)[0], found[0].score) == ("history", 0.9)
    assert ask(Store(EVEN), "install", reranker=Words(), least=0.95) == []


def test_find_embeds_and_searches() -> None:
    found = asyncio.run(find(Words(), Store(EVEN), "install the server", 2))
    assert keys(found)[0] == "install"


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 100)), max_size=30))
def test_fused_scores_are_between_0_and_1(scores: list[tuple[float, float]]) -> None:
    hits = [Hit(chunk("cats"), dense, sparse) for dense, sparse in scores]
    fused = fuse(hits, RANGE)
    assert len(fused) == len(hits)
    assert all(0 <= value <= 1 for value in fused)
    for hit, value in zip(hits, fused, strict=True):  # the best on both sides alone has all
        if hit.dense > RANGE[0] and hit.sparse > 0:
            if all(o.dense <= hit.dense and o.sparse <= hit.sparse for o in hits):
                assert value == pytest.approx(1)
            elif any(o.dense > hit.dense + 0.01 or o.sparse > 1.01 * hit.sparse for o in hits):
                assert value < 1 - 1e-4


def test_evidence_counts_rare_words_sentences_and_cosine() -> None:
    question = sparse_question("settings program")
    found = Candidates((), 100, {question.indices[0]: 1, question.indices[1]: 90})
    rare, common = sorted(term_weights(question, found).items(), key=lambda item: -item[1])
    assert rare[1] > 10 * common[1]
    weights = term_weights(sparse_question("upgrade settings"), Candidates((), 10))

    def seen(text: str, cosine: float = 0.1, **titles: str) -> Evidence:
        return examine(weights, Hit(chunk("x", text, **titles), cosine, 0), RANGE)

    whole = TEXTS["upgrade"]
    assert seen(whole, 0.7) == Evidence(1, 1, 1, pytest.approx(1))  # type: ignore[arg-type]
    assert seen(whole, 0.4).nearness == pytest.approx(0.5)
    assert seen(whole) == Evidence(1, 1, 1, 0)
    apart = seen("An upgrade is quick. Your settings are kept.")
    assert (apart.covered, apart.sentence) == pytest.approx((1, 0.5))
    titled = seen("It is quick.", title="Upgrade", section="Settings")
    assert titled == Evidence(1, 1, 0, 0)
    assert seen(whole, 0.7).strength == pytest.approx(1)
    strange = replace(seen("An upgrade is quick."), unknown=0.5)
    assert 0 < strange.strength < seen("An upgrade is quick.").strength
    assert seen("Nothing of it.").strength == 0
    assert seen(whole, 0.7).strength > seen(whole).strength > apart.strength > titled.strength


def test_a_sentence_that_speaks_of_the_whole_question_lifts_its_passage() -> None:
    scattered = "Cats are small. They purr. Some cats climb. Fish swim. Fish like warm water."
    together = "Cats like warm places, and that is all that there is to say about this matter."
    with_both = TEXTS | {"scattered": scattered, "together": together}

    class Both(Store):
        def chunk(self, key: str) -> Chunk:
            return chunk(key, with_both[key])

    found = ask(Both(dict.fromkeys(with_both, 0.2)), "warm cats", 9, least=0.0)
    assert keys(found).index("together") < keys(found).index("scattered")


def test_a_slip_of_the_pen_finds_what_was_meant_but_is_less_sure() -> None:
    meant = ask(Store(EVEN), "licence notice", least=0.0)
    slipped = ask(Store(EVEN), "licnece notice", least=0.0)
    assert keys(slipped)[0] == keys(meant)[0] == "licence"
    assert slipped[0].score < meant[0].score
    unknown = ask(Store(EVEN), "zebra notice", least=0.0)
    assert unknown[0].score < slipped[0].score


def test_words_that_the_book_does_not_know_make_an_answer_unlikely() -> None:
    cosines = {**EVEN, "cats": 0.25}
    assert ask(Store(cosines), "Where do cats sleep?")[0].score > 0.5
    assert ask(Store(cosines), "How do I sleep in Lisbon?") == []


def test_calibration_rewards_what_stands_out() -> None:
    assert calibrate([]) == []
    alone, among = calibrate([0.6, 0.2, 0.2])[0], calibrate([0.6, 0.6, 0.6])[0]
    assert alone > among
    falling = calibrate([0.9, 0.5, 0.1])
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > 0.95
    assert falling[2] < 0.05


def test_a_page_with_several_candidates_lifts_each_of_them() -> None:
    hits = [
        Hit(chunk(key, key, title=title), 0.5, 0.0)
        for key, title in zip("abcdef", ("Alone", "Page", "Page", "Page", "", ""), strict=True)
    ]
    lifted = in_context(hits, [0.6, 0.6, 0.4, 0.2, 0.6, 0.6])
    assert lifted == pytest.approx([0.6, 0.645, 0.46, 0.275, 0.6, 0.6])


def test_a_heading_that_is_the_question_lifts_its_passage() -> None:
    texts = {
        "mention": "Upgrades of the server and the server itself keep the server safe.",
        "upgrade": "Run the setup program again.",
    }
    found = Titled(texts, {"upgrade": "Server › Upgrade the server"})
    found.cosines["mention"] = 0.27
    assert keys(ask(found, "How do I upgrade the server?", least=0.0))[0] == "upgrade"


def test_a_definition_goes_before_many_mentions() -> None:
    texts = {
        "mention": "Slices of slices hold slices, and a slice is joined with another slice.",
        "definition": "A slice is a part of the state. Long ago there were none, and all was one.",
    }
    store = Titled(texts, {})
    assert keys(ask(store, "What is a slice?", least=0.0))[0] == "definition"
    assert keys(ask(store, "How are slices joined with another slice?", least=0.0))[0] == "mention"
