"""Misspelt words of a question, by the words of the passages that are near it.

No dictionary is needed: what the reader meant stands in the book, mostly in passages that
the rest of the question, or its meaning, has found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

SHORTEST = 3
SHORT = 5
"""Shorter words have too many neighbours for any edit. Of words that one of four manuals has and
another has not, any edit would respell a quarter of those of four letters. As it is, 3 in 100."""
LONG = 9
"""From this length on, two slips are forgiven."""


def may_be_slip(word: str) -> bool:
    """Whether it is worth asking: numbers, names with signs and abbreviations are not respelt.

    Short words are respelt in ASCII only: an Arabic root has its letters' other orders nearby.
    """
    least = SHORTEST if word.isascii() else SHORT
    return len(word) >= least and word.isalpha() and not word.isupper()


def respelt(word: str, texts: Iterable[str]) -> str:
    """The word of the texts that `word` is a slip of, lowercase; empty where there is none.

    A slip is one edit (two in a long word), or letters in another order; in a short word, two
    neighbouring letters exchanged or, of four, one forgotten. It is never in the first letter,
    which readers get right. Of several, the one with fewest edits, then the most frequent.
    Empty as well where the word itself stands in the texts.
    """
    if not may_be_slip(word):
        return ""
    word = word.lower()
    allowed = 2 if len(word) >= LONG else 1
    first, rest = word[0], len(word) - 1
    # A pattern that begins with a letter is sought several times faster than one that begins
    # with a word's boundary; so what stands before the letter is looked at after it.
    candidates = re.compile(rf"{first}(?<!\w{first})\w{{{rest - allowed},{rest + allowed}}}(?!\w)")
    counts = Counter(candidates.findall("\n".join(texts).lower()))
    if word in counts:
        return ""
    slips = {other: _slips(word, other, allowed) for other in counts}
    near = [other for other, slip in slips.items() if slip <= allowed]
    return min(near, key=lambda other: (slips[other], -counts[other], other), default="")


def _slips(word: str, other: str, allowed: int) -> int:
    """Edits between two words, or 1 where one has the other's letters; at most allowed + 1."""
    letters, others = Counter(word), Counter(other)
    if len(word) < SHORT:
        forgotten = SHORTEST < len(word) < len(other)
        return edits(word, other, 1) if forgotten or letters == others else allowed + 1
    if letters == others:
        return 1
    if max((letters - others).total(), (others - letters).total()) > allowed:
        return allowed + 1  # an edit gives or takes one letter
    return edits(word, other, allowed)


def edits(one: str, other: str, most: int) -> int:
    """Optimal string alignment distance: insertions, deletions, replacements, transpositions.

    Counted up to `most` + 1.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)
