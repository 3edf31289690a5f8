"""The part of a live site that is the book: which addresses belong to it, and are the same page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote, urljoin, urlsplit

from rag.errors import SourceError
from sites.fetch import origin
from sites.html_page import HtmlPage

MAX_URL = 2_000
_NOT_A_PAGE = re.compile(
    r"\.(?:7z|atom|avi|bmp|bz2|css|csv|dmg|docx?|eot|epub|exe|gif|gz|ico|jpe?g|json|map|mov|mp[34]"
    r"|odt|og[gv]|otf|pdf|png|pptx?|ps|rar|rss|svg|tar|tgz|ttf|txt|wav|web[mp]|whl|woff2?|xlsx?|xml"
    r"|xz|zip)$",
    re.IGNORECASE,
)
_FILE = re.compile(r"\.(?:[sx]?html?|php|aspx?|jsp|mdx?)$", re.IGNORECASE)
_VERSION = re.compile(
    r"(?:v?\d+(?:\.\d+)*\.(?:\d+|x)|v\d+|next|latest|stable|dev|devel|main|master|nightly|canary)"
    r"(?:-[\w.]+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a site that is the book: a folder and everything below it."""

    site: str
    """Origin."""
    folder: str
    """With a slash at both ends."""
    elsewhere: tuple[str, str] = ("", "")
    """Where the site says that it is published, and the same place here, without slashes at the
    end: a preview links to the pages of the published site."""

    @classmethod
    def of(cls, url: str) -> Scope:
        """Return the folder of an address: `/docs/` for `/docs` and `/docs/`, `/` for `/a.html`."""
        folder, _, last = urlsplit(url).path.rpartition("/")
        if last and not _FILE.search(last):
            folder = f"{folder}/{last}"
        return cls(origin(url), f"{folder}/")

    @classmethod
    def of_start(cls, asked: str, url: str, head: HtmlPage) -> Scope:
        """Return the scope of the book whose start page was asked for and is at `url`.

        If the address redirects, as `/` to `/docs/intro`, the book is the nearest folder around
        that page, in the one asked for, that has at least half of the pages that it links to.
        """
        canonical = head.canonical or join(head.base, urlsplit(url).path)
        scope = replace(cls.of(url), elsewhere=_elsewhere(url, canonical))
        outer = cls.of(asked).folder
        if same_page(url) == same_page(asked) or not scope.folder.startswith(outer):
            return scope
        base = join(url, head.base)
        links = [replace(scope, folder=outer).address(link, base) for link in head.links]
        paths = [urlsplit(link).path + "/" for link in dict.fromkeys(links) if link]
        while scope.folder != outer:
            if 2 * sum(path.startswith(scope.folder) for path in paths) >= len(paths):
                break
            scope = replace(scope, folder=scope.folder[:-1].rpartition("/")[0] + "/")
        return scope

    def here(self, link: str, base: str = "") -> str:
        """Return a link as an address on this site, without fragment; "" if it leaves the site."""
        try:
            url = urljoin(base or self.site, link.strip())
            there, same = self.elsewhere
            if there and f"{url}/".startswith(f"{there}/"):
                url = same + url[len(there) :]
            if _host(url) != _host(self.site):
                return ""
            parts = urlsplit(url)
        except (SourceError, ValueError):
            return ""
        return f"{self.site}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def address(self, link: str, base: str = "") -> str | None:
        """Return a link as the address of a page of the book; None if it is not one.

        Addresses with a query are left out: they are views of pages, possibly without end.
        """
        parts = urlsplit(url := self.here(link, base))
        path = parts.path or "/"
        if (
            not url
            or parts.query
            or len(url) > MAX_URL
            or not f"{path}/".startswith(self.folder)
            or _NOT_A_PAGE.search(path)
        ):
            return None
        return self.site + path


def _host(url: str) -> tuple[str, int | None]:
    """Return what is the same for `http://book.dev` and `https://www.book.dev`."""
    parts = urlsplit(origin(url))
    return (parts.hostname or "").removeprefix("www."), parts.port


def _elsewhere(url: str, canonical: str) -> tuple[str, str]:
    """Compare a page's address with its canonical one, from the end."""
    try:
        if not canonical.startswith(("http://", "https://")) or _host(canonical) == _host(url):
            return "", ""
    except SourceError:
        return "", ""
    there, here = (_INDEX.sub("", each).split("/") for each in (canonical, url))
    while len(there) > 3 and len(here) > 3 and there[-1] == here[-1]:
        del there[-1], here[-1]
    return "/".join(there), "/".join(here)


def join(base: str, link: str) -> str:
    """Join a link to its base, which counts alone if the link is not valid."""
    try:
        return urljoin(base, link)
    except ValueError:
        return base


_INDEX = re.compile(r"(?:^|/)(?:index\.html?)?$")


def same_page(url: str) -> str:
    """Return one key for `/a`, `/a/`, `/a/index.html` and `/%61`: most hosts serve one page."""
    return _INDEX.sub("", unquote(urlsplit(url).path))


def other_versions(urls: Iterable[str]) -> dict[str, str]:
    """Map pages of versions beside the book's own to their version: `/1.x/guide` by `/guide`.

    A folder holds a version if it is named like one and the same paths, two at least and half
    of them, exist without it.
    """
    paths = {url: same_page(url) for url in urls}
    known = set(paths.values())
    folders: dict[tuple[str, str], dict[str, bool]] = {}
    for url, path in paths.items():
        parts = path.split("/")
        for at, part in enumerate(parts):
            if _VERSION.fullmatch(part):
                twin = "/".join([*parts[:at], *parts[at + 1 :]])
                folders.setdefault(("/".join(parts[:at]), part), {})[url] = twin in known
    return {
        url: version
        for (_, version), pages in folders.items()
        if sum(pages.values()) >= max(2, len(pages) / 2)
        for url in pages
    }
