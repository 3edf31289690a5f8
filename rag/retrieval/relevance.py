"""How likely a chunk answers a question: by its meaning first, by its words second.

    relevance = MEANING × nearness + WORDS × share

nearness: the cosine on its embedder's scale, 0 for unrelated texts and 1 for the surely related.
share: the BM25 score as a share of the best score that any text could reach for the question.

One sum orders the passages and says whether the book answers at all. The weights and the limits
are fitted by `python -m bench.relevance`; the handbook shows what each part is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rag.language.tokens import K1
from rag.models import Candidates, Grade, SparseVector

MEANING, WORDS = 0.58, 0.42
NOTHING = 0.18
"""A best passage below this is far from all that the book says."""
ANSWER = 0.40
"""From here on the best passage probably answers; below it the passages are only the nearest."""


def relevance(
    question: SparseVector, found: Candidates, cosine_range: tuple[float, float]
) -> list[float]:
    """The relevance of each hit, in the order given: from 0 to about 1, not yet cut off there.

    Where the book has none of the question's words, as in another language, meaning decides
    alone.
    """
    best = best_score(question, found.document_frequencies, found.total)
    nearness = [on_scale(hit.dense, cosine_range) for hit in found.hits]
    if not best:
        return nearness
    return [
        MEANING * near + WORDS * hit.sparse / best
        for near, hit in zip(nearness, found.hits, strict=True)
    ]


def on_scale(cosine: float, cosine_range: tuple[float, float]) -> float:
    """A cosine on its embedder's scale: 0 for unrelated texts, 1 for surely related ones."""
    low, high = cosine_range
    return max(0.0, (cosine - low) / (high - low))


def best_score(
    question: SparseVector, document_frequencies: Mapping[int, int], total: int
) -> float:
    """The BM25 score of a text full of every word of the question; 0 where the book knows none.

    A saturated term reaches `K1 + 1` times its IDF. Words that the book does not know count:
    they make every passage less likely.
    """
    if not any(term in document_frequencies for term in question.indices):
        return 0.0
    return (K1 + 1) * sum(
        weight * idf(document_frequencies.get(term, 0), total)
        for term, weight in zip(question.indices, question.values, strict=True)
    )


def idf(frequency: int, total: int) -> float:
    """Inverse document frequency as Lucene and Qdrant compute it, always above 0."""
    return math.log1p((total - frequency + 0.5) / (frequency + 0.5))


def grade(best: float) -> Grade:
    """What the relevance of the best passage says about the book."""
    if best < NOTHING:
        return "nothing"
    return "answer" if best >= ANSWER else "nearest"


def clipped(scores: Sequence[float]) -> list[float]:
    """Scores as the HTTP contract shows them, 0 to 1."""
    return [min(1.0, max(0.0, score)) for score in scores]
