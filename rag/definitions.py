"""Questions for a definition, and how far a text gives it: by how it speaks of its subject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rag.text import content_words, normalise

LONGEST_SUBJECT = 3
"""Content words; what asks about more asks for more than a definition."""
LABELLED, SAID, NAMED, TOLD = 1.0, 1.0, 0.6, 0.5
"""Degrees: an entry of a glossary; "X is a …"; "a … called X"; "X lets …"."""

_ASKS = re.compile(
    r"(?:so,? )?(?:what(?:'s| is| are| was| were)\b(?!.*\b(?:difference|best|way|purpose|reason)\b)"
    r"|what\b.* (?:is|are)\W*$"
    r"|define\b|explain\b|who (?:is|was)\b|what does .* mean\b"
    r"|was (?:ist|sind)\b|¿?qué (?:es|son)\b|qu'est-ce que?\b|cos'è\b|o que (?:é|são)\b)",
    re.IGNORECASE,
)
_ASKS_WHAT_FOR = re.compile(
    r"what (?:does|do) (?P<do>.*) do\b|what(?:'s| is| are) (?P<for>.*?)(?: (?:good|used))? for\W*$"
    r"|what(?:'s| is| are) the (?:(?:main|whole) )?(?:point|purpose|aim|use|role|job|idea)"
    r" (?:of|behind) (?P<of>.*)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:(?:tell|teach) (?:me|us)(?: more| something)? about|describe|about|(?:give (?:me|us) )?"
    r"(?:an? )?(?:\w+ )?(?:overview|summary|introduction|definition) (?:of|to))\s+",
    re.IGNORECASE,
)
"""Asks to be told about what follows."""
_HOW_TO = re.compile(
    r"how\b|why\b|when\b|where\b|which\b|(?:install|set ?up|run|start|use|configure)\b",
    re.IGNORECASE,
)
_ARTICLES = r"an?|the|eine?|de[rl]|die|das|un[ea]?|l[aeo]|les|los|las|el|il|uma?|os?|as"
"""No two alternatives match one word: a run of articles is tried in one way only."""
_BEGINS = (
    r"(?:^|[.!?:;,(—–]\s+|^[ \t]*(?:[-*+>]|\d+[.)])[ \t]+|\b(?:that|because|since|so)\s+)"
    rf"(?:(?:{_ARTICLES}|each|every|word|term|name|in \w+,|\w+ly,|note:|[A-Z]\w*['’]s)\s+){{0,5}}"
    r"[\"'“‘`*(_]*"
)
"""Where a clause begins, so that what follows is its subject."""
_KIND = (
    r"(?:\s+(?:method|function|macro|operator|keyword|type|trait|class|hook|component|command"
    r"|option|setting|variable|field|attribute|module|package|library|tool|pattern|concept"
    r"|term|word)\b[\"'”’`*)_]*)?"
)
_BETWEEN = r"[\W_]{1,3}(?:(?:the|an?|of|for|to|and|in|on|with)[\W_]{1,3})?"
"""Between the content words of a name: "Ask the Book"."""
_ASIDE = r"(?:,[^,.;:]{1,40},)?"
"""Between the subject and what is said of it: "A struct, or structure, is …"."""
_CLOSES = r"(?:<\w+>)?(?:\(\))?[!\"'”’`*)_]*"
_IS, _ARE = r"(?:is|was|ist|es|est|è|é)", r"(?:are|were|sind|son|sont|são)"
_NO_KIND = (
    r"(?!(?:most|same|only|best|first|next|last|main|key|very|new|good|great|bit|lot|common"
    r"|important|different|similar|like|such|useful|also|not|often|always|never|now|ideal|able|\w+(?:ed|ing|en|ly))\b)"
)
"""What follows "is a" where no kind is named: "is a common …" praises, and does not define."""
_SAYS = (
    rf"\s+(?:(?:{_IS}|{_ARE})\s+(?:(?:\w+ly|just|an abbreviation for)\s+){{0,5}}"
    rf"(?:(?:{_ARTICLES})\s+{_NO_KIND}|(?:one|any|how|what|anything|something)\b|[A-Z]\w*['’]s\s)"
    rf"|{_ARE}\s+(?:\w+ly\s+)?{_NO_KIND}(?!(?:{_ARTICLES})\b)"
    r"(?:(?!(?:to|of|in|on|at|by|for|with)\b)\w+[ -]){0,2}\w{3,}s\b"
    rf"|(?:{_IS}|{_ARE})\s+like\s+(?:{_ARTICLES})\b"
    r"|means?\b|refers? to\b|stands? for\b)"
)
_TELLS = (
    r"\s+(?:(?:\w+ly|also|then)\s+)?(?:lets?|allows?|defines?|describes?|represents?|provides?"
    r"|enables?|gives?|manages?|handles?|(?:is|are) (?:used|responsible|designed))\b"
)
_DOES = (
    r"\s+(?:(?:\w+ly|also|then|simply|just)\s+)?(?!is\b|was\b|has\b|does\b)"
    r"(?:[a-z]{2,}(?<!tion)(?<!ment)(?<!ing)s|implements|let|allow|define|describe|represent"
    r"|provide|enable|give|manage|handle|ensure|prevent|avoid|help|make|keep|hold|store|connect"
    r"|solve|support|(?:is|are) (?:used|useful|responsible|designed|meant))\b"
)
"""A verb; `-tions`, `-ments` and `-ings` end nouns: "closure definitions"."""
_SERVES = (
    r"\b(?:point|purpose|aim|goal|role|job|use|idea)s? (?:of|behind)\s+(?:(?:an?|the)\s+)?"
    r"[\"'“‘`*(_]*"
)
"""What names the purpose of a subject, which follows."""


@dataclass(frozen=True, slots=True)
class _Forms:
    """How a text that defines one subject may speak, best first."""

    label: re.Pattern[str]
    degrees: tuple[tuple[re.Pattern[str], float], ...]


def definition(question: str, language: str = "en") -> Callable[[str], float] | None:
    """How far a text defines what a question asks to be defined, 0 to 1; None for others.

    A bare subject, as one types it into a search field, asks what it is.
    """
    question = normalise(question).strip()
    does, about = _ASKS_WHAT_FOR.match(question), _ABOUT.match(question)
    if does:
        words = content_words(does["do"] or does["for"] or does["of"] or "", language)
    else:
        words = content_words(question[about.end() :] if about else question, language)
    bare = len(question.split()) == len(words) and not _HOW_TO.match(question)
    asks = does or about or bare or _ASKS.match(question)
    if not asks or not 1 <= len(words) <= LONGEST_SUBJECT:
        return None
    subject = _BETWEEN.join(f"{re.escape(word.rstrip('s'))}(?:e?s)?" for word in words)
    flags = re.IGNORECASE | re.MULTILINE
    is_subject = rf"{_BEGINS}{subject}{_CLOSES}{_KIND}"
    served = rf"{_SERVES}{subject}{_CLOSES}{_KIND}\s+(?:{_IS}|{_ARE})\b"
    told = (rf"{is_subject}{_DOES}|{served}", SAID) if does else (rf"{is_subject}{_TELLS}", TOLD)
    called = (
        rf"\b(?:called|known as|named)\s+(?:(?:an?|the)\s+)?[\"'“‘`*(_]*{subject}\b"
        rf"|\ban?\s+[\"'“‘`*(_]*{subject}{_CLOSES}\s+(?:that|which)\b"
        rf"|{is_subject},\s+(?:an?|the|or)\s"
        rf"|\b{subject}{_CLOSES},\s+which\s+(?:{_IS}|{_ARE}|means?|stands? for)\b"
    )
    forms = [
        (rf"^[\s|*+\-\"'“‘`]*{subject}[\s\"'”’`*]*(?:\||[:.]\*\*|:\s|[–—]\s)", LABELLED),
        (rf"{is_subject}{_ASIDE}{_SAYS}", SAID),
        (called, NAMED),
        told,
    ]
    forms.sort(key=lambda form: -form[1])
    compiled = [(re.compile(form, flags), degree) for form, degree in forms]
    return lambda text: next((d for form, d in compiled if form.search(text)), 0.0)
