"""List the pages of a live site from llms.txt, llms-full.txt and its sitemaps.

https://llmstxt.org and https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree import ElementTree

from rag.errors import NotFound, SourceError
from sites.fetch import Excluded, Fetcher, Forbidden, Response, unzip
from sites.scope import Scope, same_page

MAX_SITEMAPS = 100
_LINK = re.compile(r"\]\(<?([^)\s>]{1,2000})")
_SOURCE = re.compile(r"^[ \t]*(?:source|url):[ \t]*[\"']?([^\s\"']{1,2000})", re.I | re.M)


@dataclass(slots=True)
class Listing:
    """Unique addresses in the site's order."""

    urls: list[str] = field(default_factory=list)
    curated: int = 0
    """How many at the start come from llms.txt and so are in an order chosen by the author."""
    complete: bool = True
    """False if a list could not be read this time."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(address, what is wrong with it)"""
    not_found: Response | None = None
    """The page that the site shows, with status 200, where a list does not exist."""


async def list_pages(fetcher: Fetcher, scope: Scope, sitemaps: Sequence[str] = ()) -> Listing:
    """List the pages in llms.txt, in its order, then those found only in sitemaps.

    `sitemaps` are those that the start page names.
    """
    listing = Listing()
    found = [url async for url in _llms(fetcher, scope, listing)]
    listing.curated = len({same_page(url) for url in found})
    found += [url async for url in _sitemaps(fetcher, scope, listing, sitemaps)]
    # Keep the first position but the last spelling: sitemaps use the canonical one.
    listing.urls = list({same_page(url): url for url in found}.values())
    return listing


async def _llms(fetcher: Fetcher, scope: Scope, listing: Listing) -> AsyncIterator[str]:
    """Yield the links in `llms.txt`; without any, the sources named in `llms-full.txt`."""
    for name, pattern in (("llms.txt", _LINK), ("llms-full.txt", _SOURCE)):
        for folder in dict.fromkeys((scope.folder, "/")):
            place = f"{scope.site}{folder}{name}"
            text = await _text(fetcher, place, listing)
            links = [scope.address(_page_of(link), place) for link in pattern.findall(text)]
            if any(links):
                for link in filter(None, links):
                    yield link
                return


def _page_of(link: str) -> str:
    """Map the Markdown copy that llms.txt links to, such as `page.md`, to its page."""
    return re.sub(r"(?:(?<=/)index)?\.mdx?(?=$|#)", "", link)


async def _sitemaps(
    fetcher: Fetcher, scope: Scope, listing: Listing, given: Sequence[str]
) -> AsyncIterator[str]:
    robots = f"{scope.site}/robots.txt"
    told = [*fetcher.robots.sitemaps, *given]
    named = [here for place in told if (here := scope.here(place, robots))]
    usual = [f"{scope.site}{folder}sitemap.xml" for folder in dict.fromkeys((scope.folder, "/"))]
    if not named:
        usual += _here(told, scope, robots, listing)
    queue, seen = deque(named or usual), set[str]()
    while queue:
        place = queue.popleft()
        if place in seen:
            continue
        if len(seen) == MAX_SITEMAPS:
            listing.problems.append((place, f"was not read: the limit is {MAX_SITEMAPS} sitemaps."))
            listing.complete = False
            return
        seen.add(place)
        text = await _text(fetcher, place, listing)
        try:
            inner, urls = read_sitemap(text)
        except SourceError as error:
            if place in named or "<urlset" in text or "<sitemapindex" in text:
                listing.problems.append((place, str(error)))
                listing.complete = False
            continue
        queue.extend(_here(inner, scope, place, listing))
        for url in _here(urls, scope, place, listing):
            if address := scope.address(url, place):
                yield address
        if urls and not named and not inner:
            return  # the book's own sitemap makes the site-wide one redundant


def _here(urls: Sequence[str], scope: Scope, place: str, listing: Listing) -> list[str]:
    """Return the addresses on this site. If all are on one other host, take their paths."""
    if here := [address for url in urls if (address := scope.here(url, place))]:
        return here
    parts = [urlsplit(url) for url in urls if "[" not in url]  # which may not be an IPv6 address
    others = {each.netloc for each in parts}
    if len(others) != 1:
        return []
    sentence = f"names another host ({others.pop()[:100]}); the same paths were read on "
    listing.problems.append((place, f"{sentence}{scope.site}."))
    return [scope.here(each.path) for each in parts]


async def _text(fetcher: Fetcher, place: str, listing: Listing) -> str:
    """Fetch a list's text, or "" if it does not exist. A failure is added to the listing."""
    try:
        response = await fetcher.get(place)
        if response.body.startswith(b"\x1f\x8b"):
            return unzip(response.body, fetcher.limits.page_bytes).decode("utf-8", "replace")
        text = response.text()
        is_page = place.endswith(".txt") or "<html" in text[:1000].lower()
        if not text.lstrip().startswith("<") or not is_page:
            return text
        listing.not_found = response
    except (NotFound, Excluded, Forbidden):
        pass
    except SourceError as error:
        listing.problems.append((place, str(error)))
        listing.complete = False
    return ""


def read_sitemap(text: str) -> tuple[list[str], list[str]]:
    """Parse a sitemap, XML or one address per line, into (sitemaps, pages).

    Raises SourceError for anything else.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        lines = [line.strip() for line in text.splitlines()]
        return [], [line for line in lines if line.startswith(("http://", "https://"))]
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise SourceError("is not a sitemap: it declares a document type.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a DTD there are no entities
    except (ElementTree.ParseError, ValueError):
        raise SourceError("is not a sitemap: its XML is broken.") from None
    sitemaps, pages = (root.findall(f"{{*}}{kind}/{{*}}loc") for kind in ("sitemap", "url"))
    return _texts(sitemaps), _texts(pages)


def _texts(elements: Iterable[ElementTree.Element]) -> list[str]:
    return [element.text.strip() for element in elements if element.text]
