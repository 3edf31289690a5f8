"""Which passages carry an answer that cites none."""

from __future__ import annotations

from collections.abc import Sequence

from rag.language.sentences import sentences
from rag.language.tokens import sparse_question, term_hashes
from rag.models import Chunk, Passage

TERMS, SHARE = 5, 0.75
"""A sentence is carried by a passage that has this share of its terms, at least so many."""


def supporting(answer: str, question: str, passages: Sequence[Passage]) -> list[int]:
    """Numbers of the passages, from 1, that carry a sentence of the answer.

    Words of the question do not count: a sentence that says that the book is silent repeats
    them, and passages near the question have them.
    """
    said = [sentence for line in answer.splitlines() for sentence in sentences(line)]
    return [n for n, passage in enumerate(passages, 1) if _carries(passage.chunk, said, question)]


def _carries(chunk: Chunk, said: Sequence[str], question: str) -> bool:
    asked = term_hashes(question, chunk.language)
    there = term_hashes(f"{chunk.title} {chunk.section} {chunk.text}", chunk.language)
    for sentence in said:
        terms = set(sparse_question(sentence, chunk.language).indices) - asked
        if len(terms) >= TERMS and len(terms & there) >= SHARE * len(terms):
            return True
    return False
