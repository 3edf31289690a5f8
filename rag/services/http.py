"""HTTP on aiohttp, for what speaks it here and for the SDK that wants an httpx client.

httpx's own pool looks through all of its connections at every request, so that two hundred at
once cost it more than the requests themselves. Importing this imports httpx and aiohttp.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

CONNECTIONS = 500
"""At once to one service; more requests wait. A process has a thousand files and more."""
CONNECT_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 60.0


def session(seconds: float, headers: dict[str, str] | None = None) -> ClientSession:
    """A session for one service, to be made, used and closed in one loop.

    `seconds` bounds each wait for the service; a connection has to be there after five.
    """
    return ClientSession(
        connector=TCPConnector(
            limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=trusted()
        ),
        cookie_jar=DummyCookieJar(),
        headers=headers,
        timeout=ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=seconds),
    )


def client(seconds: float) -> httpx.AsyncClient:
    """The same for an SDK; it may be made before there is a loop."""
    return HttpxAiohttpClient(
        timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
        transport=AiohttpTransport(verify=trusted(), client=lambda: session(seconds)),
    )


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of authorities, read once: that takes longer than a request."""
    return httpx.create_ssl_context()
