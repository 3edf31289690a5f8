"""Answers without a model: the sentences of the passages that answer, quoted and cited."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from dataclasses import dataclass
from math import log1p

from rag.courtesy import without_passages
from rag.definitions import definition
from rag.embedded.followups import standalone
from rag.embedded.manner import (
    CONTRAST,
    STEP,
    is_example,
    is_how_to,
    is_undated,
    manner,
    says_nothing,
)
from rag.embedded.units import Unit, units
from rag.text import alike, sparse_question, subject_terms, term_hashes
from rag.types import AnswerPart, Brief, Chunk, Embedder, Passage, Turn, Usage

PICKS = 2
"""Pieces that an answer is built around; what they cannot be read without comes along."""
PASSAGE_WEIGHT = 1.0
RANK_DISCOUNT = 0.9
"""Each passage weighs this share of the one before: at the top, scores hardly differ."""
DENSE_WEIGHT = 0.4
DENSE_CANDIDATES = 10
SECOND_BEST = 0.6
"""A further piece must score this share of the best one's."""
SECOND_APART = 0.8
"""One that brings a table, list or code, or stands elsewhere than below the question itself: this
share without the weights of the passages."""
EXAMPLE = 0.4
"""Code with this share of the best piece's score goes before it where an example is asked for."""
LEANING_PENALTY = 0.25
"""For a sentence that leans on one before it where none stands."""
LOST_PENALTY = 0.1
"""For a sentence that leads to something that is not there."""
SAME = 0.7
"""Share of common terms from which two pieces say the same."""
LIST_LIMIT, CODE_LIMIT = 900, 2000
"""Characters up to which a list, table or code block comes along whole."""
AROUND_LIMIT = 400
"""Characters up to which a list or table comes along with one of its pieces."""
ASKED, PARAGRAPH_LIMIT = 0.5, 500
"""Likeness of a heading to the question (Jaccard) from which a paragraph of so many characters
below it is quoted whole: it was written as the answer."""

_DANGLING = re.compile(
    r"(?:this|that|these|those|it|its|they|their|them|he|she|his|her|such|both|however|therefore"
    r"|thus|hence|but|and|so|or|also|then|instead|otherwise|similarly|likewise|as a result"
    r"|another|second(?:ly)?|third(?:ly)?|fourth|finally|fortunately|unfortunately|consequently"
    r"|the (?:same|former|latter)"
    r"|even so|in (?:the same way|fact|particular|other words|turn)|at the same time|still|yet"
    r"|for (?:this|that|example|instance)|in (?:this|that|these|those|such|addition|contrast)"
    r"|(?:because(?: of)?|since|as|while|although|if|when|with|from|beyond|after|before|until"
    r"|without|besides) (?:this|that|these|those|them)"
    r"|(?:none|all|each|some|most|one|both) of (?:this|that|these|those|them)|on the other hand"
    r"|esto|esta|este|ese|eso|sin embargo|además|pero|por eso"
    r"|cela|ceci|cette|ce|ces|il|elle|ils|elles|mais|cependant|donc|ainsi"
    r"|dies|diese|dieser|dieses|das|es|er|sie|aber|daher|deshalb|jedoch|außerdem)\b",
    re.IGNORECASE,
)
"""How sentences begin that lean on the one before."""
_OUTPUT = re.compile(r"\s*(?:```|~~~)\s*(?:te?xt|output|log)\b", re.IGNORECASE)
_MARKER = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
"""Of a list's item, which alone is no list."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A unit in its place: passage and position there, both from 0."""

    passage: int
    position: int
    unit: Unit
    terms: frozenset[int]
    shows: bool = False
    """Leads to code or steps."""
    leans: bool = False
    """Cannot be read without a sentence that is not there."""
    lost: bool = False
    """Leads to a block that is not there."""


class ExtractiveAnswerer:
    """An `Answerer` that quotes. With an embedder, meaning counts beside words."""

    model = "extractive"

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        return standalone(question, history)

    async def answer(self, brief: Brief) -> AsyncIterator[AnswerPart]:
        texts = [passage.chunk.text for passage in brief.passages]
        if texts and not is_undated(brief.standalone or brief.question, texts):
            text = _render(brief, await self.pick(brief))
        else:
            text = without_passages(brief.question)
        return _stream(text)

    async def ping(self) -> None:
        """There is nobody to ask."""

    async def close(self) -> None:
        """The embedder belongs to who made it."""

    async def pick(self, brief: Brief, count: int = PICKS) -> list[_Piece]:
        """The pieces that answer best, best first: at most `count`, at least one."""
        question = brief.standalone or brief.question
        language = brief.passages[0].chunk.language
        pieces = list(_pieces(brief.passages, is_how_to(question)))
        own = _scores(question, brief.passages, pieces)
        weights = _weights(brief.passages)
        scores = [score + weights[piece.passage] for score, piece in zip(own, pieces, strict=True)]
        if self._embedder is not None:
            likely = sorted(range(len(pieces)), key=lambda i: -scores[i])[:DENSE_CANDIDATES]
            vectors = await self._embedder.embed_passages(
                [question, *(pieces[i].unit.text for i in likely)]
            )
            low, high = self._embedder.cosine_range
            for i, vector in zip(likely, vectors[1:], strict=True):
                cosine = sum(a * b for a, b in zip(vectors[0], vector, strict=True))
                nearness = DENSE_WEIGHT * (cosine - low) / (high - low)
                own[i] += nearness
                scores[i] += nearness
        order = sorted(range(len(pieces)), key=lambda i: (-scores[i], i))
        if is_example(question):
            enough = EXAMPLE * scores[order[0]]
            order.sort(key=lambda i: scores[i] < enough or not _shows_code(pieces[i]))
        if after := _explains(question, language, pieces, order[0]):
            return [pieces[order[0]], pieces[after]][:count]
        best = pieces[order[0]]
        asked = frozenset(sparse_question(question, language).indices)
        chosen: list[_Piece] = []
        for i in order:
            if chosen and (len(chosen) == count or scores[i] < SECOND_BEST * scores[order[0]]):
                break
            if chosen and says_nothing(pieces[i].unit):
                continue
            apart = _brings_block(pieces[i]) or (
                pieces[i].passage != best.passage and _is_asked(best.unit, asked, language)
            )
            if chosen and apart and own[i] < SECOND_APART * own[order[0]]:
                continue
            if not any(_alike(pieces[i], other) for other in chosen):
                chosen.append(pieces[i])
        return chosen


def _pieces(passages: Sequence[Passage], how_to: bool) -> Iterator[_Piece]:
    """The pieces of all passages. To one who asks how, what leads to code says what that says."""
    for number, passage in enumerate(passages):
        chunk = passage.chunk
        whole = _units(chunk)
        leans = False
        for position, unit in enumerate(whole):
            before = whole[position - 1] if position else None
            after = whole[position + 1] if position + 1 < len(whole) else None
            if before is None or before.block != unit.block:
                leans = _leans(unit, before)
            elif unit.kind == "sentence":
                leans = False
            said = f"{unit.head} {unit.text}"
            shows = unit.leads_in and after is not None and _is_to_do(after)
            if shows and how_to and after is not None:
                said = f"{said} {unit.heading} {after.text}"
            lost = unit.leads_in and (after is None or after.kind == "sentence")
            terms = frozenset(term_hashes(said, chunk.language))
            yield _Piece(number, position, unit, terms, shows, leans, lost)


def _units(chunk: Chunk) -> list[Unit]:
    return units(chunk.text, (chunk.section or chunk.title).rsplit(" › ")[-1])


def _leans(unit: Unit, before: Unit | None) -> bool:
    """Whether the first of a block needs what stands before it, which is not or says nothing."""
    if unit.kind == "sentence":
        return _DANGLING.match(unit.text) is not None
    return before is not None and before.leads_in and says_nothing(before)


def _is_to_do(unit: Unit) -> bool:
    """Code that is no output, or a step."""
    if unit.kind == "code":
        return _OUTPUT.match(unit.text) is None
    return STEP.match(unit.text) is not None


def _explains(question: str, language: str, pieces: Sequence[_Piece], best: int) -> int:
    """The position of what goes on where the best piece defines what was asked; else 0."""
    first, after = pieces[best], best + 1
    defines = definition(question, language)
    if after == len(pieces) or not defines or not defines(first.unit.text):
        return 0
    second = pieces[after]
    follows = (second.passage, second.unit.block) == (first.passage, first.unit.block)
    speaks = first.unit.kind == "sentence" and not (
        says_nothing(second.unit) or second.unit.leads_in or first.unit.leads_in
    )
    return after if follows and speaks else 0


def _shows_code(piece: _Piece) -> bool:
    return piece.unit.kind == "code" or piece.shows


def _brings_block(piece: _Piece) -> bool:
    return piece.unit.kind != "sentence" or piece.unit.leads_in


def _weights(passages: Sequence[Passage]) -> list[float]:
    """What each passage adds to its pieces' scores."""
    best = max(passage.score for passage in passages) or 1.0
    return [
        PASSAGE_WEIGHT * RANK_DISCOUNT**number * passage.score / best
        for number, passage in enumerate(passages)
    ]


def _scores(question: str, passages: Sequence[Passage], pieces: Sequence[_Piece]) -> list[float]:
    """How much of the question each piece covers, by IDF among them, and how it speaks."""
    about = CONTRAST.sub(" ", question)
    asked = sparse_question(about, passages[0].chunk.language)
    frequencies = Counter(term for piece in pieces for term in piece.terms)
    weights = {
        term: weight * log1p((len(pieces) - frequencies[term] + 0.5) / (frequencies[term] + 0.5))
        for term, weight in zip(asked.indices, asked.values, strict=True)
        if term in frequencies
    }
    total = sum(weights.values()) or 1.0
    gain = manner(question, passages[0].chunk.language)
    return [
        sum(weight for term, weight in weights.items() if term in piece.terms) / total
        + gain(piece.unit, piece.shows)
        - LEANING_PENALTY * piece.leans
        - LOST_PENALTY * piece.lost
        for piece in pieces
    ]


def _alike(piece: _Piece, other: _Piece) -> bool:
    common = len(piece.terms & other.terms)
    return common >= SAME * max(1, min(len(piece.terms), len(other.terms)))


def _render(brief: Brief, chosen: Sequence[_Piece]) -> str:
    """The chosen pieces with what they need, passage by passage, each with its number."""
    passages, question = brief.passages, brief.standalone or brief.question
    how_to = is_how_to(question)
    asked = frozenset(sparse_question(question, passages[0].chunk.language).indices)
    parts = []
    for number in dict.fromkeys(piece.passage for piece in chosen):
        chunk = passages[number].chunk
        whole = _units(chunk)
        wanted: set[int] = set()
        for piece in chosen:
            if piece.passage == number:
                wanted |= _with_company(whole, piece.position, how_to)
                wanted |= _paragraph(whole, piece.position, asked, chunk.language)
        for at in sorted(wanted):
            if not wanted & (block := _led_to(whole, at)):
                wanted |= block
        parts.append(_quote([whole[i] for i in sorted(wanted)], number + 1, chunk))
    return "\n\n".join(parts)


def _with_company(whole: Sequence[Unit], at: int, how_to: bool) -> set[int]:
    """Positions of a unit and of what it cannot be read without: to do a step, all steps."""
    unit = whole[at]
    block = [i for i, other in enumerate(whole) if other.block == unit.block]
    wanted = {at}
    if unit.kind == "sentence":
        wanted |= _back_to_subject(whole, at)
    else:
        before = block[0] - 1
        introduced = before >= 0 and whole[before].leads_in
        if unit.kind == "item" and STEP.match(unit.text) and how_to:
            wanted |= _as_much_as_fits(whole, at)
        elif unit.kind == "item" and introduced:
            wanted |= _as_much_as_fits(whole, at, AROUND_LIMIT)
        beside = before >= 0 and whole[before].heading == unit.heading
        if introduced or (beside and unit.kind == "code"):
            wanted |= _back_to_subject(whole, before)
    return wanted


def _back_to_subject(whole: Sequence[Unit], at: int) -> set[int]:
    """Positions of a sentence and of up to two before it in its block that it leans on."""
    first = at
    while (
        first > max(at - 2, 0)
        and whole[first - 1].block == whole[at].block
        and _DANGLING.match(whole[first].text)
    ):
        first -= 1
    return set(range(first, at + 1))


def _led_to(whole: Sequence[Unit], at: int) -> set[int]:
    """Positions of the block that a unit announces, if it does and the block stands there."""
    after = at + 1
    if whole[at].leads_in and after < len(whole) and whole[after].kind != "sentence":
        return _as_much_as_fits(whole, after)
    return set()


def _paragraph(whole: Sequence[Unit], at: int, asked: Set[int], language: str) -> set[int]:
    """Positions of all sentences around one below a heading that is the question."""
    unit = whole[at]
    if unit.kind != "sentence" or not _is_asked(unit, asked, language):
        return set()
    block = {i for i, other in enumerate(whole) if other.block == unit.block}
    return block if sum(len(whole[i].text) for i in block) <= PARAGRAPH_LIMIT else set()


def _is_asked(unit: Unit, asked: Set[int], language: str) -> bool:
    """Whether it stands below a heading that is the question."""
    return alike(asked, subject_terms(unit.heading, language)) >= ASKED


def _as_much_as_fits(whole: Sequence[Unit], at: int, limit: int = LIST_LIMIT) -> set[int]:
    """The list, table or code block around a position if it is short, else what stands there."""
    unit = whole[at]
    block = {i for i, other in enumerate(whole) if other.block == unit.block}
    length = sum(len(whole[i].text) for i in block)
    if unit.kind == "code":
        return {at} if length <= CODE_LIMIT else set()
    return block if length <= limit else {at}


def _quote(quoted: Sequence[Unit], number: int, chunk: Chunk) -> str:
    """Units of one passage as Markdown, each run of sentences or block of its own marked.

    Code or a table that nothing introduces stands under the path of its headings.
    """
    blocks: list[list[Unit]] = []
    for unit in quoted:
        if blocks and blocks[-1][0].block == unit.block:
            blocks[-1].append(unit)
        else:
            blocks.append([unit])
    parts = []
    for block in blocks:
        first, text = block[0], "\n".join(unit.text for unit in block)
        if first.kind == "sentence":
            parts.append(" ".join(unit.text for unit in block) + f" [{number}]")
        elif first.kind == "item":
            if len(block) == 1 and not parts and "\n" not in text:
                text = _MARKER.sub("", text)
            parts.append(f"{text} [{number}]")
        else:
            head = f"{first.head}\n" if first.head else ""
            # What introduces a table or code block cites for it too: a lone marker looks lost.
            if not parts:
                parts.append(f"{_path(chunk, first)} [{number}]")
            parts.append(f"{head}{text}")
    return "\n\n".join(parts)


def _path(chunk: Chunk, unit: Unit) -> str:
    """The headings above a piece, which may stand under one within the passage."""
    path = [name for name in (chunk.title, *chunk.section.split(" › ")) if name]
    if unit.heading and unit.heading not in path:
        path = [chunk.title, unit.heading]
    return " › ".join(path)


async def _stream(text: str) -> AsyncIterator[AnswerPart]:
    for word in re.findall(r"\S+\s*|\s+", text):
        yield word
    yield Usage()
