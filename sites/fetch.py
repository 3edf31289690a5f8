"""Pages of one live site over HTTP: politely, within bounds, from checked addresses only.

The site is one origin. Its name is resolved once, every address is checked, and every request,
those after a redirect included, goes to a checked address: a name that changes its mind
(DNS rebinding) changes nothing here. A redirect to another origin is not followed.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

from rag.errors import NotFound, SourceError
from sites.addresses import resolve
from sites.robots import MAX_BYTES, Robots

AGENT = "AskTheBook"
HEADERS = {
    "User-Agent": f"{AGENT}/0.1 (reads documentation for its readers' questions)",
    "Accept": "text/html,application/xhtml+xml,text/plain;q=0.8,*/*;q=0.5",
    "Accept-Encoding": "gzip",
}
ATTEMPTS = 3
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is asked of a site, and of this machine, at most."""

    pages: int = 5_000
    page_bytes: int = 4_000_000
    """Of one answer, unpacked."""
    total_bytes: int = 500_000_000
    """Of all answers, as they come over the wire."""
    seconds: float = 1800.0
    request_seconds: float = 30.0
    """From the first byte of a request to the last of its answer."""
    delay: float = 0.2
    """Seconds between the beginnings of two requests; robots.txt may ask for more."""
    backoff: float = 1.0
    """Seconds before a second attempt where the site does not say; twice that before a third."""
    longest_wait: float = 120.0
    """A site that asks for a longer pause is taken for one that cannot be read now."""
    concurrent: int = 4


class Unavailable(SourceError):
    """It may well be there, but could not be read this time."""


class Excluded(SourceError):
    """It is not for us: another site, forbidden by robots.txt, too large, of another kind."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a site gave, after redirects."""

    url: str
    """Where it came from in the end, without a fragment."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The media type, such as `text/html`; "" where none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def text(self) -> str:
        named = re.search(r"charset=[\"']?([\w-]+)", self.headers.get("content-type", ""))
        inside = _CHARSET.search(self.body[:2048])
        charset = named[1] if named else inside[1].decode("ascii") if inside else "utf-8"
        if self.body.startswith(b"\xef\xbb\xbf"):
            charset = "utf-8-sig"
        try:
            return self.body.decode(charset, errors="replace")
        except LookupError:
            return self.body.decode("utf-8", errors="replace")


def origin(url: str) -> str:
    """Scheme, host and port of an address, in one spelling. Raises SourceError for a bad one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SourceError(f"{url} is not an address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url} is not an address that begins with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise SourceError("An address with a user name or a password in it is not read.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    standard = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, standard) else "")


class Fetcher:
    """Reads pages of the origin of `url`. Use as `async with`."""

    def __init__(self, url: str, limits: Limits | None = None, *, allow_private: bool = False):
        self.origin = origin(url)
        self.limits = limits or Limits()
        self.robots = Robots("", AGENT)
        self.received = 0
        """Bytes so far."""
        self._allow_private = allow_private
        self._base = httpx.URL(self.origin)
        self._addresses: list[str] = []
        self._slots = asyncio.Semaphore(self.limits.concurrent)
        self._next = 0.0
        """When the next request may begin, on the loop's clock."""
        self._deadline = asyncio.get_running_loop().time() + self.limits.seconds
        self._client = httpx.AsyncClient(
            headers=HEADERS,
            timeout=10.0,
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve the name a second time
            verify=httpx.create_ssl_context(),
        )

    async def __aenter__(self) -> Self:
        host, port = self._base.raw_host.decode("ascii").strip("[]"), self._base.port
        port = port or {"http": 80, "https": 443}[self._base.scheme]
        self._addresses = await resolve(host, port, allow_private=self._allow_private)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def obey(self) -> None:
        """Read robots.txt and keep to it. Without one everything may be read.

        Raises Unavailable where nobody can tell what may be read.
        """
        try:
            answer = await self.get(f"{self.origin}/robots.txt")
        except (NotFound, Excluded):
            return
        self.robots = Robots(answer.text()[:MAX_BYTES], AGENT)

    @property
    def exhausted(self) -> str:
        """Which bound of the whole reading is reached, or ""."""
        if asyncio.get_running_loop().time() >= self._deadline:
            return f"{self.limits.seconds / 60:.0f} minutes"
        if self.received >= self.limits.total_bytes:
            return f"{self.limits.total_bytes // 1_000_000} MB"
        return ""

    async def get(self, url: str) -> Answer:
        """The answer with status 200 that an address leads to.

        Raises NotFound (it is gone), Excluded or Unavailable; the message follows the address.
        """
        seen = set()
        url = url.partition("#")[0]
        for _ in range(MAX_REDIRECTS + 1):
            target = self._target(url)
            if url in seen:
                raise Excluded("redirects in a circle.")
            seen.add(url)
            if not self.robots.allows(target):
                raise Excluded("is not for robots, says robots.txt.")
            answer, location = await self._retried(target, url)
            if location is None:
                return answer
            url = _joined(url, location)
        raise Excluded(f"redirects more than {MAX_REDIRECTS} times.")

    def _target(self, url: str) -> str:
        """Path and query of an address on this site, as they are sent."""
        try:
            there, target = origin(url), httpx.URL(url).raw_path.decode("ascii")
        except (SourceError, httpx.InvalidURL):
            raise Excluded("leads to what is no address.") from None
        if there != self.origin:
            raise Excluded(f"redirects to another site, {url[:200]}.")
        return target

    async def _retried(self, target: str, url: str) -> tuple[Answer, str | None]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(target, url)
            except _Again as error:
                wait = error.wait if error.wait is not None else attempt * self.limits.backoff
                late = asyncio.get_running_loop().time() + wait >= self._deadline
                if attempt == ATTEMPTS or late or wait > self.limits.longest_wait:
                    raise Unavailable(f"{error}") from None
                self._pause(wait)
        raise AssertionError("unreachable")

    async def _once(self, target: str, url: str) -> tuple[Answer, str | None]:
        async with self._slots:
            await self._turn()
            # httpx's own way to choose the address: connect there, but speak to the host.
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
                raise _Again("did not answer in time.") from None
            except httpx.HTTPError as error:
                self._addresses.append(self._addresses.pop(0))
                raise _Again(f"could not be read ({type(error).__name__}).") from None

    async def _read(self, response: httpx.Response, url: str) -> tuple[Answer, str | None]:
        status, headers = response.status_code, response.headers
        if status in _REDIRECTS and "location" in headers:
            return Answer(url, headers, b""), headers["location"]
        if status in _PASSING or status >= 500:
            raise _Again(f"answered {status}.", _retry_after(headers.get("retry-after", "")))
        if status != 200:
            raise NotFound(f"answered {status}.")
        return Answer(url, headers, await self._body(response)), None

    async def _body(self, response: httpx.Response) -> bytes:
        """The body, never more of it in memory than the limit, whatever it is packed from."""
        packing = response.headers.get("content-encoding", "").strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise Excluded(f"is packed as {packing[:20]}, which was not asked for.")
        limit, body = self.limits.page_bytes, bytearray()
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in packing else None
        async for piece in response.aiter_raw():
            self.received += len(piece)
            try:
                body += unpack.decompress(piece, limit + 1 - len(body)) if unpack else piece
            except zlib.error:
                raise _Again("is not the gzip that it says it is.") from None
            if len(body) > limit:
                raise Excluded(f"is larger than {limit // 1_000_000} MB.")
        if unpack and not unpack.eof:
            raise _Again("ended too early.")
        return bytes(body)

    async def _turn(self) -> None:
        """Wait until the next request may begin."""
        loop = asyncio.get_running_loop()
        start = max(loop.time(), self._next)
        self._next = start + max(self.limits.delay, self.robots.delay)
        await asyncio.sleep(start - loop.time())

    def _pause(self, seconds: float) -> None:
        """Nobody asks again before that."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)


class _Again(Exception):
    """Something that may pass; `wait` is what the site asks for, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location).partition("#")[0]
    except ValueError:
        raise Excluded("leads to what is no address.") from None


def _retry_after(value: str) -> float | None:
    """Seconds, from a number or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError):
        return None


def unzip(data: bytes, limit: int) -> bytes:
    """A gzip file's content up to `limit` bytes. Raises SourceError for more, or for no gzip."""
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = unpack.decompress(data, limit + 1)
    except zlib.error:
        raise SourceError("is not the gzip that it says it is.") from None
    if len(found) > limit:
        raise SourceError(f"is larger than {limit // 1_000_000} MB.")
    return found
