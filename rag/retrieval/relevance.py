"""Score how likely a chunk answers a question, from its dense and sparse scores.

    relevance = DENSE_WEIGHT × dense + SPARSE_WEIGHT × sparse

dense: the cosine, scaled per embedder to 0 for unrelated and 1 for closely related texts.
sparse: the BM25 score divided by the highest score that any text could reach for the question.

Relevance ranks the passages and decides whether the book has an answer. Weights and thresholds are
fitted by `python -m bench.relevance`. The handbook shows the contribution of each part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rag.language.tokens import K1
from rag.models import Candidates, Grade, SparseVector

DENSE_WEIGHT, SPARSE_WEIGHT = 0.58, 0.42
NOTHING = 0.18
"""If the best passage scores below this, the book has nothing on the question."""
ANSWER = 0.40
"""If the best passage scores at least this, it probably contains the answer."""


def relevance(
    question: SparseVector,
    found: Candidates,
    cosine_range: tuple[float, float],
    *,
    in_other_language: bool = False,
) -> list[float]:
    """Return the relevance of each hit, in order: from 0 to about 1, not yet clipped.

    If the book contains none of the question's words, only the dense score counts. If the question
    is in another language than the book, it shares few words with any passage, some by accident.
    Then meaning decides, and shared words, such as names, raise it in proportion.
    """
    best = best_bm25(question, found.document_frequencies, found.total)
    nearness = [scale_cosine(hit.dense, cosine_range) for hit in found.hits]
    if not best:
        return nearness
    shares = [hit.sparse / best for hit in found.hits]
    pairs = zip(nearness, shares, strict=True)
    if in_other_language:
        return [near * (1 + SPARSE_WEIGHT * share) for near, share in pairs]
    return [DENSE_WEIGHT * near + SPARSE_WEIGHT * share for near, share in pairs]


def word_relevance(question: SparseVector, found: Candidates) -> list[float]:
    """Return the relevance of each hit, in order, by its words alone."""
    best = best_bm25(question, found.document_frequencies, found.total)
    return [hit.sparse / best if best else 0.0 for hit in found.hits]


def scale_cosine(cosine: float, cosine_range: tuple[float, float]) -> float:
    """Scale a cosine to 0 for unrelated and 1 for closely related texts. It may exceed 1."""
    low, high = cosine_range
    return max(0.0, (cosine - low) / (high - low))


def best_bm25(question: SparseVector, document_frequencies: Mapping[int, int], total: int) -> float:
    """Return the highest possible BM25 score for a question, or 0 if the book has none of its
    words.

    A saturated term scores `K1 + 1` times its IDF. Words that are not in the book count as well,
    which makes every passage less likely to answer.
    """
    if not any(term in document_frequencies for term in question.indices):
        return 0.0
    return (K1 + 1) * sum(
        weight * idf(document_frequencies.get(term, 0), total)
        for term, weight in zip(question.indices, question.values, strict=True)
    )


def idf(frequency: int, total: int) -> float:
    """Return the inverse document frequency, as Lucene and Qdrant compute it. Always positive."""
    return math.log1p((total - frequency + 0.5) / (frequency + 0.5))


def grade(best: float) -> Grade:
    """Grade a search result by the relevance of its best passage."""
    if best < NOTHING:
        return "nothing"
    return "answer" if best >= ANSWER else "nearest"


def clip(scores: Sequence[float]) -> list[float]:
    """Clip scores to the range from 0 to 1."""
    return [min(1.0, max(0.0, score)) for score in scores]
