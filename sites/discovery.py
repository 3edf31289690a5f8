"""Which pages a live site has, by its own lists: llms.txt, llms-full.txt and sitemaps."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

from rag.errors import NotFound, SourceError
from sites.fetch import Excluded, Fetcher, Unavailable, origin, unzip

MAX_SITEMAPS = 100
MAX_URL = 2_000
_LINK = re.compile(r"\]\(<?([^)\s>]{1,2000})")
_SOURCE = re.compile(r"^[ \t]*(?:source|url):[ \t]*[\"']?([^\s\"']{1,2000})", re.I | re.M)
_NO_PAGE = re.compile(
    r"\.(?:7z|atom|avi|bmp|bz2|css|csv|dmg|docx?|eot|epub|exe|gif|gz|ico|jpe?g|json|map|mov|mp[34]"
    r"|odt|og[gv]|otf|pdf|png|pptx?|ps|rar|rss|svg|tar|tgz|ttf|txt|wav|web[mp]|whl|woff2?|xlsx?|xml"
    r"|xz|zip)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Listing:
    """Addresses in the site's own order, each once."""

    urls: list[str] = field(default_factory=list)
    curated: int = 0
    """How many of them, at the beginning, are in an order that somebody chose: llms.txt's."""
    complete: bool = True
    """False where a list could not be read this time."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(address, what is wrong with it)"""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a site that is the book: a folder and what is below it."""

    site: str
    """Origin."""
    folder: str
    """With a slash at both ends."""

    @classmethod
    def of(cls, url: str) -> Scope:
        """The folder that an address names: `/docs` and `/docs/` alike, but `/` for `/a.html`."""
        folder, _, last = urlsplit(url).path.rpartition("/")
        if last and "." not in last:
            folder = f"{folder}/{last}"
        return cls(origin(url), f"{folder}/")

    def address(self, url: str, base: str = "") -> str | None:
        """A link as an address of the book without its fragment; None for all that is no page.

        What has a query is a view of a page, and there may be views without end.
        """
        try:
            url = urljoin(base or self.site, url.strip())
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or origin(url) != self.site or parts.query:
                return None
        except (SourceError, ValueError):
            return None
        path = parts.path or "/"
        if len(url) > MAX_URL or not (path + "/").startswith(self.folder) or _NO_PAGE.search(path):
            return None
        return self.site + urlunsplit(("", "", path, "", ""))


def same_page(url: str) -> str:
    """What is equal for `/a`, `/a/`, `/a/index.html` and `/%61`: one page on any usual host."""
    path = unquote(urlsplit(url).path)
    return re.sub(r"(?:^|/)(?:index\.html?)?$", "", path)


async def list_pages(fetcher: Fetcher, scope: Scope) -> Listing:
    """Everything in llms.txt, in its order, then what only the sitemaps have."""
    listing = Listing()
    found = [url async for url in _llms(fetcher, scope, listing)]
    listing.curated = len({same_page(url) for url in found})
    found += [url async for url in _sitemaps(fetcher, scope, listing)]
    # The first place, but the last spelling: a sitemap's is the site's own.
    listing.urls = list({same_page(url): url for url in found}.values())
    return listing


async def _llms(fetcher: Fetcher, scope: Scope, listing: Listing) -> AsyncIterator[str]:
    """Links of `llms.txt`; without any, the sources that `llms-full.txt` names."""
    for name, pattern in (("llms.txt", _LINK), ("llms-full.txt", _SOURCE)):
        for folder in dict.fromkeys((scope.folder, "/")):
            place = f"{scope.site}{folder}{name}"
            text = await _text(fetcher, place, listing)
            if text.lstrip()[:1] in ("", "<"):  # a page that says "not found" with status 200
                continue
            links = [scope.address(_page_of(link), place) for link in pattern.findall(text)]
            if any(links):
                for link in filter(None, links):
                    yield link
                return


def _page_of(link: str) -> str:
    """llms.txt links to Markdown twins: `page.md` is `page`, `index.html.md` is `index.html`."""
    return re.sub(r"(?:(?<=/)index)?\.mdx?(?=$|#)", "", link)


async def _sitemaps(fetcher: Fetcher, scope: Scope, listing: Listing) -> AsyncIterator[str]:
    named = [place for place in fetcher.robots.sitemaps if _on_site(place, scope)]
    usual = [f"{scope.site}{folder}sitemap.xml" for folder in dict.fromkeys((scope.folder, "/"))]
    queue, seen = deque(named or usual), set[str]()
    while queue:
        place = queue.popleft()
        if place in seen:
            continue
        if len(seen) == MAX_SITEMAPS:
            listing.problems.append((place, f"was not read: {MAX_SITEMAPS} sitemaps are enough."))
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
        queue.extend(url for url in inner if _on_site(url, scope))
        for url in urls:
            if address := scope.address(url, place):
                yield address
        if urls and not named and not inner:
            return  # the book's own sitemap; the whole site's would add nothing to it


def _on_site(url: str, scope: Scope) -> bool:
    try:
        return origin(url) == scope.site
    except SourceError:
        return False


async def _text(fetcher: Fetcher, place: str, listing: Listing) -> str:
    """A list's text; "" where there is none. That it cannot be read this time is noted."""
    try:
        answer = await fetcher.get(place)
        if answer.body.startswith(b"\x1f\x8b"):
            return unzip(answer.body, fetcher.limits.page_bytes).decode("utf-8", "replace")
        return answer.text()
    except Unavailable as error:
        listing.problems.append((place, str(error)))
        listing.complete = False
    except (NotFound, Excluded):
        pass
    except SourceError as error:
        listing.problems.append((place, str(error)))
        listing.complete = False
    return ""


def read_sitemap(text: str) -> tuple[list[str], list[str]]:
    """(sitemaps, pages) that a sitemap names: XML or, one address a line, plain text.

    https://www.sitemaps.org/protocol.html. Raises SourceError for anything else.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        lines = [line.strip() for line in text.splitlines()]
        return [], [line for line in lines if line.startswith(("http://", "https://"))]
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise SourceError("is no sitemap: it declares a document type.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a DTD there is no entity
    except (ElementTree.ParseError, ValueError):
        raise SourceError("is no sitemap: its XML is broken.") from None
    return list(_places(root, "sitemap")), list(_places(root, "url"))


def _places(root: ElementTree.Element, kind: str) -> Iterator[str]:
    for entry in root:
        if _name(entry) == kind:
            yield from _locations(entry)


def _locations(entry: Iterable[ElementTree.Element]) -> Iterator[str]:
    for item in entry:
        if _name(item) == "loc" and item.text:
            yield item.text.strip()


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
