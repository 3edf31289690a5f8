"""Crawl a live site into a book, from its page lists or, without any, by following links."""

from __future__ import annotations

import asyncio
import hashlib
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from rag.errors import BookError, NotFound, SourceError
from rag.language.detect import primary_subtag
from rag.models import Page
from sites.discovery import list_pages
from sites.fetch import Excluded, Fetcher, Limits, Response, Unavailable, Unreadable
from sites.html import NOT_PAGES, make_page, site_title
from sites.html_page import HtmlPage, read_page
from sites.languages import language_tag, settle_languages
from sites.report import Report
from sites.scope import Scope, join, other_versions, same_page
from sites.source import Book, count_words, file_address, humanize, page_words
from sites.time_limit import TooSlow, page_time_limit

MAX_CONSECUTIVE_FAILURES = 12
"""After this many failures in a row the site counts as down."""
MAX_SHELL_WORDS = 5
"""A page with a program, no links and no more words, such as `Loading...`, waits for it."""
_WORD = re.compile(r"[\w/.-]+")
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
        except BookError as error:
            raise SourceError(f"{url} cannot be read: it {error}") from None
        head = read_page(start.text())
        scope = Scope.of_start(url, start.url.partition("?")[0], head)
        crawl = _Crawl(fetcher, scope, site_url, progress)
        await crawl.run(start, head)
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
    _not_found: str = ""
    """Fingerprint of the page that the site shows, with status 200, for pages it does not have."""
    _consecutive_failures: int = 0

    async def run(self, start: Response, head: HtmlPage) -> None:
        """Read the start page, already fetched, and every page that is listed or linked."""
        listing = await list_pages(self.fetcher, self.scope, head.sitemaps)
        for place, problem in listing.problems:
            self.report.add(place, problem)
        self.complete = listing.complete
        own = self._own_version([start.url, *listing.urls])
        listed = [url for url in listing.urls if url in own]
        self._follow = len({same_page(url) for url in (start.url, *listed)}) < 2
        self._add([start.url])
        self._queue.clear()
        first = self._parse(start)
        self._record(start.url, first)
        if listing.not_found:
            missing = listing.not_found
            page = make_page(read_page(missing.text()), missing.url, "", "")
            if any(section.blocks for section in page.sections):
                self._not_found = _fingerprint(page)
        links = first.links if isinstance(first, _CrawledPage) else ()
        keys = {same_page(url) for url in listed}
        self._add(listed[: listing.curated])
        self._add([url for url in links if same_page(url) in keys])  # in reading order
        self._add(listed)
        await self._read_queue()
        if not self._follow and len(self.read) < 2:
            self.report.add(self.scope.site, "lists no page that exists; links were followed.")
            self._follow = True
            self._add(links)
            await self._read_queue()

    async def _read_queue(self) -> None:
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

    def _own_version(self, urls: Sequence[str]) -> set[str]:
        """Return the addresses without those of other versions of the book, which are reported."""
        others = other_versions(urls)
        if others:
            self.settled |= {same_page(url) for url in others}
            names = ", ".join(sorted(set(others.values())))
            self.report.add(
                self.scope.site,
                f"has {len(others)} pages of other versions ({names}); they were left out. To "
                "index a version, give its address.",
            )
        return set(urls) - others.keys()

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

    async def _get(self, url: str) -> _CrawledPage | BookError:
        try:
            response = await self.fetcher.get(url)
        except BookError as error:
            return error
        return self._parse(response)

    def _record(self, url: str, result: _CrawledPage | BookError) -> None:
        """Record the result for one address."""
        if isinstance(result, _CrawledPage):
            self._consecutive_failures = 0
            self.settled |= {same_page(url), same_page(result.page.source_path)}
            self.textless += "JavaScript" in result.skip_reason
            if not result.skip_reason:
                self.read.append(result)
            elif "no text" in result.skip_reason or not self._follow:
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
            # A broken link is normal, a broken entry of a list is not.
            if not self._follow or isinstance(result, Unreadable):
                self.report.add(url, str(result))

    def _parse(self, response: Response) -> _CrawledPage | BookError:
        """Parse a page within its time, which is only measured in the main thread."""
        try:
            with page_time_limit(self.fetcher.limits.page_seconds):
                return self._parsed(response)
        except TooSlow:
            return Unavailable(f"took longer than {self.fetcher.limits.page_seconds:g} s to parse.")
        except Exception as error:  # noqa: BLE001 - one page must not stop the others
            return Unavailable(f"could not be parsed ({type(error).__name__}).")

    def _parsed(self, response: Response) -> _CrawledPage | BookError:
        if response.media_type not in _HTML:
            return Excluded(f"is {response.media_type[:60]}, not an HTML page, so it was skipped.")
        address = self.scope.address(response.url.partition("?")[0])
        if address is None:
            return Excluded("redirects outside the book, so it was skipped.")
        if b"\0" in response.body and response.body[:2] not in (BOM_UTF16_LE, BOM_UTF16_BE):
            return Unreadable("is a binary file, not text, so it was skipped.")
        html = response.text()
        self.characters += len(html)
        page = read_page(html)
        base = join(response.url, page.base)
        found = (self.scope.address(each, base) for each in dict.fromkeys(page.links))
        links = tuple(filter(None, found))
        slug = self._slug(address)
        name = humanize(slug.rstrip("/").rpartition("/")[2]) or "Start"
        made = make_page(page, address, slug, name)
        if page.noindex or "noindex" in response.headers.get("x-robots-tag", "").lower():
            skip_reason = "asks not to be indexed, so it was skipped."
        elif page.redirects:
            skip_reason = "only redirects, so it was skipped."
        elif _is_empty(made, html, links):
            script = " without JavaScript" if "<script" in html else ""
            skip_reason = f"has no text{script}, so it was skipped."
        elif _fingerprint(made) == self._not_found:
            return NotFound("shows the page for addresses that do not exist, so it was skipped.")
        else:
            skip_reason = ""
        said = repr((made.title, made.sections, primary_subtag(language_tag(made.language))))
        return _CrawledPage(
            made,
            skip_reason,
            page.title,
            page.site_name,
            links,
            self.scope.address(page.canonical, base) == address,
            hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
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
        kept: dict[str, _CrawledPage] = {}
        for read in self.read:
            if read.text not in kept or (read.canonical and not kept[read.text].canonical):
                kept[read.text] = read
        own = self._own_version([read.page.source_path for read in kept.values()])
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
        pages = tuple(read.page for read in kept.values() if read.page.source_path in own)
        below = self.site_url and all(p.source_path.startswith(self.site_url) for p in pages)
        return self._one_language(
            Book(
                title,
                next((page.language for page in pages if page.language), ""),
                "site",
                pages,
                site_url=self.site_url if below else self.scope.site,
                unread=tuple(sorted(unread)),
            )
        )

    def _one_language(self, book: Book) -> Book:
        """Leave out pages in another language than the first, unless all were asked for."""
        book = settle_languages(book)
        pages = book.pages
        if pages and not self.fetcher.limits.every_language:
            language = pages[0].language
            wanted = primary_subtag(language)
            pages = tuple(page for page in pages if primary_subtag(page.language) == wanted)
            if foreign := len(book.pages) - len(pages):
                self.report.add(
                    self.scope.site,
                    f"has {foreign} pages in languages other than {language}; they were left out "
                    "(see --language).",
                )
            book = replace(book, pages=pages, language=language)
        return replace(book, reported=tuple(self.report.problems))


def _fingerprint(page: Page) -> str:
    """Return a page's text without its own address, which some show if it does not exist."""
    path = unquote(urlsplit(page.source_path).path).strip("/")
    texts = [text for s in page.sections for text in (s.heading, *(b.text for b in s.blocks))]
    words = _WORD.findall("\n".join([page.title, *texts]))
    return " ".join(word for word in words if word.strip("/.") != path)


def _is_empty(page: Page, html: str, links: Sequence[str]) -> bool:
    """Return whether a page has no text, or only a few words that wait for a program."""
    if not any(section.blocks for section in page.sections):
        return True
    words = page_words(page) - count_words(page.title)
    return "<script" in html and not links and words <= MAX_SHELL_WORDS
