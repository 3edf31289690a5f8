"""Crawl a live site into a book, from its page lists or, without any, by following links."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from rag.errors import NotFound, SourceError
from rag.models import Page
from sites.discovery import Scope, list_pages, same_page
from sites.fetch import Excluded, Fetcher, Limits, Response, Unavailable
from sites.files import Report
from sites.html import NOT_PAGES, make_page, site_title
from sites.html_blocks import read_page
from sites.html_links import read_targets
from sites.source import (
    Book,
    count_words,
    file_address,
    humanize,
    page_words,
    primary_language,
)
from sites.time_limit import TooSlow, page_time_limit

MAX_CONSECUTIVE_FAILURES = 12
"""After this many failures in a row the site counts as down."""
_NO_TEXT = "has no text without JavaScript"
_SHELL = re.compile(
    r"<[\w-]{1,20}[^<>]{0,200}\bid=[\"']?(?:root|app|main|__next|__nuxt|___gatsby)[\"'\s>]"
)
"""The element that a program fills; until then it may say `Loading...`."""
MAX_SHELL_WORDS = 5
_HTML = ("text/html", "application/xhtml+xml", "")


@dataclass(frozen=True, slots=True)
class _CrawledPage:
    """A page that was fetched and parsed."""

    page: Page
    skip_reason: str
    """Why the page is left out of the book (its links still count), or ""."""
    head_title: str
    site_name: str
    links: tuple[str, ...]
    """Addresses within the book that the page links to."""
    canonical: bool
    """Whether the page declares its own address as canonical."""
    text: str
    """Hash of the title and text."""


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

    A page's source path is its address. Its slug is the path below `site_url`, or below the
    site's root if the page is not under `site_url`. `known` are the source paths of the pages
    in the current index; those that cannot be read this time are in the book's `unread`.
    Raises SourceError if the site cannot be read or stops responding.
    """
    async with Fetcher(url, limits, allow_private=allow_private) as fetcher:
        try:
            await fetcher.load_robots()
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
    read: list[_CrawledPage] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    """Keys (`same_page`) of pages that were read or are gone."""
    missed: set[str] = field(default_factory=set)
    """Keys (`same_page`) of pages that could not be read this time."""
    textless: int = 0
    """Number of pages that have no text without JavaScript."""
    characters: int = 0
    """Of the HTML of all pages."""
    complete: bool = True
    """Whether every page of the site has been requested."""
    _queue: deque[str] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)
    _follow: bool = False
    _consecutive_failures: int = 0

    async def run(self, start: Response) -> None:
        """Read the start page, already fetched, and every page that is listed or linked."""
        listing = await list_pages(self.fetcher, self.scope)
        for place, problem in listing.problems:
            self.report.add(place, problem)
        self.complete = listing.complete
        self._follow = len({same_page(url) for url in (start.url, *listing.urls)}) < 2
        self._add([start.url])
        self._queue.clear()
        first = self._parse(start)
        self._record(start.url, first)
        self._add(listing.urls[: listing.curated])
        if isinstance(first, _CrawledPage):  # navigation links are in reading order
            listed = {same_page(url) for url in listing.urls}
            self._add([url for url in first.links if same_page(url) in listed])
        self._add(listing.urls)
        while self._queue:
            if limit := self._limit_reached():
                self.report.add(
                    self.scope.site,
                    f"was read up to the limit of {limit}; {len(self._queue)} more pages "
                    "were found and not read.",
                )
                self.complete = False
                return
            count = min(len(self._queue), self.fetcher.limits.concurrent)
            batch = [self._queue.popleft() for _ in range(count)]
            results = await asyncio.gather(*map(self._get, batch))
            for url, result in zip(batch, results, strict=True):
                self._record(url, result)
            self.progress(len(self.read), len(self.read) + len(self._queue))

    def _limit_reached(self) -> str:
        if len(self.settled) + len(self.missed) >= self.fetcher.limits.pages:
            return f"{self.fetcher.limits.pages} pages"
        if self.characters > self.fetcher.limits.characters:
            return f"{self.fetcher.limits.characters:,} characters"
        return self.fetcher.exhausted

    def _add(self, urls: Sequence[str]) -> None:
        for url in urls:
            key = same_page(url)
            if key not in self._seen and not NOT_PAGES.search(urlsplit(url).path):
                self._seen.add(key)
                self._queue.append(url)

    async def _get(self, url: str) -> _CrawledPage | SourceError | NotFound:
        try:
            response = await self.fetcher.get(url)
        except (SourceError, NotFound) as error:
            return error
        return self._parse(response)

    def _record(self, url: str, result: _CrawledPage | SourceError | NotFound) -> None:
        """Record the result for one address."""
        if isinstance(result, _CrawledPage):
            self._consecutive_failures = 0
            self.settled |= {same_page(url), same_page(result.page.source_path)}
            self.textless += result.skip_reason.startswith(_NO_TEXT)
            if not result.skip_reason:
                self.read.append(result)
            elif not self._follow:
                self.report.add(url, result.skip_reason)
            if self._follow:
                self._add(result.links)
        elif isinstance(result, Unavailable):
            self._consecutive_failures += 1
            self.complete = self.complete and not self._follow  # its links are unknown
            self.missed.add(same_page(url))
            self.report.add(url, str(result), skipped=True)
            if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
                raise SourceError(
                    f"{self.scope.site} stopped responding after {len(self.read)} pages: "
                    f"{url} {result} The current index is unchanged."
                )
        else:
            self.settled.add(same_page(url))
            if not self._follow:  # a broken link is normal, a broken list entry is not
                self.report.add(url, str(result))

    def _parse(self, response: Response) -> _CrawledPage | SourceError:
        """Parse a page within its time, which is only measured in the main thread."""
        try:
            with page_time_limit(self.fetcher.limits.page_seconds):
                return self._parsed(response)
        except TooSlow:
            return Unavailable(f"took longer than {self.fetcher.limits.page_seconds:g} s to parse.")
        except Exception as error:  # noqa: BLE001 - one page must not stop the others
            return Unavailable(f"could not be parsed ({type(error).__name__}).")

    def _parsed(self, response: Response) -> _CrawledPage | SourceError:
        if response.media_type not in _HTML:
            return Excluded(f"is {response.media_type[:60]}, not an HTML page, so it was skipped.")
        address = self.scope.address(response.url)
        if address is None:
            return Excluded("redirects outside the book, so it was skipped.")
        html = response.text()
        self.characters += len(html)
        head, page = read_targets(html), read_page(html)
        slug = self._slug(address)
        name = humanize(slug.rstrip("/").rpartition("/")[2]) or "Start"
        made = make_page(page, address, slug, name, "")
        if head.noindex or "noindex" in response.headers.get("x-robots-tag", "").lower():
            skip_reason = "asks not to be indexed, so it was skipped."
        elif page.redirects:
            skip_reason = "only redirects, so it was skipped."
        elif _is_empty(made, html):
            skip_reason = f"{_NO_TEXT}, so it was skipped."
        else:
            skip_reason = ""
        said = repr((made.title, made.sections)).encode("utf-8", "surrogatepass")
        base = _resolve(response.url, head.base)
        links = [self.scope.address(link, base) for link in head.links]
        return _CrawledPage(
            made,
            skip_reason,
            page.title,
            head.site_name,
            tuple(link for link in links if link),
            self.scope.address(_resolve(base, head.canonical)) == address,
            hashlib.sha256(said).hexdigest(),
        )

    def _slug(self, address: str) -> str:
        """Return the path of an address, percent-decoded where that does not change its meaning."""
        root = self.site_url.rstrip("/") + "/"
        below = address.startswith(root) and len(root) > 1
        path = address[len(root) :] if below else urlsplit(address).path.lstrip("/")
        readable = unquote(path)
        if "\ufffd" in readable or readable.count("/") != path.count("/"):
            return path
        return file_address(readable)

    def book(self, known: set[str]) -> Book:
        """Make the book: pages in the first page's language, without duplicates."""
        if len(self.missed) > len(self.read):
            raise SourceError(
                f"{len(self.missed)} pages of {self.scope.site} could not be read, only "
                f"{len(self.read)} could. The current index is unchanged."
            )
        if not self.read and self.textless:
            raise SourceError(
                f"{self.scope.site} shows its text with JavaScript, which is not run. Index the "
                "folder of its sources, or of its built HTML: `python ingest.py FOLDER`."
            )
        language = next((r.page.language for r in self.read if r.page.language), "") or "en"
        wanted = "" if self.fetcher.limits.every_language else primary_language(language)
        kept: dict[str, _CrawledPage] = {}
        foreign = 0
        for read in self.read:
            if wanted and primary_language(read.page.language or language) != wanted:
                foreign += 1
            elif read.text not in kept or (read.canonical and not kept[read.text].canonical):
                kept[read.text] = read
        if foreign:
            self.report.add(
                self.scope.site,
                f"has {foreign} pages in languages other than {language}; they were left out "
                "(see --language).",
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
            or not (self.complete or same_page(path) in self.settled)
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


def _is_empty(page: Page, html: str) -> bool:
    """Return whether a page has no text, or only a few words that wait for a program."""
    if not any(section.blocks for section in page.sections):
        return True
    waits = "<script" in html and _SHELL.search(html) is not None
    return waits and page_words(page) - count_words(page.title) <= MAX_SHELL_WORDS


def _resolve(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        return base
