"""How sentences speak, whatever they speak about: what makes them answers or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from rag.definitions import definition
from rag.embedded.units import Unit
from rag.text import alike, sparse_question, subject_terms

_POINTER = re.compile(
    r"(?:now\b|for (?:more|further|additional)\b|see (?:also|the)\b|in the (?:next|previous)\b"
    r"|next,|if you want,|in this (?:section|chapter|example|tutorial)\b"
    r"|this (?:section|chapter|tutorial|guide|page|appendix|article)\b|the chapter will\b"
    r"|welcome\b|congratulations\b|(?:whew|great|wow)!|imagine\b|suppose\b"
    r"|you(?:['’]ll| will) (?:learn|see|find out)\b"
    r"|we(?:['’]ll| will|['’]ve)\b"
    r"|(?:first, )?let['’]s\b|at this point\b|notice\b|recall\b|remember\b|here\b|you can see\b"
    r"|this time\b|listing \d|as (?:you|we) (?:saw|can see)\b|the good news\b"
    r"|(?:read|check out|take a look|try)\b)|.*(?:\bsee:|\bin this chapter\W*|\bcongratulations!)$"
    r"|.*(?:[,;:] | and )see (?:also|the|our|these|this)\b",
    re.IGNORECASE,
)
"""How sentences begin that lead through the book instead of saying something."""
_TOPIC = re.compile(
    r"[-*+]\s+(?:how|what|why|when|where)\b[^!:]*(?<!\.)$|.*\n\s*https?://\S+$",
    re.IGNORECASE | re.MULTILINE,
)
"""An item that names what is said elsewhere: "How to install it", or a title and its address."""
_ELSEWHERE = re.compile(
    r"\b(?:further|more) (?:information|reading|resources)\b|\bsee also\b|\blearn more\b"
    r"|\b(?:resources|references|external links|table of contents|what['’]s next|next steps)$",
    re.IGNORECASE,
)
"""Headings above what only points elsewhere."""
CONTRAST = re.compile(r"\bdiffer(?:s|ent|ences?)?\b|\bcompared?\b|\bvs\b|\bversus\b", re.IGNORECASE)
"""What asks two things to be told apart. An answer names both and need not say "difference"."""
_EXAMPLE = re.compile(
    r"(?:.* )?(?:examples?|snippets?|sample code|code samples?)(?: (?:code|of|for|how)\b.*)?\W*"
    r"|show (?:me|us)\b.*",
    re.IGNORECASE,
)
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
_NAME = re.compile(r"(?<![.!?:] )(?<!^)\b[A-Z][\w'’-]+")
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty"
    r"|fifty|sixty|hundreds?|thousands?|millions?|billions?|dozens?|half|twice|none|no limit)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\d|\b(?:century|centuries|decades?|years?|months?|weeks?|days?|hours?|minutes?|seconds?"
    r"|january|february|march|april|may|june|july|august|september|october|november|december"
    r"|before|after|until|during|when|once|always|never|spring|summer|autumn|winter)\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"(?:.*\bby )?who(?:m|se)?\b(?! (?:can|may|should|must|is this)\b)", re.IGNORECASE
)
_HOW_MANY = re.compile(r"how (?:many|much|big|large|tall|far|old|fast|high)\b", re.IGNORECASE)
_WHEN = re.compile(
    r"when\b|how (?:long|often)\b|(?:in|since|until) (?:what|which) year\b"
    r"|what (?:year|date|day|month|century)\b",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:(?:in|on|by|since|until|during) )?(?:when (?:was|were|did|had)\b"
    r"|(?:what|which) (?:\w+ )?(?:year|date|day|month|century|decade)\b)",
    re.IGNORECASE,
)
"""Asks when something was."""
_DATE = re.compile(
    r"\b[12]\d{3}s?\b|\d(?:st|nd|rd|th)\b|\b\d+ (?:bce?|ad|ce)\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|century|centuries|decades?|ago|years?|era|age"
    r"|period|spring|summer|autumn|fall|winter)\b",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"why\b|what(?: is| are|['’]s) the (?:reasons?|point|purpose|benefits?|advantages?)\b"
    r"|por qu[eé]\b|pourquoi\b|warum\b|wieso\b|weshalb\b|perch[eé]\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|reasons?|so that|in order to|otherwise|therefore|thus|due to|thanks to"
    r"|benefits?|advantages?|problems?|allow(?:s|ing)?|enabl(?:es?|ing)|help(?:s|ing)?"
    r"|ensur(?:es?|ing)|prevent(?:s|ing)?|avoid(?:s|ing)?|eas(?:y|ier)|simpl(?:er|ifies)"
    r"|to make|makes? (?:it|sure)|causes?|would|without|porque|ya que|parce que|afin"
    r"|weil|damit|sonst|perché)\b",
    re.IGNORECASE,
)
_MEANS = re.compile(
    r".*\b(?:by (?:\w+ly )?\w+ing|using)\b|(?:to|use|run|call|add|set|write|install|open|create|put"
    r"|start|pass|enter|make|choose|click|select|turn|go)\b",
    re.IGNORECASE,
)
"""Says by what means, or what to do."""
POINTER_PENALTY, NARRATION_PENALTY = 0.4, 0.1
STEPS_BONUS, SHOWS_PENALTY = 0.3, 0.1
"""For what leads to code or steps: to one who asks how, and to others, whom it says less."""
DEFINITION_BONUS = 0.55
CODE_PENALTY = 0.25
"""For code where a definition or a reason is asked for."""
MEANS_BONUS = 0.1
EXPECTED_BONUS = 0.2
"""For a name, a number, a time or a reason, where the question's interrogative asks for one."""
OPENING_BONUS = 0.2
SECTION_BONUS = 0.3
"""Under a heading that is the question itself."""


def is_how_to(question: str) -> bool:
    """Whether it asks what to do, or for an example of it."""
    return _HOW_TO.match(question) is not None or is_example(question)


def is_example(question: str) -> bool:
    """Whether it asks to be shown something."""
    return _EXAMPLE.fullmatch(question) is not None


def is_undated(question: str, texts: Iterable[str]) -> bool:
    """Whether the question asks when something was, and no text has any date or time of year."""
    return bool(_DATED.match(question)) and not any(_DATE.search(text) for text in texts)


def manner(question: str, language: str) -> Callable[[Unit, bool], float]:
    """What a piece gains or loses by how it speaks, whatever it speaks about.

    A question for a definition is answered by a sentence that defines; what stands under the
    question itself answers it, and the sentence that opens a section says what it is about; a
    sentence that asks itself, or only leads through the book, answers nothing. The function
    returned takes a piece and whether it leads to code or steps.
    """
    how_to = is_how_to(question)
    defines = None if is_example(question) else definition(question, language)
    why = _WHY.match(question)
    expected = _expected(question)
    asked = frozenset(sparse_question(question, language).indices)

    def gain_of(unit: Unit, shows: bool) -> float:
        gain = 0.0
        empty = says_nothing(unit)
        if empty:
            gain -= POINTER_PENALTY
        if _NARRATION.search(unit.text):
            gain -= NARRATION_PENALTY
        if shows:
            gain += STEPS_BONUS if how_to else -SHOWS_PENALTY
        if defines and not empty and unit.kind != "code":
            gain += DEFINITION_BONUS * defines(unit.text)
        if (defines or why) and (unit.kind == "code" or shows):
            gain -= CODE_PENALTY
        if how_to and _MEANS.match(unit.text):
            gain += MEANS_BONUS
        if expected and unit.kind != "code" and expected(unit.text):
            gain += EXPECTED_BONUS
        close = alike(asked, subject_terms(unit.heading, language))
        gain += SECTION_BONUS * close**2
        if unit.opens:
            gain += OPENING_BONUS * close
            gain += STEPS_BONUS * close * (how_to and unit.kind == "code")
        return gain

    return gain_of


def _expected(question: str) -> Callable[[str], bool] | None:
    """Whether a text has what the interrogative of a question asks for: who, how many, why …"""
    if _WHO.match(question):
        return lambda text: any(name not in question for name in _NAME.findall(text))
    if _HOW_MANY.match(question):
        return lambda text: _NUMBER.search(text) is not None
    if _WHEN.match(question):
        return lambda text: _TIME.search(text) is not None
    if _WHY.match(question):
        return lambda text: _REASON.search(text) is not None
    return None


def says_nothing(unit: Unit) -> bool:
    """Asks itself, or only leads through the book."""
    if unit.text.rstrip("*_\"'”’) .").endswith(("?", "？", "؟")):
        return True
    if unit.kind != "code" and _ELSEWHERE.search(unit.heading):
        return True
    if unit.kind == "item":
        return bool(_TOPIC.match(unit.text))
    return unit.kind == "sentence" and bool(_POINTER.match(unit.text))
