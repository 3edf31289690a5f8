"""Check the citations of a finished answer against the passages, without a model.

Each statement is compared with the passage it cites by its content words. If another passage of
the answer contains clearly more of them, the number is put right. If no passage contains any of
them, the statement is unsupported.

An answer in another language than the passages shares few words with them, if any. Then nothing
is clearly better, and statements that share no word are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from rag.answering.citation_filter import CitationFilter, replace_markers
from rag.answering.claims import find_markers
from rag.language.detect import is_in_other_language
from rag.language.sentences import sentences
from rag.language.tokens import sparse_question, term_hashes
from rag.models import Passage

MIN_TERMS = 3
"""A statement of fewer content words can be in any passage."""
MIN_SHARE = 0.5
"""Share of a statement's content words that a passage must contain to be cited instead."""
MIN_LEAD = 0.3
"""How much larger this share must be than with the passage that the model cited.

On 160 hand-written answers to questions about four manuals, compared with the ten passages found,
the limits change the number of a right citation in 2% and put a wrong one right in 64%."""


class CheckedAnswer(NamedTuple):
    """An answer whose citations were checked."""

    text: str
    unsupported: int = 0
    """Number of cited statements of which no passage contains a content word."""

    def cited(self, count: int) -> list[int]:
        """Return the numbers cited, ascending, of `count` passages."""
        citations = CitationFilter(count)
        citations.feed(self.text)
        citations.flush()
        return sorted(citations.cited)


def check_citations(text: str, passages: Sequence[Passage], language: str) -> CheckedAnswer:
    """Check the markers `[n]` of an answer, which cite the n-th passage, from 1.

    `language` is that of the book.
    """

    @cache
    def terms(number: int) -> set[int]:
        return _terms(passages[number - 1], language)

    numbers: dict[int, list[int]] = {n: [] for n in range(1, len(passages) + 1)}
    written: list[int] = []
    expected: list[int] = []
    unsupported = 0
    for claim, markers in groupby(find_markers(text), key=lambda marker: marker.claim):
        group = [marker.number for marker in markers]
        stated = _last_statement(claim, language)
        known = any(stated & terms(number) for number in (*group, *numbers))
        unsupported += bool(stated) and not known
        corrected = _correct_numbers(group, stated, terms, len(passages))
        written += group
        expected += corrected
        for number, right in zip(group, corrected, strict=True):
            numbers[number].append(right)
    if unsupported and is_in_other_language(text, language):
        unsupported = 0
    if expected != written:
        checked = replace_markers(text, numbers)
        if [marker.number for marker in find_markers(checked)] == expected:
            text = checked
    return CheckedAnswer(text, unsupported)


def _correct_numbers(
    group: Sequence[int], stated: set[int], terms: Callable[[int], set[int]], count: int
) -> list[int]:
    """Return the numbers that the markers behind one statement should have."""
    corrected = list(group)
    if len(stated) < MIN_TERMS:
        return corrected
    for at, number in enumerate(corrected):
        beside = [terms(n) for n in corrected if n != number]

        def share(n: int, beside: Sequence[set[int]] = beside) -> float:
            return len(stated.intersection(terms(n).union(*beside))) / len(stated)

        needed = max(MIN_SHARE, share(number) + MIN_LEAD)
        best = number if needed > 1 else max(range(1, count + 1), key=share)
        if share(best) >= needed and best not in corrected:
            corrected[at] = best
    return corrected


def _last_statement(claim: str, language: str) -> set[int]:
    """Return the content words of a claim's last sentence, or of all if it has few."""
    found = sentences(claim)
    last = set(sparse_question(found[-1] if found else "", language).indices)
    return last if len(last) >= MIN_TERMS else set(sparse_question(claim, language).indices)


def _terms(passage: Passage, language: str) -> set[int]:
    chunk = passage.chunk
    return term_hashes(f"{chunk.title} {chunk.section} {chunk.text}", language)
