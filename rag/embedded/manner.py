"""How sentences speak, whatever they speak about: what makes them answers or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from rag.embedded.units import Unit
from rag.text import content_words, term_hashes
from rag.types import Passage

_POINTER = re.compile(
    r"(?:now\b|for (?:more|further|additional)\b|see (?:also|the)\b|in the (?:next|previous)\b"
    r"|next,|if you want,|in this (?:section|chapter|example|tutorial)\b"
    r"|we(?:['’]ll| will|['’]ve)\b"
    r"|(?:first, )?let['’]s\b|at this point\b|notice\b|recall\b|remember\b|here\b|you can see\b"
    r"|this time\b|listing \d|as (?:you|we) (?:saw|can see)\b|the good news\b"
    r"|(?:read|check out|take a look|try)\b)|.*(?:\bsee:|\bin this chapter\W*)$",
    re.IGNORECASE,
)
"""How sentences begin that lead through the book instead of saying something."""
_CAPTION = re.compile(
    r"(?:figure|listing|table)\s+[\dA-Z][\w.-]*\b.*|\(?[\w./:-]+\)?", re.IGNORECASE
)
"""A caption, or the name of a file: no sentence."""
CONTRAST = re.compile(r"\bdiffer(?:s|ent|ences?)?\b|\bcompared?\b|\bvs\b|\bversus\b", re.IGNORECASE)
"""What asks two things to be told apart. An answer names both and need not say "difference"."""
_DEFINITION = re.compile(
    r"(?:what(?:'s| is| are| was| were| does| do)\b(?!.*\b(?:difference|best|way|purpose|reason)\b)"
    r"|define\b|who (?:is|was)\b)",
    re.IGNORECASE,
)
_DEFINES = (
    r"\b{0}\w*[\"'”’`*)]*\s+(?:is|are|was|were|means?|refers? to|stands? for|lets?|allows?"
    r"|defines?|describes?|represents?|provides?)\b"
    r"|\b(?:called|known as)\s+(?:(?:an?|the)\s+)?[\"'“‘`*(]*{0}"
)
_LABELS = r"[\s|*+\-\"'“‘`]*{0}[\s\"'”’`*]*(?:\||[:.]\*\*|:\s|[–—]\s)"
"""A row of a table or an item of a list that begins with its subject, as in a glossary."""
_BEGINS = r"(?:(?:a|an|the|in \w+,|note:)\s+)*[\"'“‘`*(]*"
STEP = re.compile(r"\s*\d+[.)]\s")
"""An item of an ordered list, which is read from its beginning."""
_NARRATION = re.compile(r"\b(?:we|our|us)\b|\blisting \d", re.IGNORECASE)
"""The author at work on an example."""
_HOW_TO = re.compile(
    r"how (?:do|does|can|could|should|would|to)\b|(?:install|set ?up|run|start|use|configure)\b"
    r"|cómo\b|comment\b|wie\b|come\b|como\b",
    re.IGNORECASE,
)
"""Asks what to do: what leads to a command or to steps is likely it."""
POINTER_PENALTY, NARRATION_PENALTY = 0.25, 0.1
STEPS_BONUS = 0.2
DEFINITION_BONUS, SUBJECT_BONUS, OPENING_BONUS = 0.35, 0.2, 0.2
SECTION_BONUS = 0.3
"""Under a heading that is the question itself."""


def manner(question: str, passages: Sequence[Passage]) -> Callable[[int, Unit, bool], float]:
    """What a piece gains or loses by how it speaks, whatever it speaks about.

    A question for a definition is answered by a sentence that defines; what stands under the
    question itself answers it, and the sentence that opens a section says what it is about; a
    sentence that asks itself, or only leads through the book, answers nothing. The function
    returned takes a passage's position, the piece, and whether it leads to code or steps.
    """
    words = content_words(question, passages[0].chunk.language)
    how_to = _HOW_TO.match(question) is not None
    defines = begins = labels = None
    if words and len(words) <= 3 and (_DEFINITION.match(question) or _is_bare(question, words)):
        subject = r"[\W_]+".join(re.escape(word.rstrip("s")) + r"\w*" for word in words)
        defines = re.compile(_DEFINES.format(f"(?:{subject})"), re.IGNORECASE)
        begins = re.compile(_BEGINS + _DEFINES.format(f"(?:{subject})"), re.IGNORECASE)
        labels = re.compile(_LABELS.format(f"(?:{subject})"), re.IGNORECASE)
    language = passages[0].chunk.language
    asked = term_hashes(question, language)

    @cache
    def named(heading: str) -> float:
        """How much a heading and the question say the same, 0 to 1."""
        terms = term_hashes(heading, language)
        return len(asked & terms) / len(asked | terms) if asked or terms else 0.0

    def gain_of(passage: int, unit: Unit, shows: bool) -> float:
        text, gain = unit.text, 0.0
        empty = says_nothing(unit)
        if empty:
            gain -= POINTER_PENALTY
        if _NARRATION.search(text):
            gain -= NARRATION_PENALTY
        if how_to and shows:
            gain += STEPS_BONUS
        if defines and begins and not empty and defines.search(text):
            gain += DEFINITION_BONUS
            if begins.match(text):
                gain += SUBJECT_BONUS
        if labels and unit.kind in ("row", "item") and labels.match(text):
            gain += DEFINITION_BONUS + SUBJECT_BONUS
        chunk = passages[passage].chunk
        close = named(unit.heading or (chunk.section or chunk.title).rsplit(" › ")[-1])
        gain += SECTION_BONUS * close**2
        if unit.opens:
            gain += OPENING_BONUS * close
        return gain

    return gain_of


def _is_bare(question: str, words: Sequence[str]) -> bool:
    """Nothing but a subject, as one types it into a search field."""
    return len(question.split()) == len(words) and not _HOW_TO.match(question)


def says_nothing(unit: Unit) -> bool:
    """Asks itself, only leads through the book, or is a caption."""
    if unit.text.rstrip("*_\"'”’) .").endswith(("?", "？", "؟")):
        return True
    if unit.kind != "sentence":
        return False
    return bool(_POINTER.match(unit.text) or _CAPTION.fullmatch(unit.text))
