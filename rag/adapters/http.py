"""How this service connects to others over HTTP: certificates, proxies, limits.

All requests use aiohttp, also those of the SDKs. With many requests at once, httpx's own connection
pool costs more than the requests themselves. Importing this imports httpx and aiohttp.
"""

from __future__ import annotations

import ssl
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

CONNECTIONS = 500
"""Connections to one service; further requests wait. A process may open about 1,000 files."""
CONNECT_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 60.0


def session(url: str, seconds: float, *, headers: dict[str, str] | None = None) -> ClientSession:
    """Open a session with the service at `url`, for use in the running event loop only.

    `seconds` limits each wait for data; connecting may take CONNECT_SECONDS.
    """
    return ClientSession(
        connector=TCPConnector(
            limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=trusted()
        ),
        cookie_jar=DummyCookieJar(),
        headers=headers,
        proxy=proxy_for(url),
        timeout=ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=seconds),
    )


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTPS_PROXY or HTTP_PROXY names for `url`, unless NO_PROXY excludes it.

    Servers on this machine never use a proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


@cache
def trusted() -> ssl.SSLContext:
    """Load the certificate authorities. Cached: loading takes longer than a request."""
    return httpx.create_ssl_context()
