"""A question to the passages that answer it: search, fusion, calibrated relevance.

The dense and the sparse scores of the candidates are brought to one scale and added (score
fusion; reciprocal ranks lose what the scores know). A page with several candidates lifts each of
them, and so does a heading that is the question, or the definition that it asks for. The best are
read closely: a sentence that speaks of the whole question lifts its passage. Relevance is judged
apart from the order: by how much of the question a passage covers and how near its meaning is.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from rag.definitions import definition
from rag.spelling import may_be_slip, respelt
from rag.text import alike, content_words, sentences, sparse_question, subject_terms, term_hashes
from rag.types import (
    Candidates,
    Chunk,
    Embedder,
    Hit,
    Passage,
    Reranker,
    SparseVector,
    UpstreamError,
    VectorStore,
)

log = logging.getLogger(__name__)

CANDIDATES = 50
"""Candidates by each vector."""
JUDGED = 10
"""Candidates that are looked at closely, or that a reranker sees."""
DENSE_WEIGHT = 0.5
SENTENCE_WEIGHT = 0.3
"""Of what the best sentence covers, beside a fused score between 0 and 1."""
PAGE_WEIGHT = 0.15
"""Of the page around a passage: what its two best other candidates score on average."""
HEADING_WEIGHT = 0.3
"""Of a heading that is the question itself."""
DEFINITION_WEIGHT = 0.3
"""Of a passage that defines what a question asks to be defined."""
LEAD = 0.5
"""How much the runners-up count against a passage, which itself counts 2."""
SLOPE, MIDDLE = 7.3, 0.8
RELEVANT = 0.1
"""Where the best passage has less relevance, the book has no answer."""
HIGHLIGHT_LIMIT = 300
"""Characters of the highlighted text that are searched with: its beginning."""
HINT_WEIGHT = 0.3
MEANING_ALONE = 0.6
"""Strength of a passage that says the same without sharing a word."""
UNKNOWN = 0.5
"""How much a question loses whose words the book has nowhere, unless its meaning is near."""
MISSPELT = 0.25
"""Weight of a word that the book does not know, beside the one that it seems to be a slip of."""


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
    terms = asked.indices
    if meant := respell(question, language, found):
        asked = meant
        found = await store.candidates(vector, blend(asked, hint), CANDIDATES)
    fused = in_context(found.hits, fuse(found.hits, cosine_range))
    gains = speaks_of(question, terms, language, found.hits)
    fused = [score + gain for score, gain in zip(fused, gains, strict=True)]
    order = sorted(range(len(fused)), key=lambda i: (-fused[i], found.hits[i].chunk.chunk_id))
    order = order[: max(limit, JUDGED)]
    hits = [found.hits[i] for i in order]
    reranked = await _reranked(reranker, question, hits)
    if reranked is None:
        weights = term_weights(asked, found)
        unknown = unknown_share(weights, found)
        seen = [examine(weights, hit, cosine_range, unknown) for hit in hits]
        value = [fused[i] + SENTENCE_WEIGHT * e.sentence for i, e in zip(order, seen, strict=True)]
        judged = calibrate([e.strength for e in seen])
    else:
        value = judged = reranked
    best_first = sorted(range(len(hits)), key=lambda i: (-value[i], hits[i].chunk.chunk_id))
    # No passage scores less than one ranked below it.
    scores = list(accumulate((judged[i] for i in reversed(best_first)), max))[::-1]
    if not scores or scores[0] < least:
        return []
    return [Passage(hits[i].chunk, s) for i, s in zip(best_first, scores, strict=True)][:limit]


def respell(question: str, language: str, found: Candidates) -> SparseVector | None:
    """The question with words that the book does not know replaced by what they seem to mean.

    Such a word stays too, with less weight, so that the answer is the less sure. None where
    nothing is misspelt.
    """
    known = found.document_frequencies.keys()
    words = content_words(question, language)
    unknown = [
        word for word in words if may_be_slip(word) and not known & term_hashes(word, language)
    ]
    if not unknown:
        return None
    texts = [f"{hit.chunk.title} {hit.chunk.section} {hit.chunk.text}" for hit in found.hits]
    slips = {word: meant for word in unknown if (meant := respelt(word, texts))}
    if not slips:
        return None
    corrected = sparse_question(" ".join(slips.get(word, word) for word in words), language)
    weights = {
        term: MISSPELT * value
        for word in slips
        for term, value in _items(sparse_question(word, language))
    }
    return _vector(weights | dict(_items(corrected)))


def _items(vector: SparseVector) -> Iterator[tuple[int, float]]:
    return zip(vector.indices, vector.values, strict=True)


def _vector(weights: Mapping[int, float]) -> SparseVector:
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[i] for i in indices))


async def _reranked(
    reranker: Reranker | None, question: str, hits: Sequence[Hit]
) -> list[float] | None:
    """The reranker's scores; None where there is no reranker, or it is down."""
    if reranker is None:
        return None
    try:
        return list(await reranker.rerank(question, [hit.chunk.embedded_text for hit in hits]))
    except UpstreamError as error:
        log.warning("passages are not reranked: %s", error)
        return None


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


def in_context(hits: Sequence[Hit], scores: Sequence[float]) -> list[float]:
    """Each hit's score and a share of its page's: what stands among what is near is nearer.

    A passage need not name its subject, which the page around it does (Callan 1994). Pages are
    told by their titles; what has none stands alone.
    """
    pages: dict[str, list[float]] = {}
    for hit, score in zip(hits, scores, strict=True):
        pages.setdefault(_page(hit.chunk), []).append(score)
    best = {title: heapq.nlargest(3, page) for title, page in pages.items()}
    return [
        score + PAGE_WEIGHT * _others(best[_page(hit.chunk)], score) / 2
        for hit, score in zip(hits, scores, strict=True)
    ]


def _page(chunk: Chunk) -> str:
    return chunk.title or chunk.chunk_id


def _others(best: Sequence[float], score: float) -> float:
    """The sum of the two best besides one that may be among them."""
    return sum(best) - score if score >= best[-1] else sum(best[:2])


def speaks_of(
    question: str, terms: Iterable[int], language: str, hits: Sequence[Hit]
) -> list[float]:
    """What each hit gains by being about just this: its heading, or a definition in it.

    `terms` are the question's.
    """
    asked = frozenset(terms)
    defines = definition(question, language)
    gains = []
    for hit in hits:
        heading = hit.chunk.section.rsplit(" › ", 1)[-1] or hit.chunk.title
        gain = HEADING_WEIGHT * alike(asked, subject_terms(heading, hit.chunk.language)) ** 2
        if defines:
            gain += DEFINITION_WEIGHT * defines(hit.chunk.text)
        gains.append(gain)
    return gains


def term_weights(question: SparseVector, found: Candidates) -> dict[int, float]:
    """How much each term of the question matters: its weight times its IDF in the book."""
    return {
        term: weight * idf(found.document_frequencies.get(term, 0), found.total)
        for term, weight in zip(question.indices, question.values, strict=True)
    }


def unknown_share(weights: Mapping[int, float], found: Candidates) -> float:
    """How much of the question is in words that the book has nowhere, 0 to 1.

    0 for an index that does not record which words it has, and for a question without words.
    """
    known = found.document_frequencies
    if not (known and weights):
        return 0.0
    return sum(weight for term, weight in weights.items() if term not in known) / sum(
        weights.values()
    )


def idf(frequency: int, total: int) -> float:
    """Inverse document frequency as Lucene and Qdrant compute it, always above 0."""
    return math.log1p((total - frequency + 0.5) / (frequency + 0.5))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a passage, each from 0 to 1. Terms count by their weight and IDF."""

    covered: float
    """Share of the question that stands in the passage with its titles."""
    sentence: float
    """Share that stands in its best sentence with its titles."""
    alone: float
    """Share that stands in its best sentence alone."""
    nearness: float
    """The cosine on its embedder's own scale."""
    unknown: float = 0.0
    """Share that stands nowhere in the book."""

    @property
    def strength(self) -> float:
        """Their mean, in which words and meaning together count once more.

        Meaning alone is enough only where it is really near, as between languages.
        """
        together = self.covered * self.nearness
        mean = (self.covered + self.alone + self.nearness + together) / 4
        mean *= 1 - UNKNOWN * self.unknown * (1 - self.nearness)
        return max(mean, MEANING_ALONE * self.nearness**4)


def examine(
    weights: Mapping[int, float],
    hit: Hit,
    cosine_range: tuple[float, float],
    unknown: float = 0.0,
) -> Evidence:
    """Read a passage closely. `weights` are `term_weights`; without any, nearness is all."""
    low, high = cosine_range
    nearness = min(1.0, max(0.0, (hit.dense - low) / (high - low)))
    total = sum(weights.values())
    if not total:
        return Evidence(nearness, nearness, nearness, nearness)

    def share(terms: set[int]) -> float:
        return sum(weights[term] for term in terms) / total

    chunk = hit.chunk
    titles, *found = (
        weights.keys() & terms
        for terms in _terms(f"{chunk.title} {chunk.section}", chunk.text, chunk.language)
    )
    return Evidence(
        covered=share(titles.union(*found)),
        sentence=max((share(titles | terms) for terms in found), default=0.0),
        alone=max(map(share, found), default=0.0),
        nearness=nearness,
        unknown=unknown,
    )


@lru_cache(maxsize=1024)
def _terms(titles: str, text: str, language: str) -> list[frozenset[int]]:
    """The terms of the titles, and of each sentence."""
    return [frozenset(term_hashes(part, language)) for part in (titles, *sentences(text))]


def calibrate(strengths: Sequence[float]) -> list[float]:
    """Strength of evidence to relevance between 0 and 1, by logistic regression.

    What stands out from the other candidates is more likely the answer, so that the lead
    over the runners-up (second to fourth) counts too.
    """
    runners_up = sorted(strengths, reverse=True)[1:4]
    level = sum(runners_up) / len(runners_up) if runners_up else 0.0
    return [1 / (1 + math.exp(SLOPE * (MIDDLE - 2 * s + LEAD * level))) for s in strengths]


def blend(question: SparseVector, hint: SparseVector) -> SparseVector:
    """The question's terms, and those of a hint together weighing HINT_WEIGHT of them."""
    if not hint.indices:
        return question
    share = HINT_WEIGHT * sum(question.values) / sum(hint.values)
    weights = {term: share * value for term, value in _items(hint)}
    return _vector(weights | dict(_items(question)))
