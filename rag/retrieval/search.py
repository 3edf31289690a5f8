"""A question to the passages that answer it, best first.

One round trip to the vector store for each query brings the candidates by meaning and by words,
each with both scores; `relevance` orders them. A follow-up is searched for as it is and with the
question before it; the relevances of the two searches are averaged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rag.errors import UpstreamError
from rag.interfaces import Reranker, VectorStore
from rag.language.tokens import sparse_question
from rag.models import Chunk, Found, Passage
from rag.retrieval.relevance import clipped, grade, relevance

log = logging.getLogger(__name__)

CANDIDATES = 50
"""Candidates by each vector."""
RERANKED = 30
"""Candidates that a reranker sees."""


@dataclass(frozen=True, slots=True)
class Query:
    """A text to search for, with its embedding."""

    text: str
    vector: Sequence[float]


async def search(
    store: VectorStore,
    queries: Sequence[Query],
    limit: int,
    *,
    cosine_range: tuple[float, float],
    language: str = "en",
    reranker: Reranker | None = None,
) -> Found:
    """The best `limit` passages by falling relevance, never withheld, and their grade.

    `cosine_range` is the embedder's, `language` the book's. A reranker judges the best passages
    for the last query, the most complete one: its scores replace theirs, and only what it saw is
    returned. The grade stays that of the search, so that it means the same with any reranker.
    """
    results = await asyncio.gather(
        *(_scored(store, query, cosine_range, language) for query in queries)
    )
    chunks = {chunk_id: chunk for result in results for chunk_id, (chunk, _) in result.items()}
    scores = _averages(results, chunks)
    best_first = sorted(chunks, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
    found = Found(
        _passages(best_first[: max(limit, RERANKED)], chunks, scores),
        grade(scores[best_first[0]]) if best_first else "nothing",
    )
    if reranker is not None:
        found = await _reranked(reranker, queries[-1].text, found)
    return replace(found, passages=found.passages[:limit])


async def _scored(
    store: VectorStore, query: Query, cosine_range: tuple[float, float], language: str
) -> dict[str, tuple[Chunk, float]]:
    """The candidates of one query with their relevance, by chunk id."""
    sparse = sparse_question(query.text, language)
    candidates = await store.candidates(query.vector, sparse, CANDIDATES)
    scores = relevance(sparse, candidates, cosine_range)
    return {
        hit.chunk.chunk_id: (hit.chunk, score)
        for hit, score in zip(candidates.hits, scores, strict=True)
    }


def _averages(
    results: Sequence[dict[str, tuple[Chunk, float]]], chunks: Iterable[str]
) -> dict[str, float]:
    """The mean relevance over all queries. Where one did not find a chunk, its worst counts."""
    worst = [min((score for _, score in result.values()), default=0.0) for result in results]
    return {
        chunk_id: sum(
            result[chunk_id][1] if chunk_id in result else least
            for result, least in zip(results, worst, strict=True)
        )
        / len(results)
        for chunk_id in chunks
    }


def _passages(
    ids: Sequence[str], chunks: dict[str, Chunk], scores: dict[str, float]
) -> tuple[Passage, ...]:
    shown = clipped([scores[chunk_id] for chunk_id in ids])
    return tuple(Passage(chunks[i], score) for i, score in zip(ids, shown, strict=True))


async def _reranked(reranker: Reranker, question: str, found: Found) -> Found:
    """The passages in the reranker's order; as they are where it is down."""
    passages = found.passages[:RERANKED]
    try:
        scores = await reranker.rerank(question, [p.chunk.embedded_text for p in passages])
    except UpstreamError as error:
        log.warning("passages are not reranked: %s", error)
        return found
    judged = [Passage(p.chunk, score) for p, score in zip(passages, scores, strict=True)]
    judged.sort(key=lambda passage: (-passage.score, passage.chunk.chunk_id))
    return replace(found, passages=tuple(judged))
