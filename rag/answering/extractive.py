"""Answer without a model, by quoting the best sections of the book.

In documentation, a heading often contains the words of the question, while the sentences that
answer it do not. So whole sections are quoted instead of single sentences. The best section comes
first and complete. The others are shortened to the blocks around the sentence nearest to the
question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile

from rag.answering.introduction import stream
from rag.answering.quotes import (
    QuotedBlock,
    Sentence,
    blocks_around,
    escape_markers,
    markdown_link,
    parse_blocks,
)
from rag.answering.sources import SectionPart, nearest_part, split_by_heading
from rag.answering.text_fragments import citation_url
from rag.interfaces import AnswerPart, Embedder
from rag.language.small_talk import fixed_text, reply_language
from rag.language.tokens import sparse_question, term_hashes
from rag.models import AnswerRequest, Chunk, Highlights, Passage, Usage
from rag.retrieval.highlighted import searchable_selection

MAX_QUOTED = 3
"""Maximum number of quoted sections."""
MAX_NAMED = 2
"""Maximum number of further sections that are only linked."""
BEST_SECTION = 1600
"""Maximum length of the best section, in characters."""
OTHER_SECTION = 500
"""Maximum length of each further section, in characters."""
OVERLAP_WEIGHT = 0.3
"""Weight of the words that a sentence shares with the question, relative to its cosine."""
MAX_COMPARED = 16
"""Maximum number of sentences that are embedded to compare them with the question."""


@dataclass(slots=True)
class _Section:
    """A section to quote. `number` is the number of its passage, from 1."""

    number: int
    passage: Passage
    blocks: list[QuotedBlock]
    """All blocks of the section, in order."""
    own: range
    """The indices of the blocks that come from the passage's own chunk."""
    nearest: tuple[int, Sentence] | None = None
    """The sentence nearest to the question and the index of its block."""


async def quote_sections(
    request: AnswerRequest, embedder: Embedder | None = None
) -> AsyncIterator[AnswerPart]:
    """Return the parts of an answer that quotes the book.

    With an embedder, the nearest sentence is found by meaning, otherwise by shared words.
    """
    language = reply_language(request.question, request.language, request.reader_language)
    if not request.passages:
        return stream(fixed_text("nothing", language), Usage())
    sections = choose_sections(request)
    quoted = [_assemble(n, request) for n in sections[:MAX_QUOTED]]
    about = f"{request.question}\n{searchable_selection(request.selected)}".strip()
    await _find_nearest(about, quoted, embedder)
    written = [_render(section, request, first=n == 0) for n, section in enumerate(quoted)]
    if request.grade == "nearest":
        written.insert(0, fixed_text("nearest", language))
    if named := sections[MAX_QUOTED:]:
        lines = [f"- {_name(request.passages[n - 1].chunk, request)} [{n}]" for n in named]
        written.append("\n".join([fixed_text("elsewhere", request.language), "", *lines]))
    highlights = {section.number: section.nearest[1].text for section in quoted if section.nearest}
    return stream("\n\n".join(written), Highlights(highlights), Usage())


async def _find_nearest(
    question: str, sections: Sequence[_Section], embedder: Embedder | None
) -> None:
    """Find the sentence nearest to the question in each section, with one embedding call."""
    language = sections[0].passage.chunk.language
    asked = set(sparse_question(question, language).indices)
    found = [
        (section, at, sentence, len(asked & term_hashes(sentence.text, language)))
        for section in sections
        for at in section.own
        for sentence in section.blocks[at].sentences
    ]
    found.sort(key=lambda item: -item[3])  # stable, so earlier sentences come first
    firsts = {item[0].number: item for item in reversed(found)}  # so every section has one
    found = [*firsts.values(), *found][:MAX_COMPARED] if embedder else found
    scores = [OVERLAP_WEIGHT * shared / max(1, len(asked)) for *_, shared in found]
    if embedder and found:
        texts = [sentence.text for _, _, sentence, _ in found]
        first, *others = await embedder.embed_passages([question, *texts])
        for n, vector in enumerate(others):
            scores[n] += sum(a * b for a, b in zip(first, vector, strict=True))
    best: dict[int, float] = {}
    for (section, at, sentence, _), score in zip(found, scores, strict=True):
        if score > best.get(section.number, -1.0):
            best[section.number] = score
            section.nearest = at, sentence


def choose_sections(request: AnswerRequest) -> list[int]:
    """Choose the sections to show, best first, and return their passage numbers.

    If a follow-up would quote only sections that the previous answer showed, new sections come
    first.
    """
    numbers: dict[tuple[str, ...], int] = {}
    for n, passage in enumerate(request.passages, 1):
        numbers.setdefault(_section_key(passage.chunk), n)
    chosen = list(numbers.values())
    if request.history and request.question != request.history[-1].question:
        seen = {source.chunk_id for source in request.history[-1].sources}
        shown = [request.passages[n - 1].chunk.chunk_id for n in chosen]
        if seen.issuperset(shown[:MAX_QUOTED]):
            chosen.sort(key=lambda n: request.passages[n - 1].chunk.chunk_id in seen)
    return chosen[: MAX_QUOTED + MAX_NAMED]


def _section_key(chunk: Chunk) -> tuple[str, ...]:
    """Return a key that identifies a section. Indexes with an older layout have no slugs."""
    return (chunk.source_path, chunk.slug, chunk.section) if chunk.slug else (chunk.chunk_id,)


def _assemble(number: int, request: AnswerRequest) -> _Section:
    """Assemble a section from its chunks, as far as they are loaded."""
    passage = request.passages[number - 1]
    chunk = passage.chunk
    own = parse_blocks(chunk.text)
    beside = {
        c.order_index: c for c in request.neighbours if _section_key(c) == _section_key(chunk)
    }

    def blocks(step: int) -> list[QuotedBlock]:
        places = takewhile(beside.__contains__, count(chunk.order_index + step, step))
        return [block for at in sorted(places) for block in parse_blocks(beside[at].text)]

    before, after = blocks(-1), blocks(1)
    if sum(len(block.text) for block in (*before, *own, *after)) > BEST_SECTION:
        before = []  # too long: start with the chunk that answers
    return _Section(
        number, passage, [*before, *own, *after], range(len(before), len(before) + len(own))
    )


def _render(section: _Section, request: AnswerRequest, *, first: bool) -> str:
    """Render a section under a linked heading, with its marker after the nearest sentence's block.

    If the chunk contains several small sections, only that of the sentence is shown.
    """
    chunk, blocks = section.passage.chunk, section.blocks
    at, sentence = section.nearest or (section.own.start, None)
    part, inside = split_by_heading(chunk)[0], section.own
    for held in split_by_heading(chunk):
        there = [n for n in section.own if _holds(held, blocks[n])]
        if there and (sentence is None or at in there):
            part, inside = held, range(there[0], there[-1] + 1)
            break
    at = at if sentence else inside.start
    begin = inside.start if part.line else 0
    end = len(blocks) if inside.stop == section.own.stop else inside.stop
    whole = blocks[begin:end]
    around, room = (0, BEST_SECTION) if first else (at - begin, OTHER_SECTION)
    shown = blocks_around(whole, around, room) if whole else []
    marker = f"[{section.number}]"
    lead = f"**{_heading_link(chunk.title, part, request)}**"
    written = [lead if sentence else f"{lead} {marker}"]
    for block in shown:
        quoted = replace(block, text=escape_markers(block.text))
        if sentence and block is blocks[at]:
            written.append(quoted.with_marker(marker, sentence.line))
        else:
            written.append(quoted.text)
    if request.site_url and shown and shown[-1] is not whole[-1]:
        written.append(
            markdown_link(fixed_text("read_on", request.language), _address(part.slug, request))
        )
    return "\n\n".join(written)


def _holds(part: SectionPart, block: QuotedBlock) -> bool:
    return part.line <= block.line <= part.line + part.text.count("\n")


def _name(chunk: Chunk, request: AnswerRequest) -> str:
    """Return a link to a section. If the chunk contains several, use the nearest one."""
    return _heading_link(chunk.title, nearest_part(chunk, request.question), request)


def _heading_link(title: str, part: SectionPart, request: AnswerRequest) -> str:
    """Return the heading path of a section as a link."""
    path = dict.fromkeys(name for name in (title, *part.section.split(" › ")) if name)
    return markdown_link(" › ".join(path) or part.slug or "…", _address(part.slug, request))


def _address(slug: str, request: AnswerRequest) -> str:
    return citation_url(request.site_url, slug, "")
