"""Look up which ids each page of a published site has, for the link checker."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rag.errors import NotFound, SourceError
from sites.fetch import Fetcher
from sites.files import MAX_FILE_BYTES, Files, Refused
from sites.html import SUFFIXES
from sites.html_blocks import HeadingMark
from sites.html_page import HtmlPage, read_page
from sites.source import address_hint, count_words, is_address


@asynccontextmanager
async def open_site(
    where: str, *, allow_private: bool, slugs: Iterable[str] = ()
) -> AsyncIterator[PublishedSite]:
    """Open the site at an address or in a folder; `slugs` are those of the book to check."""
    if is_address(where):
        async with Fetcher(where, allow_private=allow_private) as fetcher:
            await fetcher.load_robots()
            yield LiveSite(fetcher, where, slugs)
    else:
        yield await asyncio.to_thread(lambda: BuiltFolder(Path(where).expanduser()))


class PublishedSite(ABC):
    """A site whose pages can be looked up by their percent-encoded path.

    The methods raise NotFound if there is no such page, SourceError if it cannot be read.
    """

    async def ids(self, path: str) -> frozenset[str]:
        """Return the ids on a page."""
        return frozenset((await self._page(path)).ids)

    async def words(self, path: str) -> int:
        """Return the number of words in the main part of a page."""
        return sum(
            count_words(item.words if isinstance(item, HeadingMark) else item.text)
            for item in (await self._page(path)).items
        )

    async def _page(self, path: str) -> HtmlPage:
        return await asyncio.to_thread(read_page, await self._html(path))

    @abstractmethod
    async def _html(self, path: str) -> str: ...


class BuiltFolder(PublishedSite):
    """A built site in a folder, with paths resolved as most hosts do.

    `a/` is `a/index.html`; `a` is `a.html` or `a/index.html`. Paths are case-sensitive, as on
    a host, even if the local disk is not.
    """

    def __init__(self, folder: Path) -> None:
        if not os.path.isdir(folder):
            raise SourceError(f"There is no folder {folder}.{address_hint(str(folder))}")
        self._folder = folder
        self._opened = Files(folder)
        self._files = frozenset(self._opened.find(folder, SUFFIXES, quiet=True))
        if not self._files:
            raise SourceError(f"There is no HTML in {folder}: build the site first.")
        self._lower: Mapping[str, str] = {name.lower(): name for name in self._files}

    async def _html(self, path: str) -> str:
        name = self._find(unquote(path))
        try:
            return await asyncio.to_thread(
                self._opened.included, self._folder / name, MAX_FILE_BYTES
            )
        except Refused as refusal:
            raise SourceError(f"{name} {refusal}.") from None

    def _find(self, path: str) -> str:
        bare = path.strip("/")
        index = f"{bare}/index.html".lstrip("/")
        spellings = [index] if path.endswith("/") or not bare else [bare, f"{bare}.html", index]
        if found := next((name for name in spellings if name in self._files), None):
            return found
        if path.endswith("/") and f"{bare}.html" in self._files:
            raise NotFound(f"is served at {bare}.html, without a trailing slash")
        if other := next(
            (self._lower[n.lower()] for n in spellings if n.lower() in self._lower), None
        ):
            raise NotFound(f"is spelled {other} there")
        raise NotFound("there is no such page")


class LiveSite(PublishedSite):
    """A live site at and below an address.

    Slugs of a crawled site start at the host, slugs of sources at the site's root. A prefix
    that the address shares with all slugs is therefore added only once.
    """

    def __init__(self, fetcher: Fetcher, url: str, slugs: Iterable[str] = ()) -> None:
        self._fetcher = fetcher
        self._root = url.partition("#")[0].rstrip("/")
        path = urlsplit(self._root).path.lstrip("/")
        within, known = f"{path}/", list(slugs)
        if path and known and all(f"{slug}/".startswith(within) for slug in known):
            self._root = self._root.removesuffix(f"/{path}")

    async def _html(self, path: str) -> str:
        try:
            return (await self._fetcher.get(f"{self._root}/{path}")).text()
        except NotFound as error:
            raise NotFound(f"the site {str(error).rstrip('.')}") from None
        except SourceError as error:
            raise SourceError(f"/{path} {error}") from None
