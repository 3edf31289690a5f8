"""Compare the book as it was read with its published site: links and words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rag.answering.sources import split_by_heading
from rag.answering.text_fragments import citation_url
from rag.errors import NotFound, SourceError
from rag.models import Chunk

_AT_ONCE = 8
"""Pages checked concurrently."""
MISSING_SHARE = 0.25
MISSING_WORDS = 40
"""A page is listed if at least so many of its published words, and that share, were not read."""


class Site(Protocol):
    """A published site."""

    async def ids(self, path: str) -> frozenset[str]:
        """Return the ids on the page at a percent-encoded path.

        Raises NotFound if there is no such page, SourceError if it cannot be checked.
        """

    async def words(self, path: str) -> int:
        """Count the words on a page. Raises like `ids`."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link from the index and the section of the book that it comes from."""

    slug: str
    source_path: str
    section: str


@dataclass(frozen=True, slots=True)
class DeadLink:
    """A link that is dead, or could not be checked (`unsure`), and the reason."""

    link: Link
    reason: str
    unsure: bool = False
    links: int = 1
    """Number of links affected. If the whole page is missing, `link` is the first of them."""

    def __str__(self) -> str:
        section = self.link.section if self.links == 1 else ""
        place = " › ".join(filter(None, (self.link.source_path, section)))
        page, _, anchor = self.link.slug.partition("#")
        shown = f"/{page}#{anchor}" if anchor and self.links == 1 else f"/{page}"
        many = f" ({self.links} links)" if self.links > 1 else ""
        return f"{place}: {shown} - {self.reason}{many}"


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The result of a link check."""

    links: int
    pages: int
    problems: tuple[DeadLink, ...]
    """In book order."""

    @property
    def dead(self) -> int:
        """Number of dead links."""
        return sum(item.links for item in self.problems if not item.unsure)

    @property
    def unsure(self) -> int:
        """Number of links that could not be checked."""
        return sum(item.links for item in self.problems if item.unsure)


def citable_links(chunks: Iterable[Chunk]) -> list[Link]:
    """Return every distinct link that an answer may cite. A chunk may contain several headings."""
    found: dict[str, Link] = {}
    for chunk in chunks:
        for part in split_by_heading(chunk):
            found.setdefault(part.slug, Link(part.slug, chunk.source_path, part.section))
    return list(found.values())


def site_address(slug: str) -> tuple[str, str]:
    """Return the percent-encoded path and fragment to which a citation of a slug links."""
    address = urlsplit(citation_url("/", slug, ""))
    return address.path.lstrip("/"), address.fragment


async def check_links(chunks: Iterable[Chunk], site: Site) -> LinkReport:
    """Check every link against the pages of a site, as a browser would resolve it."""
    links = citable_links(chunks)
    by_page: dict[str, list[tuple[str, Link]]] = {}
    for link in links:
        path, fragment = site_address(link.slug)
        by_page.setdefault(path, []).append((fragment, link))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def check(path: str, fragments: Sequence[tuple[str, Link]]) -> list[DeadLink]:
        async with slots:
            try:
                ids = await site.ids(path)
            except (NotFound, SourceError) as error:
                unsure = isinstance(error, SourceError)
                return [DeadLink(fragments[0][1], str(error), unsure, len(fragments))]
        return [
            DeadLink(link, _no_heading(fragment, ids))
            for fragment, link in fragments
            if fragment and fragment not in ids and unquote(fragment) not in ids
        ]

    found = await asyncio.gather(*(check(path, wanted) for path, wanted in by_page.items()))
    order = {link.slug: n for n, link in enumerate(links)}
    dead = sorted((item for page in found for item in page), key=lambda d: order[d.link.slug])
    return LinkReport(len(links), len(by_page), tuple(dead))


def _no_heading(fragment: str, ids: frozenset[str]) -> str:
    near = get_close_matches(unquote(fragment), sorted(ids), 1)
    return "the page has no such heading" + (f", but #{near[0]}" if near else "")


async def check_words(read: Mapping[str, tuple[str, int]], site: Site) -> list[str]:
    """Return a sentence for each page on which far more is published than was read.

    `read` maps a slug to the source path and the number of words read. Pages that the site
    does not have are left to the link check.
    """
    sentences = []
    for slug, (path, words) in read.items():
        try:
            published = await site.words(site_address(slug)[0])
        except (NotFound, SourceError):
            continue
        missing = published - words
        if missing >= MISSING_WORDS and missing >= MISSING_SHARE * published:
            sentences.append(f"{path}: {words} words were read of {published} published at /{slug}")
    return sentences
