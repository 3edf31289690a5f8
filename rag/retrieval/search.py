"""Hybrid search: find the passages that answer a question, best first.

Each query takes one round trip to the vector store, which returns dense and sparse candidates, each
with both scores. `relevance` combines the scores. A question may have a second query, with its
context. The relevances are averaged, but where the question alone gives a higher one, that counts:
many a question in a conversation has nothing to do with the one before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rag.errors import UpstreamError
from rag.interfaces import Reranker, TokenMatcher, VectorStore
from rag.language.detect import guess_language, primary_subtag
from rag.language.tokens import sparse_question
from rag.models import Chunk, Passage, SearchResult
from rag.retrieval.relevance import clip, grade, relevance, word_relevance

log = logging.getLogger(__name__)

CANDIDATES = 50
"""Number of candidates per vector."""
RERANKED = 30
"""Number of passages that are sent to the reranker."""
MATCHED = 8
"""Number of passages that are compared with the question token by token."""
MATCH_WEIGHT = 1.0
"""Weight of the similarity by tokens, relative to the relevance. With 2, four manuals gain a point
at the first place, but SciFact loses half a point (nDCG@10 0.728 for 0.733)."""
FOREIGN = 0.8
"""Factor for passages in another language than the question, if others are in its language."""


@dataclass(frozen=True, slots=True)
class Query:
    """A text to search for and its embedding."""

    text: str
    vector: Sequence[float]
    words_only: bool = False
    """Whether the text has no embedding. `vector` is then any unit vector, and is not scored."""
    in_other_language: bool = False
    """Whether its language is another one than the book's, and the embedder knows both."""


async def search(
    store: VectorStore,
    queries: Sequence[Query],
    limit: int,
    *,
    cosine_range: tuple[float, float],
    language: str = "en",
    second_stage: Reranker | TokenMatcher | None = None,
) -> SearchResult:
    """Return the best `limit` passages, in descending relevance, and their grade.

    The first query is the question alone, the last one has its context. Passages are returned even
    if their relevance is low. `cosine_range` is that of the embedder, `language` that of the book.

    The second stage compares the best passages with the question again. A reranker gets the last
    query. Its scores replace the relevance, and only reranked passages are returned. A matcher gets
    the first query, because it would match the words of the context as well, and sorts the very
    best again. The grade does not depend on it, so that it always means the same. If the chunks
    found are in several languages, those in the language of the last query come first.
    """
    wanted = max(limit, CANDIDATES)
    results = await asyncio.gather(
        *(_score_candidates(store, query, cosine_range, language, wanted) for query in queries)
    )
    chunks = {chunk_id: chunk for result in results for chunk_id, (chunk, _) in result.items()}
    scores = _combine_scores(results, chunks)
    preferred = _prefer_language(scores, chunks, queries[-1].text)
    best_first = sorted(chunks, key=lambda chunk_id: (-preferred[chunk_id], chunk_id))
    found = SearchResult(
        _passages(best_first[: max(limit, RERANKED)], chunks, preferred),
        grade(scores[best_first[0]]) if best_first else "nothing",
    )
    if isinstance(second_stage, TokenMatcher):
        found = await _match(second_stage, queries[0].text, found)
    elif second_stage is not None:
        found = await _rerank(second_stage, queries[-1].text, found)
    return replace(found, passages=found.passages[:limit])


async def _score_candidates(
    store: VectorStore,
    query: Query,
    cosine_range: tuple[float, float],
    language: str,
    limit: int,
) -> dict[str, tuple[Chunk, float]]:
    """Return the candidates of one query and their relevance, by chunk id."""
    sparse = sparse_question(query.text, language)
    candidates = await store.candidates(query.vector, sparse, limit)
    asked = _asked_language(query.text, (hit.chunk for hit in candidates.hits))
    if asked not in ("", primary_subtag(language)):  # its words have other stems
        sparse = sparse_question(query.text, asked)
        candidates = await store.candidates(query.vector, sparse, limit)
    if query.words_only:
        scores = word_relevance(sparse, candidates)
    else:
        scores = relevance(
            sparse, candidates, cosine_range, in_other_language=query.in_other_language
        )
    return {
        hit.chunk.chunk_id: (hit.chunk, score)
        for hit, score in zip(candidates.hits, scores, strict=True)
        if score or not query.words_only
    }


def _asked_language(question: str, chunks: Iterable[Chunk]) -> str:
    """Return the question's language if the chunks are in that one and in others, else ""."""
    languages = {primary_subtag(chunk.language) for chunk in chunks}
    asked = primary_subtag(guess_language(question, "")) if len(languages) > 1 else ""
    return asked if asked in languages else ""


def _prefer_language(
    scores: dict[str, float], chunks: dict[str, Chunk], question: str
) -> dict[str, float]:
    """Lower the scores of chunks in another language than the question."""
    asked = _asked_language(question, chunks.values())
    if not asked:
        return scores
    return {
        chunk_id: score * (1 if primary_subtag(chunks[chunk_id].language) == asked else FOREIGN)
        for chunk_id, score in scores.items()
    }


def _combine_scores(
    results: Sequence[dict[str, tuple[Chunk, float]]], chunks: Iterable[str]
) -> dict[str, float]:
    """Return each chunk's relevance: the average over all queries, at least that for the first.

    A query that missed a chunk adds its lowest score to the average.
    """
    worst = [min((score for _, score in result.values()), default=0.0) for result in results]
    combined: dict[str, float] = {}
    for chunk_id in chunks:
        scores = [
            result[chunk_id][1] if chunk_id in result else least
            for result, least in zip(results, worst, strict=True)
        ]
        combined[chunk_id] = max(scores[0], sum(scores) / len(scores))
    return combined


def fuse(
    first: Sequence[Passage], others: Sequence[Sequence[Passage]], limit: int
) -> tuple[Passage, ...]:
    """Combine a first result with further ones, each best first.

    Every other place belongs to the first result; the others share the rest in turns. A passage
    keeps its best score.
    """
    in_turns = [p for row in zip_longest(*others) for p in row if p is not None]
    alternating = (p for pair in zip_longest(first, in_turns) for p in pair if p is not None)
    found: dict[str, Passage] = {}
    for passage in alternating:
        known = found.setdefault(passage.chunk.chunk_id, passage)
        if passage.score > known.score:
            found[passage.chunk.chunk_id] = passage
    return tuple(found.values())[:limit]


def _passages(
    ids: Sequence[str], chunks: dict[str, Chunk], scores: dict[str, float]
) -> tuple[Passage, ...]:
    shown = clip([scores[chunk_id] for chunk_id in ids])
    return tuple(Passage(chunks[i], score) for i, score in zip(ids, shown, strict=True))


async def _rerank(reranker: Reranker, question: str, found: SearchResult) -> SearchResult:
    """Sort the passages by the reranker's scores. If it fails, return them unchanged."""
    passages = found.passages[:RERANKED]
    try:
        scores = await reranker.rerank(question, [p.chunk.embedded_text for p in passages])
    except UpstreamError as error:
        log.warning("reranking failed: %s", error)
        return found
    judged = [Passage(p.chunk, score) for p, score in zip(passages, scores, strict=True)]
    judged.sort(key=lambda passage: (-passage.score, passage.chunk.chunk_id))
    return replace(found, passages=tuple(judged))


async def _match(matcher: TokenMatcher, question: str, found: SearchResult) -> SearchResult:
    """Sort the best passages by relevance and similarity by tokens together.

    The scores stay where they are: the first passage has the highest relevance that was found.
    """
    best = found.passages[:MATCHED]
    if len(best) < 2:
        return found
    alike = await matcher.max_sim(question, [p.chunk.embedded_text for p in best])
    order = sorted(range(len(best)), key=lambda n: -(best[n].score + MATCH_WEIGHT * alike[n]))
    matched = (replace(best[n], score=p.score) for p, n in zip(best, order, strict=True))
    return replace(found, passages=(*matched, *found.passages[MATCHED:]))
