"""A question to the passages that answer it: search, fusion, calibrated relevance.

The dense and the sparse scores of the candidates are brought to one scale and added (score
fusion; reciprocal ranks lose what the scores know). Relevance is judged apart from the order:
by how much of the question a passage covers and how near its meaning is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from rag.text import sentences, sparse_question, term_hashes
from rag.types import (
    Candidates,
    Embedder,
    Hit,
    Passage,
    Reranker,
    SparseVector,
    VectorStore,
)

CANDIDATES = 50
"""Candidates by each vector."""
JUDGED = 10
"""Candidates that are looked at closely, or that a reranker sees."""
DENSE_WEIGHT = 0.5
SLOPE, MIDDLE = 8.0, 0.63
RELEVANT = 0.2
"""Where the best passage has less relevance, the book has no answer."""
HIGHLIGHT_LIMIT = 300
"""Characters of the highlighted text that are searched with: its beginning."""
HINT_WEIGHT = 0.3


async def find(
    embedder: Embedder,
    store: VectorStore,
    question: str,
    limit: int,
    *,
    language: str = "en",
    highlighted: str = "",
    least: float = RELEVANT,
    reranker: Reranker | None = None,
) -> list[Passage]:
    """Embed the question and `search` with it."""
    vector = await embedder.embed_question(question)
    return await search(
        store,
        vector,
        question,
        limit,
        cosine_range=embedder.cosine_range,
        language=language,
        highlighted=highlighted,
        least=least,
        reranker=reranker,
    )


async def search(
    store: VectorStore,
    vector: Sequence[float],
    question: str,
    limit: int,
    *,
    cosine_range: tuple[float, float],
    language: str = "en",
    highlighted: str = "",
    least: float = RELEVANT,
    reranker: Reranker | None = None,
) -> list[Passage]:
    """The best `limit` passages in descending score; [] where the best has less than `least`.

    `vector` is the embedded question, `cosine_range` its embedder's. What the reader has
    highlighted adds its words with a small weight. A reranker's relevance replaces both the
    order and the score; with it, only the passages it sees are considered.
    """
    asked = sparse_question(question, language)
    hint = sparse_question(highlighted[:HIGHLIGHT_LIMIT], language)
    found = await store.candidates(vector, blend(asked, hint), CANDIDATES)
    ranked = sorted(
        zip(fuse(found.hits, cosine_range), found.hits, strict=True),
        key=lambda pair: (-pair[0], pair[1].chunk.chunk_id),
    )
    hits = [hit for _, hit in ranked[: max(limit, JUDGED)]]
    if reranker is None:
        weights = term_weights(asked, found)
        judged = calibrate([evidence(weights, hit, cosine_range) for hit in hits])
        # The order is the fusion's; no passage scores less than one ranked below it.
        scores = list(accumulate(reversed(judged), max))[::-1]
    else:
        scores = list(await reranker.rerank(question, [hit.chunk.embedded_text for hit in hits]))
        order = sorted(range(len(hits)), key=lambda i: (-scores[i], hits[i].chunk.chunk_id))
        hits, scores = [hits[i] for i in order], [scores[i] for i in order]
    if not hits or scores[0] < least:
        return []
    return [Passage(hit.chunk, score) for hit, score in zip(hits, scores, strict=True)][:limit]


def fuse(hits: Sequence[Hit], cosine_range: tuple[float, float]) -> list[float]:
    """A score for each hit, 0 to 1: its cosine and its BM25 score, each as a share of the best.

    Both scales begin where nothing is related, so that a score does not depend on how many
    candidates there are. A side that found nothing adds nothing.
    """
    unrelated = cosine_range[0]
    dense = _shares([hit.dense - unrelated for hit in hits])
    sparse = _shares([hit.sparse for hit in hits])
    return [DENSE_WEIGHT * d + (1 - DENSE_WEIGHT) * s for d, s in zip(dense, sparse, strict=True)]


def _shares(scores: list[float]) -> list[float]:
    best = max(scores, default=0.0)
    return [max(0.0, score / best) if best > 0 else 0.0 for score in scores]


def term_weights(question: SparseVector, found: Candidates) -> dict[int, float]:
    """How much each term of the question matters: its weight times its IDF in the book."""
    return {
        term: weight * idf(found.document_frequencies.get(term, 0), found.total)
        for term, weight in zip(question.indices, question.values, strict=True)
    }


def idf(frequency: int, total: int) -> float:
    """Inverse document frequency as Lucene and Qdrant compute it, always above 0."""
    return math.log1p((total - frequency + 0.5) / (frequency + 0.5))


def evidence(weights: Mapping[int, float], hit: Hit, cosine_range: tuple[float, float]) -> float:
    """How strongly a passage seems to answer, from 0 up to 1, before calibration.

    The mean of three: how much of the question stands in the passage with its titles, how
    much in its best sentence, and the cosine on its embedder's own scale.
    """
    chunk = hit.chunk
    low, high = cosine_range
    nearness = min(1.0, max(0.0, (hit.dense - low) / (high - low)))
    total = sum(weights.values())
    if not total:
        return nearness
    per_sentence = [term_hashes(sentence, chunk.language) for sentence in sentences(chunk.text)]
    everywhere = term_hashes(f"{chunk.title} {chunk.section}", chunk.language).union(*per_sentence)

    def covered(terms: set[int]) -> float:
        return sum(weight for term, weight in weights.items() if term in terms) / total

    best = max(map(covered, per_sentence), default=0.0)
    return (covered(everywhere) + best + nearness) / 3


def calibrate(evidences: Sequence[float]) -> list[float]:
    """Evidence to relevance between 0 and 1, by logistic regression.

    What stands out from the other candidates is more likely the answer, so that the lead
    over the runners-up (second to sixth) counts too.
    """
    runners_up = sorted(evidences, reverse=True)[1:6]
    level = sum(runners_up) / len(runners_up) if runners_up else 0.0
    return [1 / (1 + math.exp(SLOPE * (MIDDLE - 2 * value + level))) for value in evidences]


def blend(question: SparseVector, hint: SparseVector) -> SparseVector:
    """The question's terms, and those of a hint together weighing HINT_WEIGHT of them."""
    if not hint.indices:
        return question
    share = HINT_WEIGHT * sum(question.values) / sum(hint.values)
    weights = dict(zip(hint.indices, (share * value for value in hint.values), strict=True))
    weights.update(zip(question.indices, question.values, strict=True))
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))
