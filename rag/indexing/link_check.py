"""Whether every link that an answer may cite leads to a page and a heading that are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rag.answering.sources import parts
from rag.answering.text_fragments import citation_url
from rag.errors import NotFound, SourceError
from rag.models import Chunk

_AT_ONCE = 8
"""Pages looked up at a time."""


class Site(Protocol):
    """A published site."""

    async def ids(self, path: str) -> frozenset[str]:
        """What a fragment may name on the page at a percent-encoded path.

        Raises NotFound where there is no such page, SourceError where nobody can tell.
        """


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the index, and where in the book it comes from."""

    slug: str
    source_path: str
    section: str


@dataclass(frozen=True, slots=True)
class Dead:
    """A link that leads nowhere, or (`unsure`) perhaps so, and why."""

    link: Link
    reason: str
    unsure: bool = False
    links: int = 1
    """More than one where the whole page is not there; `link` is the first of them."""

    def __str__(self) -> str:
        section = self.link.section if self.links == 1 else ""
        place = " › ".join(filter(None, (self.link.source_path, section)))
        page, _, anchor = self.link.slug.partition("#")
        shown = f"/{page}#{anchor}" if anchor and self.links == 1 else f"/{page}"
        many = f" ({self.links} links)" if self.links > 1 else ""
        return f"{place}: {shown} - {self.reason}{many}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of checking."""

    links: int
    pages: int
    problems: tuple[Dead, ...]
    """In the book's order."""

    @property
    def dead(self) -> int:
        """Links that lead nowhere."""
        return sum(item.links for item in self.problems if not item.unsure)

    @property
    def unsure(self) -> int:
        """Links that could not be checked."""
        return sum(item.links for item in self.problems if item.unsure)


def links_of(chunks: Iterable[Chunk]) -> list[Link]:
    """Every address that an answer may cite, once: a chunk may hold several headings."""
    found: dict[str, Link] = {}
    for chunk in chunks:
        for part in parts(chunk):
            found.setdefault(part.slug, Link(part.slug, chunk.source_path, part.section))
    return list(found.values())


async def verify(chunks: Iterable[Chunk], site: Site) -> Verdict:
    """Look up every link, as a browser would, on the pages of a site."""
    links = links_of(chunks)
    by_page: dict[str, list[tuple[str, Link]]] = {}
    for link in links:
        address = urlsplit(citation_url("", link.slug, ""))
        by_page.setdefault(address.path.lstrip("/"), []).append((address.fragment, link))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def check(path: str, fragments: Sequence[tuple[str, Link]]) -> list[Dead]:
        async with slots:
            try:
                ids = await site.ids(path)
            except (NotFound, SourceError) as error:
                unsure = isinstance(error, SourceError)
                return [Dead(fragments[0][1], str(error), unsure, len(fragments))]
        return [
            Dead(link, _no_heading(fragment, ids))
            for fragment, link in fragments
            if fragment and fragment not in ids and unquote(fragment) not in ids
        ]

    found = await asyncio.gather(*(check(path, wanted) for path, wanted in by_page.items()))
    order = {link.slug: n for n, link in enumerate(links)}
    dead = sorted((item for page in found for item in page), key=lambda d: order[d.link.slug])
    return Verdict(len(links), len(by_page), tuple(dead))


def _no_heading(fragment: str, ids: frozenset[str]) -> str:
    near = get_close_matches(unquote(fragment), sorted(ids), 1)
    return "the page has no such heading" + (f", but #{near[0]}" if near else "")
