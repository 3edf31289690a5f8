"""Fetch pages of one site over HTTP: politely, within limits, from checked addresses only.

The site is one origin. Its name is resolved once and every address is checked. Every request,
including those after a redirect, goes to a checked address, so DNS rebinding has no effect.
Redirects to another origin are not followed.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

from rag.errors import NotFound, SourceError
from rag.retry_after import retry_after
from sites.charsets import decode_html
from sites.files import MAX_CHARACTERS
from sites.ip_addresses import check_host, resolve
from sites.robots import MAX_BYTES, Robots
from sites.time_limit import PAGE_SECONDS

AGENT = "AskTheBook"
HEADERS = {
    "User-Agent": f"{AGENT}/0.1 (reads documentation for its readers' questions)",
    "Accept": "text/html,application/xhtml+xml,text/plain;q=0.8,*/*;q=0.5",
    "Accept-Encoding": "gzip",
}
ATTEMPTS = 3
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 425, 429)
_REFUSALS = (401, 403)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that protect the site and this machine."""

    pages: int = 5_000
    page_bytes: int = 4_000_000
    """Of one response, decompressed."""
    total_bytes: int = 500_000_000
    """Of all responses, as transferred."""
    seconds: float = 1800.0
    request_seconds: float = 30.0
    """From the start of a request to the end of its response."""
    delay: float = 0.2
    """Seconds between the starts of two requests; robots.txt may ask for more."""
    backoff: float = 1.0
    """Seconds before a second attempt without Retry-After; twice that before a third."""
    longest_wait: float = 120.0
    """If the site asks for a longer pause, the page counts as unavailable."""
    concurrent: int = 4
    page_seconds: float = PAGE_SECONDS
    """To parse one page."""
    characters: int = MAX_CHARACTERS
    """Of all pages."""
    every_language: bool = False
    """Whether pages in other languages than the first one are kept."""


class Unavailable(SourceError):
    """The page could not be read this time but may exist."""


class Forbidden(Unavailable):
    """The site refuses to serve the page, as some do when they take a crawler for an attack."""


class Excluded(SourceError):
    """The page is not to be read: it is on another site, disallowed by robots.txt, not HTML."""


class Unreadable(SourceError):
    """The page is too large, or its bytes are not those of a page."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response, after redirects."""

    url: str
    """Final address, without a fragment."""
    headers: Mapping[str, str]
    body: bytes
    redirect: str = ""
    """Address, perhaps relative, that it redirects to."""

    @property
    def media_type(self) -> str:
        """Media type, such as `text/html`; "" if none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def text(self) -> str:
        return decode_html(self.body, self.headers.get("content-type", ""))


def origin(url: str) -> str:
    """Return the normalised scheme, host and port. Raises SourceError for a bad address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SourceError(f"{url} is not an address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url} does not begin with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise SourceError("Addresses with a user name or password are not read.")
    check_host(parts.hostname)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    standard = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, standard) else "")


class Fetcher:
    """Fetches pages of the origin of `url`. Use with `async with`."""

    def __init__(self, url: str, limits: Limits | None = None, *, allow_private: bool = False):
        self.origin = origin(url)
        self.limits = limits or Limits()
        self.robots = Robots("", AGENT)
        self.received = 0
        """Bytes received so far."""
        self._allow_private = allow_private
        try:
            self._base = httpx.URL(self.origin)
        except httpx.InvalidURL:
            raise SourceError(f"{url} is not an address.") from None
        self._addresses: list[str] = []
        self._slots = asyncio.Semaphore(self.limits.concurrent)
        self._next = 0.0
        """When the next request may start, on the loop's clock."""
        self._deadline = asyncio.get_running_loop().time() + self.limits.seconds
        self._client = httpx.AsyncClient(
            headers=HEADERS,
            timeout=10.0,
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve the name again
            verify=httpx.create_ssl_context(),
        )

    async def __aenter__(self) -> Self:
        host, port = self._base.raw_host.decode("ascii").strip("[]"), self._base.port
        port = port or {"http": 80, "https": 443}[self._base.scheme]
        self._addresses = await resolve(host, port, allow_private=self._allow_private)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def load_robots(self) -> None:
        """Load robots.txt, which `get` then obeys. Without one, everything may be read.

        Raises Unavailable or Unreadable if robots.txt cannot be read.
        """
        try:
            response = await self.get(f"{self.origin}/robots.txt")
        except (NotFound, Excluded, Forbidden):
            return
        self.robots = Robots(response.text()[:MAX_BYTES], AGENT)

    @property
    def exhausted(self) -> str:
        """The overall limit that has been reached, or ""."""
        if asyncio.get_running_loop().time() >= self._deadline:
            return f"{self.limits.seconds / 60:.0f} minutes"
        if self.received >= self.limits.total_bytes:
            return f"{self.limits.total_bytes // 1_000_000} MB"
        return ""

    async def get(self, url: str) -> Response:
        """Fetch an address, following redirects, until a response with status 200.

        Raises NotFound, Excluded, Unreadable or Unavailable, whose messages read on from the
        address.
        """
        seen = set()
        url = url.partition("#")[0]
        for _ in range(MAX_REDIRECTS + 1):
            target = self._target(url)
            if url in seen:
                raise Excluded("redirects in a circle.")
            seen.add(url)
            if not self.robots.allows(target):
                raise Excluded("is disallowed by robots.txt.")
            response = await self._retried(target, url)
            if not response.redirect:
                return response
            try:
                url = urljoin(url, response.redirect).partition("#")[0]
            except ValueError:
                raise Excluded("redirects to an invalid address.") from None
        raise Excluded(f"redirects more than {MAX_REDIRECTS} times.")

    def _target(self, url: str) -> str:
        """Return the path and query to send for an address on this site."""
        try:
            there, target = origin(url), httpx.URL(url).raw_path.decode("ascii")
        except (SourceError, httpx.InvalidURL):
            raise Excluded("redirects to an invalid address.") from None
        if there != self.origin:
            raise Excluded(f"redirects to another site, {url[:200]}.")
        return target

    async def _retried(self, target: str, url: str) -> Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(target, url)
            except _Retryable as error:
                wait = error.wait if error.wait is not None else attempt * self.limits.backoff
                late = asyncio.get_running_loop().time() + wait >= self._deadline
                if attempt == ATTEMPTS or late or wait > self.limits.longest_wait:
                    raise Unavailable(f"{error}") from None
                self._pause(wait)
        raise AssertionError("unreachable")

    async def _once(self, target: str, url: str) -> Response:
        async with self._slots:
            await self._wait_for_slot()
            # The way httpx documents to pin an address: connect to it, but name the host.
            pinned = self._base.copy_with(host=self._addresses[0], raw_path=target.encode())
            try:
                async with asyncio.timeout(self.limits.request_seconds):
                    async with self._client.stream(
                        "GET",
                        pinned,
                        headers={"Host": self._base.netloc.decode("ascii")},
                        extensions={"sni_hostname": self._base.raw_host.decode("ascii")},
                    ) as response:
                        return await self._read(response, url)
            except TimeoutError:
                raise _Retryable("did not answer in time.") from None
            except httpx.HTTPError as error:
                self._addresses.append(self._addresses.pop(0))
                raise _Retryable(f"could not be read ({type(error).__name__}).") from None

    async def _read(self, response: httpx.Response, url: str) -> Response:
        status, headers = response.status_code, response.headers
        if status in _REDIRECTS and "location" in headers:
            return Response(url, headers, b"", headers["location"] or url)
        if status in _TRANSIENT or status >= 500:
            raise _Retryable(f"answered {status}.", retry_after(headers))
        if status in _REFUSALS:
            raise Forbidden(f"answered {status}.")
        if status != 200:
            raise NotFound(f"answered {status}.")
        return Response(url, headers, await self._body(response))

    async def _body(self, response: httpx.Response) -> bytes:
        """Read and decompress the body without holding more than the limit in memory."""
        packing = response.headers.get("content-encoding", "").strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise Unreadable(f"has the encoding {packing[:20]}, which was not requested.")
        limit, body = self.limits.page_bytes, bytearray()
        async for piece in response.aiter_raw():
            self.received += len(piece)
            body += piece
            _check_size(body, limit)
        try:
            return unzip(body, limit) if "gzip" in packing else bytes(body)
        except Unavailable as error:
            raise _Retryable(str(error)) from None

    async def _wait_for_slot(self) -> None:
        """Wait until the next request may start."""
        loop = asyncio.get_running_loop()
        start = max(loop.time(), self._next)
        self._next = start + max(self.limits.delay, self.robots.delay)
        await asyncio.sleep(start - loop.time())

    def _pause(self, seconds: float) -> None:
        """Delay the next request by at least this long."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)


class _Retryable(Exception):
    """A failure worth retrying; `wait` is the pause the site asked for, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def unzip(data: bytes | bytearray, limit: int) -> bytes:
    """Decompress gzip data. Raises Unavailable if it is broken, Unreadable if it is too large."""
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = unpack.decompress(data, limit + 1)
    except zlib.error:
        raise Unavailable("is not valid gzip.") from None
    _check_size(found, limit)
    if not unpack.eof:
        raise Unavailable("ended too early.")
    return found


def _check_size(data: bytes | bytearray, limit: int) -> None:
    if len(data) > limit:
        raise Unreadable(f"is larger than {limit // 1_000_000} MB.")
