"""Check the citations of a finished answer against the passages, without a model.

Each statement is compared with the passage it cites by its content words. If another passage of
the answer contains clearly more of them, the number is put right. If no passage contains any of
them, the statement is unsupported.

An answer in another language than the passages shares few words with them, if any. Then nothing
is clearly better, and statements that share no word are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from rag.answering.citation_filter import CitationFilter, replace_markers
from rag.answering.claims import find_markers
from rag.language.detect import is_in_other_language
from rag.language.sentences import sentences
from rag.language.tokens import sparse_question, term_hashes
from rag.models import Chunk, Passage

MIN_TERMS = 3
"""A statement of fewer content words can be in any passage."""
MIN_SHARE = 0.5
"""Share of a statement's content words that a passage must contain to be cited instead."""
MIN_LEAD = 0.3
"""How much larger this share must be than with the passage that the model cited.

On 160 hand-written answers to questions about four manuals, compared with the ten passages found,
the limits change the number of a right citation in 2% and put a wrong one right in 64%."""
MIN_SUPPORTED_TERMS, SUPPORTED_SHARE = 5, 0.75
"""Content words of a sentence, and the share of them that a passage which supports it contains."""


class CheckedAnswer(NamedTuple):
    """An answer whose citations were checked."""

    text: str
    unsupported: int = 0
    """Number of cited statements of which no passage contains a content word."""

    def cited(self, count: int) -> list[int]:
        """Return the numbers cited, ascending, of `count` passages."""
        citations = CitationFilter(count)
        citations.flush(self.text)
        return sorted(citations.cited)


def check_citations(text: str, passages: Sequence[Passage], language: str) -> CheckedAnswer:
    """Check the markers `[n]` of an answer, which cite the n-th passage, from 1.

    `language` is that of the book.
    """

    terms = {n: _terms(passage.chunk, language) for n, passage in enumerate(passages, 1)}
    numbers: dict[int, list[int]] = {n: [] for n in terms}
    written: list[int] = []
    expected: list[int] = []
    unsupported = 0
    # Markdown and the citation filter may disagree on what is code, so any number may be there.
    found = [marker for marker in find_markers(text) if marker.number in terms]
    for claim, markers in groupby(found, key=lambda marker: marker.claim):
        group = [marker.number for marker in markers]
        stated = _last_statement(claim, language)
        unsupported += bool(stated) and all(map(stated.isdisjoint, terms.values()))
        corrected = _correct_numbers(group, stated, terms)
        written += group
        expected += corrected
        for number, right in zip(group, corrected, strict=True):
            numbers[number].append(right)
    if unsupported and is_in_other_language(text, language):
        unsupported = 0
    if expected != written:
        checked = replace_markers(text, numbers)
        if [
            marker.number for marker in find_markers(checked) if marker.number in terms
        ] == expected:
            text = checked
    return CheckedAnswer(text, unsupported)


def _correct_numbers(
    group: Sequence[int], stated: set[int], terms: Mapping[int, frozenset[int]]
) -> list[int]:
    """Return the numbers that the markers behind one statement should have."""
    corrected = list(group)
    if len(stated) < MIN_TERMS:
        return corrected
    for at, number in enumerate(corrected):
        beside = {term for n in corrected if n != number for term in stated & terms[n]}
        shares = {n: len(beside | stated & held) / len(stated) for n, held in terms.items()}
        best = max(shares, key=shares.__getitem__)
        needed = max(MIN_SHARE, shares[number] + MIN_LEAD)
        if shares[best] >= needed and best not in corrected:
            corrected[at] = best
    return corrected


def _last_statement(claim: str, language: str) -> set[int]:
    """Return the content words of a claim's last sentence, or of all if it has few."""
    found = sentences(claim)
    last = _content_words(found[-1] if found else "", language)
    return last if len(last) >= MIN_TERMS else _content_words(claim, language)


def supporting_passages(answer: str, question: str, passages: Sequence[Passage]) -> list[int]:
    """Return the numbers, from 1, of the passages that support an answer without citations.

    Words of the question are ignored. A sentence that says the book has no answer repeats them, and
    so do passages close to the question.
    """
    stated = [sentence for line in answer.splitlines() for sentence in sentences(line)]

    def supports(chunk: Chunk) -> bool:
        asked, held = term_hashes(question, chunk.language), _terms(chunk, chunk.language)
        return any(
            len(terms) >= MIN_SUPPORTED_TERMS and len(terms & held) >= SUPPORTED_SHARE * len(terms)
            for terms in (_content_words(sentence, chunk.language) - asked for sentence in stated)
        )

    return [n for n, passage in enumerate(passages, 1) if supports(passage.chunk)]


def _content_words(text: str, language: str) -> set[int]:
    return set(sparse_question(text, language).indices)


@lru_cache(maxsize=256)
def _terms(chunk: Chunk, language: str) -> frozenset[int]:
    """Return the terms of a passage. Cached, because questions find the same passages again."""
    return frozenset(term_hashes(f"{chunk.title} {chunk.section} {chunk.text}", language))
