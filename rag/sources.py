"""Passages as an answer cites them: numbered, quoted, linked to the very sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from rag.links import citation_url, sentences
from rag.settings import Settings
from rag.types import Chunk, Passage, Source, VectorStore

Claims: TypeAlias = Mapping[int, str]
"""By citation number: what a passage is cited for."""

SNIPPET_CHARACTERS = 240
_HEADING = re.compile(r"(#{1,6}) (.+)")
_FENCE = re.compile(r" *(?:`{3,}|~{3,})")
_MARKER = re.compile(r"(?:\[\d+\])+")
_WORD = re.compile(r"\w{3,}")


async def site_of(settings: Settings, store: VectorStore) -> str:
    """Where citations link to: SITE_URL, else the address that the book itself names.

    On a laptop it is the preview, which shows the book as it is indexed, published or not.
    """
    if settings.site_url or settings.preview:
        return settings.book_url
    info = await store.info()
    return (info.site_url if info else "") or settings.book_url


def source(passage: Passage, site_url: str, claim: str) -> Source:
    """A passage as the contract shows it. `claim` is what it is cited, or searched, for.

    A chunk may hold several small sections: slug and section are those of the claim.
    """
    chunk = passage.chunk
    part = max(parts(chunk), key=lambda part: nearness(claim, f"{part.heading} {part.text}"))
    return Source(
        chunk_id=chunk.chunk_id,
        title=chunk.title,
        section=part.section,
        slug=part.slug,
        url=citation_url(site_url, part.slug, part.text, claim, f"{chunk.title} › {part.section}"),
        snippet=snippet(part.text, claim),
        score=round(passage.score, 3),
        source_path=chunk.source_path,
    )


class Part(NamedTuple):
    """What of a chunk stands under one heading."""

    slug: str
    section: str
    heading: str
    text: str


def parts(chunk: Chunk) -> list[Part]:
    """A chunk's text divided at the heading lines within it."""
    found: list[Part] = []
    slug, section, lines = chunk.slug, chunk.section, list[str]()
    page, anchors, fence = chunk.slug.partition("#")[0], iter(chunk.anchors), ""
    for line in chunk.text.split("\n"):
        if opening := _FENCE.match(line):
            fence = "" if fence and opening[0].startswith(fence) else fence or opening[0]
        title = None if fence else _HEADING.fullmatch(line)
        anchor = next(anchors, None) if title else None
        if title is None or anchor is None:
            lines.append(line)
            continue
        found.append(Part(slug, section, heading(section, chunk.title), "\n".join(lines)))
        outer = chunk.section.split(" › ") if chunk.section else []
        section = " › ".join([*outer[: len(title[1]) - 2], title[2]])
        slug, lines = f"{page}#{anchor}" if anchor else page, []
    found.append(Part(slug, section, heading(section, chunk.title), "\n".join(lines)))
    return [part for part in found if part.text.strip()] or found[:1]


def nearness(claim: str, text: str) -> float:
    """The share of the claim's words that a text has."""
    wanted = words(claim)
    return len(wanted & words(text)) / max(1, len(wanted))


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def claims(message: str) -> Claims:
    """For each `[n]` of a message the text that it stands behind, back to the marker before.

    A passage that is cited more than once is cited for the first time.
    """
    found: dict[int, str] = {}
    start = 0
    for marker in _MARKER.finditer(message):
        text = message[start : marker.start()].strip()
        for number in re.findall(r"\d+", marker[0]):
            found.setdefault(int(number), text)
        start = marker.end()
    return found


def snippet(text: str, claim: str) -> str:
    """About SNIPPET_CHARACTERS of plain text from the sentence or table row nearest to a claim."""
    prose, rows = sentences(text), tuple(_rows(text))
    if not prose and not rows:  # nothing but code
        prose = (" ".join(text.split()),)
    near = [nearness(claim, unit) for unit in [*prose, *rows]]
    begin = near.index(max(near))
    shown = rows[begin - len(prose)] if begin >= len(prose) else " ".join(prose[begin:])
    if len(shown) > SNIPPET_CHARACTERS:
        shown = shown[:SNIPPET_CHARACTERS].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"
    return shown if begin == 0 else f"… {shown}"


def _rows(text: str) -> Iterator[str]:
    """The cells of each row of the tables, as one line."""
    for line in text.splitlines():
        if line.startswith("|") and any(character.isalnum() for character in line):
            yield " · ".join(cell.strip() for cell in line.strip("|").split("|") if cell.strip())


def suggestions(
    near: Sequence[Chunk], best: Chunk, cited: Sequence[Source], count: int = 3
) -> tuple[str, ...]:
    """What a reader may want to know next: what stands around the best passage, nearest first.

    Sections of the same page that the answer does not cite, then pages beside it by their
    titles: a heading of another page, torn from it, often says nothing.
    """
    seen = {heading(source.section, source.title) for source in cited} | {best.title}
    ordered = sorted(
        near,
        key=lambda c: (c.source_path != best.source_path, abs(c.order_index - best.order_index)),
    )
    headings = (
        heading(chunk.section, chunk.title)
        if chunk.source_path == best.source_path
        else chunk.title
        for chunk in ordered
    )
    return tuple(dict.fromkeys(h for h in headings if h not in seen))[:count]


def heading(section: str, title: str) -> str:
    """The innermost heading of a section, or its page's title."""
    return section.rsplit(" › ", 1)[-1] or title
