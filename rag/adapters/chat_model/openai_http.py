"""Under OpenAI's SDK: its requests on a session of aiohttp, like those to the other services.

The SDK brings such a transport too. To make one loads httpx2's own as well, with 2.5 MB of
HTTP/2, and its connections are not set up as the other services' are. Importing this imports
httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from aiohttp import ClientResponse
from yarl import URL

from rag.adapters.http import Connected, decoded

CONNECTIONS = 2000
"""Answers streamed at once by one process; more wait."""


class Transport(Connected, httpx2.AsyncBaseTransport):
    """Raises aiohttp's ClientError, and TimeoutError."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(url, seconds, connections=CONNECTIONS)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # What can be decoded is for aiohttp to say, which does it.
        headers = [(k, v) for k, v in request.headers.multi_items() if k != "accept-encoding"]
        response = await self.connected().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=headers,
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx2.Response(response.status, headers=decoded(response), stream=_Body(response))


class _Body(httpx2.AsyncByteStream):
    """What comes, decoded."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._response.content.iter_any():
            yield piece

    async def aclose(self) -> None:
        """Hang up, where the end has not come."""
        self._response.release()
