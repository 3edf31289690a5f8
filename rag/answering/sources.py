"""Turn passages into the sources of an answer, with snippets and links to the exact sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rag.answering.code_reader import FencedLines
from rag.answering.text_fragments import citation_url, plain_sentences, words
from rag.interfaces import VectorStore
from rag.models import Chunk, Claim, Passage, RelatedSection, Source
from rag.retrieval.relevance import NOTHING
from rag.settings import Settings

SNIPPET_CHARACTERS = 240
_HEADING = re.compile(r"(#{1,6}) (.+)")


async def citation_base(settings: Settings, store: VectorStore, address: str = "") -> str:
    """Return the base URL of citations: SITE_URL, or the URL in the book's configuration.

    For a reader at this machine it is the local preview, which shows the book as indexed. Without
    any of them it is the preview of this service, relative to it, or "" if there is none.
    """
    preview = settings.preview_url(address)
    at_home = settings.local and preview.startswith("http")
    if settings.site_url or at_home:
        return settings.site_url or preview
    info = await store.info()
    return (info.site_url if info else "") or preview


def make_source(
    passage: Passage, site_url: str, claims: Sequence[str], highlight: str = ""
) -> Source:
    """Convert a passage to a source.

    `claims` are the texts that the passage is cited for, one per marker in the answer, or the
    search query. At least one is needed. Each links to the section within the chunk that matches it
    best.
    """
    chunk = passage.chunk
    places = [_locate(chunk, site_url, claim) for claim in claims]
    first = places[0]
    return Source(
        chunk_id=chunk.chunk_id,
        title=chunk.title,
        section=first.section,
        slug=first.slug,
        url=first.url,
        snippet=first.snippet,
        score=round(passage.score, 3),
        source_path=chunk.source_path,
        highlight=highlight,
        claims=tuple(places),
    )


def _locate(chunk: Chunk, site_url: str, claim: str) -> Claim:
    part = nearest_part(chunk, claim)
    above = f"{chunk.title} › {part.section}"
    url = citation_url(site_url, part.slug, part.text, claim, above)
    return Claim(part.slug, part.section, url, snippet(part.text, claim))


class SectionPart(NamedTuple):
    """The part of a chunk below one heading."""

    slug: str
    section: str
    heading: str
    text: str
    line: int
    """Line of the chunk's text where this part starts, from 0."""


class HeadingLine(NamedTuple):
    """A heading within the text of a chunk."""

    line: int
    """Line of the chunk's text, from 0."""
    level: int
    title: str
    anchor: str


def heading_lines(chunk: Chunk) -> list[HeadingLine]:
    """Return the headings within a chunk's text, in order. Each has one of the chunk's anchors."""
    found: list[HeadingLine] = []
    code = FencedLines()
    for n, line in enumerate(chunk.text.split("\n")):
        title = None if code.read(line) else _HEADING.fullmatch(line)
        if title and len(found) < len(chunk.anchors):
            found.append(HeadingLine(n, len(title[1]), title[2], chunk.anchors[len(found)]))
    return found


def split_by_heading(chunk: Chunk) -> list[SectionPart]:
    """Split a chunk's text at its heading lines."""
    lines, headings = chunk.text.split("\n"), heading_lines(chunk)
    page, outer = chunk.slug.partition("#")[0], chunk.section.split(" › ") if chunk.section else []
    places = [(0, chunk.slug, chunk.section)]
    for line, level, title, anchor in headings:
        section = " › ".join([*outer[: max(0, level - 2)], title])
        places.append((line + 1, f"{page}#{anchor}" if anchor else page, section))
    ends = [*(each.line for each in headings), len(lines)]
    found = [
        SectionPart(
            slug, section, heading(section, chunk.title), "\n".join(lines[begin:end]), begin
        )
        for (begin, slug, section), end in zip(places, ends, strict=True)
    ]
    return [part for part in found if part.text.strip()] or found[:1]


def nearest_part(chunk: Chunk, claim: str) -> SectionPart:
    """Return the part of a chunk that shares the most words with a claim."""
    return max(
        split_by_heading(chunk), key=lambda part: nearness(claim, f"{part.heading} {part.text}")
    )


def nearness(claim: str, text: str) -> float:
    """Return the fraction of the claim's words that occur in a text."""
    wanted = words(claim)
    return len(wanted & words(text)) / max(1, len(wanted))


def snippet(text: str, claim: str) -> str:
    """Excerpt about SNIPPET_CHARACTERS around the sentence or table row nearest to a claim."""
    prose, rows = plain_sentences(text), tuple(_rows(text))
    if not prose and not rows:  # only code
        prose = (" ".join(text.split()),)
    near = [nearness(claim, unit) for unit in [*prose, *rows]]
    begin = near.index(max(near))
    shown = rows[begin - len(prose)] if begin >= len(prose) else " ".join(prose[begin:])
    if len(shown) > SNIPPET_CHARACTERS:
        shown = shown[:SNIPPET_CHARACTERS].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"
    return shown if begin == 0 else f"… {shown}"


def _rows(text: str) -> Iterator[str]:
    """Yield the table rows of a text, each as one line."""
    for line in text.splitlines():
        if line.startswith("|") and any(character.isalnum() for character in line):
            yield " · ".join(cell.strip() for cell in line.strip("|").split("|") if cell.strip())


def related_sections(
    passages: Sequence[Passage], cited: Sequence[Source], site_url: str, count: int = 3
) -> tuple[RelatedSection, ...]:
    """Return up to `count` further sections, best first, leaving out those that are cited."""
    seen = {(source.title, claim.section) for source in cited for claim in source.claims}
    found: list[RelatedSection] = []
    for passage in passages:
        chunk = passage.chunk
        place = (chunk.title, chunk.section)
        if place in seen or passage.score < NOTHING or len(found) == count:
            continue
        seen.add(place)
        url = citation_url(site_url, chunk.slug, "")
        found.append(RelatedSection(chunk.title, chunk.section, chunk.slug, url))
    return tuple(found)


def heading(section: str, title: str) -> str:
    """Return the innermost heading of a section, or the page title."""
    return section.rsplit(" › ", 1)[-1] or title
