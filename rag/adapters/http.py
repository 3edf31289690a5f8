"""HTTP on aiohttp, for what speaks it here and for the SDK that wants an httpx client.

httpx's own pool looks through all of its connections at every request, so that two hundred at
once cost it more than the requests themselves. Importing this imports httpx and aiohttp.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from pydantic_core import to_json
from yarl import URL

from rag.errors import UpstreamError
from rag.pace import turn

CONNECTIONS = 500
"""At once to one service; more requests wait. A process has a thousand files and more."""
CONNECT_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 60.0


def session(
    url: str,
    seconds: float,
    *,
    headers: dict[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> ClientSession:
    """A session for the service at `url`, to be made, used and closed in one loop.

    `seconds` bounds each wait for the service; a connection has to be there after five. A proxy
    is used where HTTPS_PROXY or HTTP_PROXY names one, and NO_PROXY not the service.
    """
    return ClientSession(
        connector=TCPConnector(
            limit=connections, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=trusted()
        ),
        cookie_jar=DummyCookieJar(),
        headers=headers,
        proxy=proxy_for(url),
        timeout=ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=seconds),
    )


class Connected:
    """A session that the first request makes: this may be made before there is a loop."""

    def __init__(self, url: str, seconds: float, *, connections: int = CONNECTIONS) -> None:
        """As `session`."""
        self._url, self._seconds, self._connections = url, seconds, connections
        self._session: ClientSession | None = None

    def connected(self) -> ClientSession:
        if self._session is None:
            self._session = session(self._url, self._seconds, connections=self._connections)
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            ending, self._session = self._session, None
            await ending.close()


class HttpxClient(Connected):
    """What Cohere's SDK needs of an httpx.AsyncClient: one request with JSON, answered whole.

    httpx's own, on an aiohttp transport, spends twice the request's time on copies of address,
    headers and cookies. Raises aiohttp's ClientError, and TimeoutError.
    """

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], json: object, **_: object
    ) -> httpx.Response:
        headers = {"Content-Type": "application/json", **headers}
        async with self.connected().request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=to_json(json),
            allow_redirects=False,
        ) as response:
            content = await response.read()
            await turn()
            return httpx.Response(response.status, headers=decoded(response), content=content)


def decoded(response: ClientResponse) -> list[tuple[str, str]]:
    """The headers of what aiohttp has decoded, which nobody shall decode again."""
    return [(k, v) for k, v in response.headers.items() if k.lower() != "content-encoding"]


def proxy_for(url: str) -> str | None:
    """Read once a session: aiohttp would ask a thread at every request.

    A server on this machine is asked directly, whether NO_PROXY names it or not.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def failure(error: Exception, service: str) -> UpstreamError:
    """What it means that a request or the reading of its answer raised `error`."""
    if isinstance(error, ClientError):
        return UpstreamError(type(error).__name__, service=service)
    return UpstreamError(f"an answer of another form: {type(error).__name__}", service=service)


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of authorities, read once: that takes longer than a request."""
    return httpx.create_ssl_context()
