"""Find the passages that support an answer without citations."""

from __future__ import annotations

from collections.abc import Sequence

from rag.language.sentences import sentences
from rag.language.tokens import sparse_question, term_hashes
from rag.models import Chunk, Passage

MIN_TERMS, MIN_SHARE = 5, 0.75
"""A passage supports a sentence of at least MIN_TERMS terms if it contains MIN_SHARE of them."""


def supporting_passages(answer: str, question: str, passages: Sequence[Passage]) -> list[int]:
    """Return the numbers, from 1, of the passages that support a sentence of the answer.

    Words of the question are ignored. A sentence that says the book has no answer repeats them, and
    so do passages close to the question.
    """
    stated = [sentence for line in answer.splitlines() for sentence in sentences(line)]
    return [
        n for n, passage in enumerate(passages, 1) if _supports(passage.chunk, stated, question)
    ]


def _supports(chunk: Chunk, stated: Sequence[str], question: str) -> bool:
    asked = term_hashes(question, chunk.language)
    in_chunk = term_hashes(f"{chunk.title} {chunk.section} {chunk.text}", chunk.language)
    for sentence in stated:
        terms = set(sparse_question(sentence, chunk.language).indices) - asked
        if len(terms) >= MIN_TERMS and len(terms & in_chunk) >= MIN_SHARE * len(terms):
            return True
    return False
