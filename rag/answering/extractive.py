"""Answers without a model: the sections that answer best, as the author wrote them, cited.

Documentation puts the words of a question into a heading and its answer into sentences that do
not repeat them, so nothing is picked sentence by sentence. The best section comes first and whole,
the next ones shortened to the blocks around the sentence nearest to the question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.answering.quotes import QuotedBlock, Sentence, around, beginning, blocks, escaped, link
from rag.answering.sources import Part, nearest_part, parts
from rag.answering.text_fragments import citation_url
from rag.interfaces import AnswerPart, Embedder
from rag.language.small_talk import reply_language, text
from rag.language.tokens import sparse_question, term_hashes
from rag.models import (
    Brief,
    Chunk,
    Highlights,
    Passage,
    Turn,
    Usage,
)
from rag.retrieval.highlighted import selection

QUOTED = 3
"""Sections that are quoted."""
NAMED = 2
"""Further sections that are only named."""
WHOLE = 1600
"""Characters of the best section."""
SHORTENED = 500
"""Characters of each further section."""
WORDS = 0.3
"""Weight of the words that a sentence shares with the question, beside its cosine."""
COMPARED = 16
"""Sentences that are compared with the question by meaning."""


@dataclass(slots=True)
class _Section:
    """One section to quote. `number` is its passage's, from 1."""

    number: int
    passage: Passage
    blocks: list[QuotedBlock]
    """All blocks that could be quoted, in order."""
    own: range
    """Where the blocks of the passage's own chunk stand among them."""
    nearest: tuple[int, Sentence] | None = None
    """The sentence nearest to the question, with the position of its block."""


class ExtractiveAnswerer:
    """An `Answerer` that quotes. With an embedder, meaning decides which sentence is nearest."""

    model = "extractive"

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        """The question itself: a follow-up is searched for twice instead."""
        return question

    async def answer(self, brief: Brief) -> AsyncIterator[AnswerPart]:
        language = reply_language(brief.question, brief.language)
        if not brief.passages:
            return _parts(text("nothing", language))
        sections = choose(brief)
        quoted = [_quoted(n, brief) for n in sections[:QUOTED]]
        about = f"{brief.question}\n{selection(brief.selected)}".strip()
        await self._find_nearest(about, quoted)
        written = [_render(section, brief, first=n == 0) for n, section in enumerate(quoted)]
        if brief.grade == "nearest":
            written.insert(0, text("nearest", language))
        if named := sections[QUOTED:]:
            lines = [f"- {_named(brief.passages[n - 1].chunk, brief)} [{n}]" for n in named]
            written.append("\n".join([text("elsewhere", brief.language), "", *lines]))
        highlights = {
            section.number: section.nearest[1].text for section in quoted if section.nearest
        }
        return _parts("\n\n".join(written), Highlights(highlights))

    async def ping(self) -> None:
        """Nothing outside this process is asked."""

    async def close(self) -> None:
        """The embedder belongs to whoever made it."""

    async def _find_nearest(self, question: str, sections: Sequence[_Section]) -> None:
        """Find each section's sentence nearest to the question, all by one embedding call."""
        language = sections[0].passage.chunk.language
        asked = set(sparse_question(question, language).indices)
        found = [
            (section, at, sentence, len(asked & term_hashes(sentence.text, language)))
            for section in sections
            for at in section.own
            for sentence in section.blocks[at].sentences
        ]
        found.sort(key=lambda item: -item[3])  # stable: the first sentences go before later ones
        found = [*_one_each(found), *found][:COMPARED] if self._embedder else found
        scores = [WORDS * shared / max(1, len(asked)) for *_, shared in found]
        if self._embedder and found:
            texts = [sentence.text for _, _, sentence, _ in found]
            first, *others = await self._embedder.embed_passages([question, *texts])
            for n, vector in enumerate(others):
                scores[n] += sum(a * b for a, b in zip(first, vector, strict=True))
        best: dict[int, float] = {}
        for (section, at, sentence, _), score in zip(found, scores, strict=True):
            if score > best.get(section.number, -1.0):
                best[section.number] = score
                section.nearest = at, sentence


def choose(brief: Brief) -> list[int]:
    """Numbers of the passages whose sections are shown, best first, each section once.

    A follow-up that would be answered with the same sections as the question before it begins
    with the first that the reader has not just seen.
    """
    numbers: dict[tuple[str, ...], int] = {}
    for n, passage in enumerate(brief.passages, 1):
        numbers.setdefault(_place(passage.chunk), n)
    chosen = list(numbers.values())
    if brief.history and brief.question != brief.history[-1].question:
        seen = {source.chunk_id for source in brief.history[-1].sources}
        shown = [brief.passages[n - 1].chunk.chunk_id for n in chosen]
        if seen.issuperset(shown[:QUOTED]):
            chosen.sort(key=lambda n: brief.passages[n - 1].chunk.chunk_id in seen)
    return chosen[: QUOTED + NAMED]


def _place(chunk: Chunk) -> tuple[str, ...]:
    """What tells sections apart; an index of an older layout has no addresses."""
    return (chunk.source_path, chunk.slug, chunk.section) if chunk.slug else (chunk.chunk_id,)


def _one_each(
    found: Sequence[tuple[_Section, int, Sentence, int]],
) -> Iterator[tuple[_Section, int, Sentence, int]]:
    """The first of each section, so that none is left without a sentence."""
    seen: set[int] = set()
    for item in found:
        if item[0].number not in seen:
            seen.add(item[0].number)
            yield item


def _quoted(number: int, brief: Brief) -> _Section:
    """A section, joined from the chunks that it was divided into where they are at hand."""
    passage = brief.passages[number - 1]
    chunk = passage.chunk
    own = blocks(chunk.text)
    beside = {c.order_index: c for c in brief.around if _place(c) == _place(chunk)}
    before: list[QuotedBlock] = []
    after: list[QuotedBlock] = []
    at = chunk.order_index - 1
    while at in beside:
        before = [*blocks(beside[at].text), *before]
        at -= 1
    at = chunk.order_index + 1
    while at in beside:
        after += blocks(beside[at].text)
        at += 1
    if sum(len(block.text) for block in (*before, *own, *after)) > WHOLE:
        before = []  # not all fits: begin with what answers
    return _Section(
        number, passage, [*before, *own, *after], range(len(before), len(before) + len(own))
    )


def _render(section: _Section, brief: Brief, *, first: bool) -> str:
    """A section under a linked lead, its marker behind the block of the nearest sentence.

    Of a chunk that holds several small sections, that of the sentence is shown.
    """
    chunk, blocks = section.passage.chunk, section.blocks
    at, sentence = section.nearest or (section.own.start, None)
    part, inside = parts(chunk)[0], section.own
    for held in parts(chunk):
        there = [n for n in section.own if _holds(held, blocks[n])]
        if there and (sentence is None or at in there):
            part, inside = held, range(there[0], there[-1] + 1)
            break
    at = at if sentence else inside.start
    begin = inside.start if part.line else 0
    end = len(blocks) if inside.stop == section.own.stop else inside.stop
    whole = blocks[begin:end]
    if first:
        shown = beginning(whole, WHOLE)
    else:
        shown = around(whole, at - begin, SHORTENED) if whole else []
    marker = f"[{section.number}]"
    lead = f"**{_lead(chunk.title, part, brief)}**"
    written = [lead if sentence else f"{lead} {marker}"]
    for block in shown:
        body = replace(block, text=escaped(block.text))
        marked = sentence is not None and block is blocks[at]
        written.append(body.marked(marker, sentence.line) if marked and sentence else body.text)
    if shown and shown[-1] is not whole[-1]:
        written.append(link(text("read_on", brief.language), _address(part.slug, brief)))
    return "\n\n".join(written)


def _holds(part: Part, block: QuotedBlock) -> bool:
    return part.line <= block.line <= part.line + part.text.count("\n")


def _named(chunk: Chunk, brief: Brief) -> str:
    """A section that is only named: of several in a chunk, the one nearest to the question."""
    return _lead(chunk.title, nearest_part(chunk, brief.question), brief)


def _lead(title: str, part: Part, brief: Brief) -> str:
    """The section's heading path as a link to it."""
    path = dict.fromkeys(name for name in (title, *part.section.split(" › ")) if name)
    return link(" › ".join(path) or part.slug or "…", _address(part.slug, brief))


def _address(slug: str, brief: Brief) -> str:
    return citation_url(brief.site_url, slug, "")


async def _parts(*parts: AnswerPart) -> AsyncIterator[AnswerPart]:
    for part in (*parts, Usage()):
        yield part
