"""HTTP as the SDKs want it, on aiohttp: httpx's own pool looks through all of its connections
at every request, so that two hundred at once cost it more than the requests themselves.

Importing this imports httpx and aiohttp.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx
from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

CONNECTIONS = 500
"""At once to one service; more requests wait. A process has a thousand files and more."""
KEEP_ALIVE_SECONDS = 60.0


def client(seconds: float, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """A client of its own for one service, to be closed in the loop that used it.

    `seconds` bounds each wait for the service; a connection has to be there after five.
    """
    return HttpxAiohttpClient(
        timeout=httpx.Timeout(seconds, connect=5.0),
        headers=headers,
        transport=AiohttpTransport(verify=_trusted(), client=_session),
    )


def _session() -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=_trusted()
        ),
        cookie_jar=DummyCookieJar(),
    )


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates of authorities, read once: that takes longer than a request."""
    return httpx.create_ssl_context()
