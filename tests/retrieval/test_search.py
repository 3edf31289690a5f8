"""A question to passages: one query or two, a reranker, and a store that knows little."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from rag.errors import UpstreamTimeout
from rag.interfaces import Reranker, TokenMatcher
from rag.language.tokens import sparse_passage, sparse_question
from rag.models import (
    Candidates,
    Chunk,
    Hit,
    IndexInfo,
    Passage,
    SearchResult,
    SparseVector,
)
from rag.retrieval.relevance import ANSWER, DENSE_WEIGHT, NOTHING, idf
from rag.retrieval.search import (
    CANDIDATES,
    MATCH_WEIGHT,
    MATCHED,
    RERANKED,
    Query,
    fuse,
    search,
)

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
EVEN = dict.fromkeys(TEXTS, 0.2)


class Store:
    """A few chunks in memory. A query's vector names its cosines; BM25 scores are computed."""

    def __init__(self, *cosines: Mapping[str, float], frequencies: bool = True) -> None:
        self.cosines, self.frequencies = cosines, frequencies
        self.asked: list[tuple[SparseVector, int]] = []

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        self.asked.append((sparse, limit))
        cosines = self.cosines[int(dense[0])]
        chunks = [
            Chunk(key, TEXTS.get(key, key), "Handbook", "", f"docs/{key}", f"{key}.md", 0)
            for key in cosines
        ]
        vectors = [sparse_passage(c.embedded_text) for c in chunks]
        said = [dict(zip(v.indices, v.values, strict=True)) for v in vectors]
        known = {term: sum(term in v for v in said) for term in sparse.indices}
        known = {term: count for term, count in known.items() if count and self.frequencies}
        return Candidates(
            tuple(
                Hit(c, cosines[c.chunk_id], self._bm25(sparse, v, known, len(chunks)))
                for c, v in zip(chunks, said, strict=True)
            ),
            len(chunks),
            known,
        )

    def _bm25(
        self, asked: SparseVector, said: Mapping[int, float], known: Mapping[int, int], total: int
    ) -> float:
        weights = zip(asked.indices, asked.values, strict=True)
        return sum(w * said.get(t, 0) * idf(known[t], total) for t, w in weights if t in known)

    async def info(self) -> IndexInfo | None:
        return None

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        return ()

    async def close(self) -> None:
        pass


class Words:
    """A reranker for which one word is everything; it may be down."""

    def __init__(self, word: str = "spring", *, down: bool = False) -> None:
        self.word, self.down = word, down
        self.seen: list[tuple[str, int]] = []

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        if self.down:
            raise UpstreamTimeout("no answer", service="reranker")
        self.seen.append((question, len(texts)))
        return [0.9 if self.word in text else 0.3 for text in texts]

    async def close(self) -> None:
        pass


class Matcher:
    """A matcher with given similarities; all others are 0.5."""

    def __init__(self, **similarities: float) -> None:
        self.similarities = similarities
        self.seen: list[tuple[str, int]] = []

    async def max_sim(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        self.seen.append((question, len(texts)))
        keys = {text: key for key, text in TEXTS.items()}
        keys |= {f"text {n:03}": f"text{n:03}" for n in range(80)}
        named = (keys[text.removeprefix("Handbook\n\n")] for text in texts)
        return [self.similarities.get(key, 0.5) for key in named]


def ask(
    store: Store,
    *texts: str,
    limit: int = 3,
    second_stage: Reranker | TokenMatcher | None = None,
) -> SearchResult:
    queries = [Query(text, [n]) for n, text in enumerate(texts)]
    return asyncio.run(search(store, queries, limit, cosine_range=RANGE, second_stage=second_stage))


def keys(found: SearchResult) -> list[str]:
    return [passage.chunk.chunk_id for passage in found.passages]


def scores(found: SearchResult) -> list[float]:
    return [passage.score for passage in found.passages]


def test_words_and_meaning_both_count() -> None:
    assert keys(ask(Store(EVEN), "How do I install the server?"))[0] == "install"
    assert keys(ask(Store({**EVEN, "cats": 0.8}), "Where do kittens rest?"))[0] == "cats"


def test_one_round_trip_for_each_query() -> None:
    store = Store(EVEN, EVEN)
    ask(store, "install", "server")
    expected = [(sparse_question(text), CANDIDATES) for text in ("install", "server")]
    assert store.asked == expected


def test_scores_fall_from_1_to_0_and_ties_are_broken_by_id() -> None:
    far = {**dict.fromkeys(TEXTS, -0.9), "cats": 0.99}
    found = ask(Store(far), "Where do cats sleep in the day?", limit=9)
    assert keys(found) == ["cats", *sorted(TEXTS.keys() - {"cats"})]
    assert scores(found)[0] == 1
    assert set(scores(found)[1:]) == {0}


def test_the_best_are_never_withheld_and_the_grade_says_what_they_are_worth() -> None:
    low = ask(Store(dict.fromkeys(TEXTS, 0.05)), "Who won the football cup?")
    assert (len(low.passages), low.grade) == (3, "nothing")
    middle = RANGE[0] + (RANGE[1] - RANGE[0]) * (NOTHING + ANSWER) / 2
    assert ask(Store(dict.fromkeys(TEXTS, middle)), "football").grade == "nearest"
    assert ask(Store({**EVEN, "install": 0.6}), "install the server").grade == "answer"


def test_the_limit_is_respected() -> None:
    for limit in (1, 5, 7, 50):
        assert len(ask(Store(EVEN), "setup", limit=limit).passages) == min(limit, len(TEXTS))
    many = {f"text {n:03}": 0.2 for n in range(80)}
    assert len(ask(Store(many), "setup", limit=60).passages) == 60


def test_an_empty_index_and_an_empty_question() -> None:
    assert ask(Store({}), "anything") == SearchResult((), "nothing")
    assert keys(ask(Store({**EVEN, "cats": 0.7}), "?!"))[0] == "cats"


def test_an_index_without_frequencies_is_searched_by_meaning_alone() -> None:
    found = ask(Store({**EVEN, "licence": 0.7}, frequencies=False), "install the server")
    assert keys(found)[0] == "licence"
    assert scores(found)[0] == pytest.approx(1)
    assert found.grade == "answer"


def test_a_question_in_another_language_is_answered_by_meaning_alone() -> None:
    found = ask(Store({**EVEN, "cats": 0.5}), "どこで眠りますか")
    assert keys(found)[0] == "cats"
    assert scores(found)[0] == pytest.approx(2 / 3)


def test_an_odd_word_behind_a_question_does_not_make_it_nothing() -> None:
    near = Store({**EVEN, "cats": 0.5})
    plain, odd = ask(near, "Where do cats sleep?"), ask(near, "Where do cats sleep, Zzyzx?")
    assert keys(odd)[0] == keys(plain)[0] == "cats"
    assert DENSE_WEIGHT * 2 / 3 < scores(odd)[0] < scores(plain)[0]
    assert odd.grade == "answer"


def test_the_context_of_a_question_can_raise_a_passage_but_not_lower_it() -> None:
    first, second = {**EVEN, "cats": 0.7}, {**EVEN, "history": 0.6}
    both = ask(Store(first, second), "?", "!", limit=9)
    expected = dict.fromkeys(TEXTS, 1 / 6)
    expected["cats"], expected["history"] = 1, (1 / 6 + 5 / 6) / 2
    assert dict(zip(keys(both), scores(both), strict=True)) == pytest.approx(expected)
    assert keys(both)[:2] == ["cats", "history"]


def test_a_question_that_changes_the_subject_keeps_its_grade() -> None:
    first, second = {**EVEN, "cats": 0.5}, {**EVEN, "cats": 0.1}
    assert ask(Store(first), "?").grade == "answer"
    assert ask(Store(second), "?").grade == "nothing"
    assert ask(Store(first, second), "?", "!").grade == "answer"
    assert ask(Store(second, first), "?", "!").grade == "nearest"


def test_what_one_query_did_not_find_counts_as_its_worst() -> None:
    both = ask(Store({"cats": 0.7, "history": 0.4}, {"licence": 0.7, "cats": 0.4}), "?", "!")
    assert dict(zip(keys(both), scores(both), strict=True)) == pytest.approx(
        {"cats": 1, "history": 0.5, "licence": 0.75}
    )
    assert keys(both) == ["cats", "licence", "history"]


def test_a_query_that_finds_nothing_counts_0() -> None:
    assert scores(ask(Store({}, {"cats": 0.7}), "?", "!")) == pytest.approx([0.5])


def test_a_reranker_decides_order_and_scores_but_not_the_grade() -> None:
    reranker = Words()
    found = ask(Store(EVEN, EVEN), "?", "install the server", limit=7, second_stage=reranker)
    assert keys(found) == ["history", *sorted(TEXTS.keys() - {"history"})]
    assert scores(found) == [0.9] + [0.3] * 6
    assert reranker.seen == [("install the server", 7)], "the last query is the complete one"
    assert found.grade == ask(Store(EVEN, EVEN), "?", "install the server").grade


def test_only_what_a_reranker_saw_is_returned() -> None:
    reranker = Words("text 079")
    many = {f"text {n:03}": 0.2 + n / 1000 for n in range(80)}
    found = ask(Store(many), "?", limit=50, second_stage=reranker)
    assert (len(found.passages), reranker.seen) == (RERANKED, [("?", RERANKED)])
    assert keys(found)[0] == "text 079"
    assert len(ask(Store(many), "?", limit=4, second_stage=reranker).passages) == 4


def test_with_the_reranker_down_the_searchs_own_order_stands() -> None:
    store = Store({**EVEN, "cats": 0.6})
    down = ask(store, "Where do cats sleep?", limit=40, second_stage=Words(down=True))
    assert down == ask(store, "Where do cats sleep?", limit=40)
    many = {f"text {n:03}": 0.2 for n in range(80)}
    assert len(ask(Store(many), "?", limit=50, second_stage=Words(down=True)).passages) == 50


MANY = {f"text {n:03}": 0.5 - n / 1000 for n in range(80)}


def test_a_matcher_sorts_the_best_passages_and_leaves_the_scores() -> None:
    matcher = Matcher(text003=0.6)
    plain = ask(Store(MANY), "?", limit=20)
    found = ask(Store(MANY), "?", limit=20, second_stage=matcher)
    assert matcher.seen == [("?", MATCHED)]
    assert keys(found)[:4] == ["text 003", "text 000", "text 001", "text 002"]
    assert keys(found)[MATCHED:] == keys(plain)[MATCHED:], "those were not compared"
    assert scores(found) == scores(plain)
    assert found.grade == plain.grade


def test_relevance_and_similarity_count_together() -> None:
    cosines = {"cats": 0.5, "history": 0.44, "licence": 0.2}  # 0.06 are 0.1 of relevance
    apart = 0.1 / MATCH_WEIGHT
    for more, first in ((apart + 0.01, "history"), (apart - 0.01, "cats")):
        found = ask(Store(cosines), "?", second_stage=Matcher(history=0.5 + more))
        assert keys(found)[0] == first


def test_a_matcher_compares_with_the_question_alone() -> None:
    matcher = Matcher(cats=0.55)
    found = ask(Store(EVEN, EVEN), "And cats?", "Who sleeps?\nAnd cats?", second_stage=matcher)
    assert keys(found)[0] == "cats"
    assert matcher.seen == [("And cats?", len(EVEN))]


def test_a_matcher_is_not_asked_about_one_passage() -> None:
    matcher = Matcher()
    alone = Store({"cats": 0.7})
    assert ask(alone, "?", second_stage=matcher) == ask(alone, "?")
    assert matcher.seen == []


LANGUAGES = {
    "en-cats": ("en", "Cats sleep most of the day and like warm places."),
    "de-cats": ("de", "Katzen schlafen die meiste Zeit des Tages und mögen warme Orte."),
    "en-only": ("en-GB", "The Linux licence is kept in the file COPYING."),
}


class Library(Store):
    """The same pages in two languages, and one in English alone."""

    def __init__(self, languages: Mapping[str, tuple[str, str]], **cosines: float) -> None:
        known = {name.replace("_", "-"): cosine for name, cosine in cosines.items()}
        super().__init__({**dict.fromkeys(languages, 0.5), **known})
        self.languages = languages

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        self.asked.append((sparse, limit))
        known = dict.fromkeys(sparse.indices, 1)
        hits = []
        for key, (language, text) in self.languages.items():
            chunk = Chunk(key, text, "", "", key, key, 0, language)
            vector = sparse_passage(chunk.embedded_text, language)
            said = dict(zip(vector.indices, vector.values, strict=True))
            score = self._bm25(sparse, said, known, len(self.languages))
            hits.append(Hit(chunk, self.cosines[0][key], score))
        return Candidates(tuple(hits), len(hits), known)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Wie lange schlafen die Katzen an einem Tag?", "de-cats"),
        ("How long do the cats sleep in a day?", "en-cats"),
        ("Wo ist die Datei COPYING von Linux und was ist ihre licence?", "en-only"),
    ],
)
def test_questions_prefer_pages_in_their_language(question: str, first: str) -> None:
    found = ask(Library(LANGUAGES), question)
    assert keys(found)[0] == first
    assert len(keys(found)) == 3


@pytest.mark.parametrize(
    ("question", "nearest", "first"),
    [
        ("How long do those animals rest, and where?", "de_cats", "en-cats"),
        ("Wie lange ruhen sich diese Tiere aus und wo?", "en_cats", "de-cats"),
    ],
)
def test_a_little_more_meaning_does_not_outweigh_the_language(
    question: str, nearest: str, first: str
) -> None:
    pages = {key: LANGUAGES[key] for key in ("en-cats", "de-cats")}
    assert keys(ask(Library(pages, **{nearest: 0.55}), question))[0] == first
    assert keys(ask(Library(pages, **{nearest: 0.69}), question))[0] == nearest.replace("_", "-")


def test_words_are_searched_in_the_language_of_the_question() -> None:
    store = Library(LANGUAGES)
    question = "Was mögen die Katzen an den warmen Orten?"
    ask(store, question)
    assert [sparse for sparse, _ in store.asked] == [
        sparse_question(question, "en"),
        sparse_question(question, "de"),
    ]


def test_a_page_in_another_language_keeps_its_grade() -> None:
    only = {key: LANGUAGES[key] for key in ("de-cats", "en-only")}
    store = Library(only, de_cats=0.1, en_only=0.7)
    found = ask(store, "Wie ist es mit der Lizenz und in welcher Datei steht sie?")
    assert (keys(found)[0], found.grade) == ("en-only", "answer")


@pytest.mark.parametrize("question", ["cats", "Où est le chat et que fait-il dans la maison ?"])
def test_without_a_page_in_the_language_of_the_question_nothing_is_preferred(
    question: str,
) -> None:
    store = Library(LANGUAGES)
    ask(store, question)
    assert len(store.asked) == 1


def test_a_book_in_one_language_is_searched_once() -> None:
    store = Library({key: LANGUAGES[key] for key in ("en-cats", "en-only")})
    ask(store, "Wie lange schlafen die Katzen an einem Tag?")
    assert len(store.asked) == 1


def _found(*ids: str, score: float = 0.5) -> list[Passage]:
    return [
        Passage(Chunk(name, name, "", "", name, "a.md", n), score - n / 100)
        for n, name in enumerate(ids)
    ]


def test_results_are_fused_in_turns() -> None:
    first = _found("a", "b", "c", "d")
    others = [_found("x", "b"), _found("y"), _found("z", "a", score=0.9)]
    fused = fuse(first, others, 7)
    assert [p.chunk.chunk_id for p in fused] == ["a", "x", "b", "y", "c", "z", "d"]
    assert fused[0].score == pytest.approx(0.89)  # the best of its scores
    assert [p.chunk.chunk_id for p in fuse(first, [], 3)] == ["a", "b", "c"]
    assert [p.chunk.chunk_id for p in fuse([], others, 9)] == ["x", "y", "z", "b", "a"]
    assert fuse([], [], 5) == ()
