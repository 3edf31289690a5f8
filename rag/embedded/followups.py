"""Follow-up questions made standalone by rule: the subject of the last question is added."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.courtesy import courtesy, plain
from rag.definitions import LONGEST_SUBJECT
from rag.text import content_words, guess_language
from rag.types import Turn

MEMORY = 3
"""Earlier questions that may lend their words."""

_OPENING = re.compile(
    r"(?:and|but|or|so|then|also|what about|how about|what if|why not|same|another|again"
    r"|y|pero|et|mais|und|aber|oder|e|ma|mas|и|а|но|و|لیکن|اور|और|लेकिन|那么|那|でも|じゃあ)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(?:on|in|with|without|for|from|at|by|under|to|using|via|en|con|sin|para|sur|avec|sans|pour"
    r"|auf|mit|ohne|für|unter|на|в|с|без|для)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?:on|to|in|at|with|under|for)\b", re.IGNORECASE)
"""Prepositions that name the same place: one deploys *to* a host, and runs *on* it."""
_PLACE_PHRASE = re.compile(rf"\b{_PLACE.pattern}\s+(?:(?:the|an?)\s+)?[A-Z][^.?!,;:]*")
"""A place by its name: "how to test" has none."""
_SAME_PHRASE = re.compile(
    rf"(?:(?:and|but|or|what about|how about|y|et|und|oder|e)\s+)?"
    rf"(?P<phrase>(?P<word>{_PREPOSITION.pattern})\s.+?)[\s?.!]*",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"(?:(?:and|or|but|so|then|y|et|und|oder|e)\s+(?:(?:what|how) about\s+)?|(?:what|how) about\s+"
    r"|y qué tal\s+|et pour\s+|und was ist mit\s+)"
    r"(?!(?:the|its?|their|his|her|this|that|these|those|any|some|other|all|both|what|how|why|when"
    r"|where|which|who|if|does|do|did|is|are|can|could|should|will|would)\b)"
    rf"(?!{_PREPOSITION.pattern})(?P<subject>\w[^.?!,;:]{{0,60}}?)[\s?.!]*",
    re.IGNORECASE,
)
"""Names another subject: "and borrowing?"; "and the rules?" asks about the same one."""
_SUBJECT = (
    r"(?:an?\s+|the\s+)?"
    r"(?P<subject>(?:(?!\b(?:of|between|and|or|for|in|on|to|with|from|does|do)\b)[^.?!,;:]){1,60}?)"
)
_FRAMES = tuple(
    re.compile(rf"(?P<frame>{frame}\s+){_SUBJECT}(?P<tail>{tail})[\s?.!]*", re.IGNORECASE)
    for frame, tail in (
        (
            r"what(?:['’]s| is| are| does| do)?",
            r"\s+(?:is|are|means?|do|(?:(?:good|used)\s+)?for)",
        ),
        (
            r"(?:what(?:['’]s| is| are)|who(?:['’]s| is| are)|(?:tell me |more )?about|explain"
            r"|describe|define|was (?:ist|sind)|¿?qué (?:es|son)|qu'est-ce que?)",
            "",
        ),
    )
)
"""Ask what their subject is, does or is for: "What does unwrap do?", "Explain closures"."""
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those|one|ones|there"
    r"|former|latter|above|that(?=\s*(?:[?.!,]|$))|(?<=do )that|(?<=does )that|(?<=is )that"
    r"|(?<=about )that|(?<=of )that|(?<=with )that|(?<=for )that|(?<=like )that"
    r"|eso|esto|lo|cela|ça|es|das|dies|damit|это|этого|его|их|اس|اسے|ان|इस|इसे|उस|उसे|它|それ|これ)\b",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|does|would|will|can|could|be) it (?:\w+ )?"
    r"(?:possible|necessary|safe|okay?|required|better|best|recommended"
    r"|worth|true|allowed|important|bad|good|mean|matter|make sense)\b(?=\s+\w)"
    r"|\b(?:is|are|was|were) there\b|\bthere (?:is|are|was|were)\b",
    re.IGNORECASE,
)

_RELATIONAL = re.compile(
    r"(?:(?:what|which)(?: is| are|['’]s)|any|(?:is|are) there)(?: any| the| an| a| some| other)*"
    r" (?:alternatives?|differences?|(?:dis)?advantages?|benefits?|drawbacks?|downsides?|pros"
    r"|pros and cons|cons|limits?|limitations?|options?|steps?|requirements?|prerequisites?"
    r"|exceptions?|consequences?|costs?|reasons?|purpose|point|examples?)\W*"
    r"|(?:(?:can|could) you |please,? )*(?:give|show|tell|explain)(?: me| us)?"
    r"(?: an| a| some| another| one| more| further| the)*(?: examples?| details?| in detail)?"
    r"(?: please)?\W*"
    r"|(?:an?|another|more|further|some) (?:more )?(?:examples?|details?)(?: please)?\W*"
    r"|[^.!?]{1,60} instead\W*",
    re.IGNORECASE,
)
"""Asks for what can only be an alternative, a drawback or an example of something."""


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question itself, or with the words of earlier questions that it leans on.

    It comes without courtesies (`plain`); those of the earlier ones are taken off here.
    """
    asked = [plain(turn.question) for turn in history if not courtesy(turn.question)]
    return _standalone(question, asked[-MEMORY:])


def _standalone(question: str, asked: Sequence[str]) -> str:
    if not asked or not _leans(question):
        return question
    if replaced := _moved(question, asked):
        return replaced
    own = {word.lower() for word in _words(question)}
    lent: dict[str, str] = {}
    for earlier in reversed(asked):
        words = {word.lower(): word for word in _words(earlier)}
        lent = {**words, **lent}
        if words and not _leans(earlier):
            break
    added = [word for key, word in lent.items() if key not in own]
    return f"{question} ({' '.join(added)})" if added else question


def _moved(question: str, asked: Sequence[str]) -> str:
    """The last question with its phrase replaced, or with that of the one that it leans on."""
    *before, last = asked
    if before and (_SAME_PHRASE.fullmatch(last.strip()) or _OTHER.fullmatch(last.strip())):
        return _moved(question, before)  # another place or subject, which is left now
    if replaced := _replaced(question, last) or _renamed(question, last):
        return replaced
    if before and _leans(last) and (earlier := _moved(question, before)):
        return _standalone(last, [earlier])
    return ""


def _replaced(question: str, earlier: str) -> str:
    """The earlier question with its phrase replaced: "How do I run it on AWS?", "And on a Mac?".

    One that has no such phrase gets it: "What is a test?", "And in Rust?".
    """
    short = _SAME_PHRASE.fullmatch(question.strip())
    if short is None:
        return ""
    phrases = list(
        re.finditer(rf"\b{re.escape(short['word'])}\b[^.?!,;:]*", earlier, re.IGNORECASE)
    )
    if not phrases and _PLACE.match(short["word"]):
        phrases = list(_PLACE_PHRASE.finditer(earlier))
    if not phrases:
        return "" if _leans(earlier) else f"{earlier.rstrip(' ?.!')} {short['phrase']}?"
    begin, end = phrases[-1].span()
    return f"{earlier[:begin]}{short['phrase']}{earlier[end:]}"


def _renamed(question: str, earlier: str) -> str:
    """The earlier question about another subject, or another place by its name.

    "What is ownership?", "And borrowing?"; "How do I deploy to AWS?", "What about Vercel?".
    """
    other = _OTHER.fullmatch(question.strip())
    if other is None or _PRONOUN.search(other["subject"]):
        return ""
    subject = other["subject"]
    for frame in _FRAMES:
        framed = frame.fullmatch(earlier.strip())
        if framed and len(_words(framed["subject"])) <= LONGEST_SUBJECT:
            return f"{framed['frame']}{subject}{framed['tail']}?"
    places = list(_PLACE_PHRASE.finditer(earlier))
    if places and subject[0].isupper():
        begin, end = places[-1].span()
        return f"{earlier[:begin]}{places[-1][0].split()[0]} {subject}{earlier[end:]}"
    return ""


def _words(question: str) -> list[str]:
    return content_words(question, guess_language(question))


def _leans(question: str) -> bool:
    """Whether a question cannot be understood alone."""
    text = question.strip().lstrip("¿¡\"'«“(")
    words = _words(text)
    if _RELATIONAL.fullmatch(text):
        return True
    if not words or (_PREPOSITION.match(text) and len(words) <= 2):
        return True
    if _OPENING.match(text) and len(words) <= 4:
        return True
    for match in _PRONOUN.finditer(_EXPLETIVE.sub(" ", text)):
        # What a pronoun means may stand before it in the question itself.
        if len(_words(text[: match.start()])) < 2:
            return True
    return False
