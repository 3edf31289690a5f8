"""A live site as a source: pages by its own lists, else by its links, to a book."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from rag.errors import NotFound, SourceError
from rag.models import Page
from sites.discovery import Scope, list_pages, same_page
from sites.fetch import Answer, Excluded, Fetcher, Limits, Unavailable
from sites.files import Report
from sites.html import NO_PAGES, make_page, site_title
from sites.html_blocks import read_page
from sites.html_links import read_targets
from sites.source import Book, humanize

MISSES_IN_A_ROW = 12
"""After so many pages that could not be read the site is taken to be down."""
_HTML = ("text/html", "application/xhtml+xml", "")


@dataclass(frozen=True, slots=True)
class _Read:
    """A page that was read."""

    page: Page
    why_not: str
    """Why it is not in the book although its links count, or ""."""
    head_title: str
    site_name: str
    links: tuple[str, ...]
    """Addresses of the book that it links to."""
    canonical: bool
    """Whether it names its own address as the one to cite."""
    text: str
    """Hash of what it says."""


async def read_site(
    url: str,
    *,
    site_url: str = "",
    known: Collection[str] = (),
    limits: Limits | None = None,
    allow_private: bool = False,
    progress: Callable[[int, int], None] = lambda read, found: None,
) -> Book:
    """Read the pages at and below an address of a live site.

    A page's source path is its address, and its slug the path below `site_url` where the page
    lies below it, else below the site's root. `known` are the source paths of pages in the
    index in use: those among them that could not be read this time are the book's `unread`.
    Raises SourceError where the site cannot be read, or stops answering on the way.
    """
    async with Fetcher(url, limits, allow_private=allow_private) as fetcher:
        try:
            await fetcher.obey()
            start = await fetcher.get(url)
        except (Unavailable, Excluded, NotFound) as error:
            raise SourceError(f"{url} cannot be read: it {error}") from None
        crawl = _Crawl(fetcher, Scope.of(start.url), site_url, progress)
        await crawl.run(start)
    return crawl.book({path for path in known if crawl.scope.address(path) == path})


@dataclass(slots=True)
class _Crawl:
    fetcher: Fetcher
    scope: Scope
    site_url: str
    progress: Callable[[int, int], None]
    report: Report = field(default_factory=Report)
    read: list[_Read] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """What there is to know of is known: a page that was read, or none any more. As same_page()."""
    missed: set[str] = field(default_factory=set)
    """Pages that could not be read this time. As same_page()."""
    complete: bool = True
    """Whether every page there is has been asked for."""
    _queue: deque[str] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)
    _follow: bool = False
    _in_a_row: int = 0

    async def run(self, start: Answer) -> None:
        """Read the start page, which has come already, and everything that is listed."""
        listing = await list_pages(self.fetcher, self.scope)
        for place, problem in listing.problems:
            self.report.add(place, problem)
        self.complete = listing.complete
        self._follow = len({same_page(url) for url in (start.url, *listing.urls)}) < 2
        self._add([start.url])
        self._queue.clear()
        first = await asyncio.to_thread(self._parse, start)
        self._take(start.url, first)
        self._add(listing.urls[: listing.curated])
        if isinstance(first, _Read):  # its navigation is in the book's order
            listed = {same_page(url) for url in listing.urls}
            self._add([url for url in first.links if same_page(url) in listed])
        self._add(listing.urls)
        while self._queue:
            if bound := self._bound():
                self.report.add(
                    self.scope.site,
                    f"was read up to the limit of {bound}; {len(self._queue)} more pages "
                    "that were found were left.",
                )
                self.complete = False
                return
            count = min(len(self._queue), self.fetcher.limits.concurrent)
            batch = [self._queue.popleft() for _ in range(count)]
            results = await asyncio.gather(*map(self._get, batch))
            for url, result in zip(batch, results, strict=True):
                self._take(url, result)
            self.progress(len(self.read), len(self.read) + len(self._queue))

    def _bound(self) -> str:
        if len(self.answered) + len(self.missed) >= self.fetcher.limits.pages:
            return f"{self.fetcher.limits.pages} pages"
        return self.fetcher.exhausted

    def _add(self, urls: Sequence[str]) -> None:
        for url in urls:
            key = same_page(url)
            if key not in self._seen and not NO_PAGES.search(urlsplit(url).path):
                self._seen.add(key)
                self._queue.append(url)

    async def _get(self, url: str) -> _Read | SourceError | NotFound:
        try:
            return await asyncio.to_thread(self._parse, await self.fetcher.get(url))
        except (SourceError, NotFound) as error:
            return error

    def _take(self, url: str, result: _Read | SourceError | NotFound) -> None:
        """Sort what came of an address."""
        if isinstance(result, _Read):
            self._in_a_row = 0
            self.answered |= {same_page(url), same_page(result.page.source_path)}
            if not result.why_not:
                self.read.append(result)
            elif not self._follow:
                self.report.add(url, result.why_not)
            if self._follow:
                self._add(result.links)
        elif isinstance(result, Unavailable):
            self._in_a_row += 1
            self.complete = self.complete and not self._follow  # what it links to is not known
            self.missed.add(same_page(url))
            self.report.add(url, str(result))
            if self._in_a_row >= MISSES_IN_A_ROW:
                raise SourceError(
                    f"{self.scope.site} stopped answering after {len(self.read)} pages: "
                    f"{url} {result} The index in use stays as it is."
                )
        else:
            self.answered.add(same_page(url))
            if not self._follow:  # links may lead anywhere, a list should not
                self.report.add(url, str(result))

    def _parse(self, answer: Answer) -> _Read | SourceError:
        if answer.kind not in _HTML:
            return Excluded(f"is {answer.kind[:60]}, not a page, so it was skipped.")
        address = self.scope.address(answer.url)
        if address is None:
            return Excluded("leads to an address outside of the book, so it was skipped.")
        html = answer.text()
        head, page = read_targets(html), read_page(html)
        slug = self._slug(address)
        name = humanize(slug.rstrip("/").rpartition("/")[2]) or "Start"
        made = make_page(page, address, slug, name, "")
        if head.noindex or "noindex" in answer.headers.get("x-robots-tag", "").lower():
            why_not = "asks not to be indexed, so it was skipped."
        elif page.redirects:
            why_not = "only sends its readers on, so it was skipped."
        elif not any(section.blocks for section in made.sections):
            why_not = "shows no text, at least not without scripts, so it was skipped."
        else:
            why_not = ""
        said = repr((made.title, made.sections)).encode("utf-8", "surrogatepass")
        base = _resolve(answer.url, head.base)
        links = [self.scope.address(link, base) for link in head.links]
        return _Read(
            made,
            why_not,
            page.title,
            head.site_name,
            tuple(link for link in links if link),
            self.scope.address(_resolve(base, head.canonical)) == address,
            hashlib.sha256(said).hexdigest(),
        )

    def _slug(self, address: str) -> str:
        """The path of an address, as readable as it can be without another meaning."""
        root = self.site_url.rstrip("/") + "/"
        below = address.startswith(root) and len(root) > 1
        path = address[len(root) :] if below else urlsplit(address).path.lstrip("/")
        readable = unquote(path)
        return path if set("%#?\ufffd") & set(readable) else readable

    def book(self, known: set[str]) -> Book:
        """What was read; each text once, in the start page's language."""
        if len(self.missed) > len(self.read):
            raise SourceError(
                f"{len(self.missed)} pages of {self.scope.site} could not be read and only "
                f"{len(self.read)} could. The index in use stays as it is."
            )
        language = next((r.page.language for r in self.read if r.page.language), "") or "en"
        kept: dict[str, _Read] = {}
        foreign = 0
        for read in self.read:
            if _primary(read.page.language or language) != _primary(language):
                foreign += 1
            elif read.text not in kept or (read.canonical and not kept[read.text].canonical):
                kept[read.text] = read
        if foreign:
            self.report.add(
                self.scope.site, f"has {foreign} pages in other languages than {language}."
            )
        pages = [r.page for r in kept.values()]
        named = [r.site_name for r in self.read if r.site_name]
        title = max(named, key=named.count, default="") or site_title(
            [r.head_title for r in kept.values()]
        )
        unread = {
            path
            for path in known
            if same_page(path) in self.missed
            or not (self.complete or same_page(path) in self.answered)
        }
        below = self.site_url and all(p.source_path.startswith(self.site_url) for p in pages)
        return Book(
            title,
            language,
            "site",
            tuple(
                Page(p.source_path, p.title, p.slug, p.sections, p.language or language)
                for p in pages
            ),
            tuple(self.report.problems),
            site_url=self.site_url if below else self.scope.site,
            unread=tuple(sorted(unread)),
        )


def _primary(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()


def _resolve(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return base
