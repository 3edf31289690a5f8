"""A published site as a link checker sees it: which ids there are at which address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rag.errors import NotFound, SourceError
from sites.fetch import Excluded, Fetcher, Unavailable
from sites.files import Report, list_files, read_text
from sites.html import SUFFIXES
from sites.html_links import read_targets
from sites.source import is_address


@asynccontextmanager
async def open_site(
    where: str, *, allow_private: bool, slugs: Iterable[str] = ()
) -> AsyncIterator[BuiltFolder | LiveSite]:
    """The site at an address, or in a folder; `slugs` are those of the book to be found there."""
    if is_address(where):
        async with Fetcher(where, allow_private=allow_private) as fetcher:
            await fetcher.obey()
            yield LiveSite(fetcher, where, slugs)
    else:
        yield await asyncio.to_thread(lambda: BuiltFolder(Path(where).expanduser()))


class BuiltFolder:
    """A folder that a generator has built, served as the usual hosts serve it.

    `a/` is `a/index.html`; `a` is `a.html` or `a/index.html`. Case matters, as it does on a
    host, whatever this machine's disk makes of it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SourceError(f"There is no folder {folder}.")
        self._folder = folder
        self._files = frozenset(list_files(folder, SUFFIXES, Report()))
        if not self._files:
            raise SourceError(f"There is no HTML in {folder}: build the site first.")
        self._lower: Mapping[str, str] = {name.lower(): name for name in self._files}

    async def ids(self, path: str) -> frozenset[str]:
        """What a fragment may name on the page at a percent-encoded path.

        Raises NotFound where there is no such page, SourceError where it cannot be read.
        """
        name = self._find(unquote(path))
        report = Report()
        text = await asyncio.to_thread(read_text, self._folder, name, report)
        if text is None:
            raise SourceError(report.problems[0].message)
        return (await asyncio.to_thread(read_targets, text)).ids

    def _find(self, path: str) -> str:
        bare = path.strip("/")
        index = f"{bare}/index.html".lstrip("/")
        spellings = [index] if path.endswith("/") or not bare else [bare, f"{bare}.html", index]
        if found := next((name for name in spellings if name in self._files), None):
            return found
        if path.endswith("/") and f"{bare}.html" in self._files:
            raise NotFound(f"is {bare}.html there, which has no slash at its end")
        if other := next(
            (self._lower[n.lower()] for n in spellings if n.lower() in self._lower), None
        ):
            raise NotFound(f"is spelled {other} there")
        raise NotFound("there is no such page")


class LiveSite:
    """A site that is up, at and below an address.

    The slugs of a site that was itself read live begin at its host, those of sources at the
    site's own root: what the address and all slugs begin with is not said twice.
    """

    def __init__(self, fetcher: Fetcher, url: str, slugs: Iterable[str] = ()) -> None:
        self._fetcher = fetcher
        self._root = url.partition("#")[0].rstrip("/")
        path = urlsplit(self._root).path.lstrip("/")
        within, known = f"{path}/", list(slugs)
        if path and known and all(f"{slug}/".startswith(within) for slug in known):
            self._root = self._root.removesuffix(f"/{path}")

    async def ids(self, path: str) -> frozenset[str]:
        """The same for a page that is asked for."""
        try:
            answer = await self._fetcher.get(f"{self._root}/{path}")
        except NotFound as error:
            raise NotFound(f"the site {str(error).rstrip('.')}") from None
        except (Unavailable, Excluded) as error:
            raise SourceError(f"/{path} {error}") from None
        return (await asyncio.to_thread(read_targets, answer.text())).ids
