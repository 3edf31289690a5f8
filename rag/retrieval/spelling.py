"""Correct typos in a question, using the words of the passages near it.

No dictionary is needed: the intended word is in the book, mostly in passages that the rest of the
question, or its meaning, has found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from rag.language.tokens import content_words, term_hashes
from rag.models import Passage

SHORTEST = 3
SHORT = 5
"""Shorter words are corrected by fewer kinds of edits. With any edit, a quarter of the four-letter
words that occur in one of four manuals, but not in another, would be corrected; now 3 in 100."""
LONG = 9
"""From this length on, two edits are allowed."""
MOST_WORDS = 24
"""Words of a question that are checked, as each is compared with all words of the passages."""


def correct(question: str, passages: Sequence[Passage], language: str = "en") -> str:
    """Return the question with likely typos corrected, or "" if there are none.

    Another form of the same word is not a typo. A correction is only a guess: search with it, and
    keep the result only if it is clearly better.
    """
    texts = [f"{p.chunk.title} {p.chunk.section} {p.chunk.text}".lower() for p in passages]
    corrected = question
    words = filter(may_be_typo, dict.fromkeys(content_words(question, language)))
    for word in islice(words, MOST_WORDS):
        meant = corrected_word(word, texts)
        if meant and not term_hashes(word, language) & term_hashes(meant, language):
            corrected = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", meant, corrected)
    return corrected if corrected != question else ""


def may_be_typo(word: str) -> bool:
    """Whether a word may be corrected: not numbers, names with signs or abbreviations.

    Short words are corrected in ASCII only: in Arabic, the same letters in another order are
    another word.
    """
    least = SHORTEST if word.isascii() else SHORT
    return len(word) >= least and word.isalpha() and not word.isupper()


def corrected_word(word: str, texts: Iterable[str]) -> str:
    """Return the word of the texts that `word` is a typo of, in lower case, or "".

    A typo is one edit (two in a long word), or the letters in another order. In a short word it
    is two neighbouring letters exchanged or, of four letters, one missing. It is never in the
    first letter. Of several candidates, the one with the fewest edits wins, then the most
    frequent. A word that is in the texts is not a typo.
    """
    if not may_be_typo(word):
        return ""
    word = word.lower()
    allowed = 2 if len(word) >= LONG else 1
    first, rest = word[0], len(word) - 1
    # A pattern that starts with a letter is searched several times faster than one that starts
    # with a word boundary, so the boundary is checked behind the letter.
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
