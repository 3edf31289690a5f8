"""A proxy on loopback to a real Qdrant server, with the faults of the imitation.

QDRANT_TEST_URL is the server's address, QDRANT_TEST_KEY its key, if any. Collections created
through the proxy are deleted at the end; nothing else on the server is touched.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urlencode

from aiohttp import ClientSession
from yarl import URL

from rag.adapters.vector_store.qdrant_rest import base_url
from tests.upstreams.http import Request, Response, Service
from tests.upstreams.qdrant import Qdrant

QDRANTS = ["imitation", *(["server"] if os.environ.get("QDRANT_TEST_URL") else [])]
"""The backends that adapter tests run on, as fixture parameters."""


def qdrant(which: str) -> Qdrant | Forwarded:
    if which == "imitation":
        return Qdrant()
    return Forwarded(os.environ["QDRANT_TEST_URL"], os.environ.get("QDRANT_TEST_KEY", ""))


class Forwarded(Service):
    """Accepts the imitation's key, so that tests work with both."""

    key = Qdrant.key

    def __init__(self, url: str, key: str = "") -> None:
        super().__init__()
        self._real_url = base_url(url)
        self._real_key = key
        self._created: set[str] = set()
        self._http: ClientSession | None = None

    @property
    def asks_for_a_key(self) -> bool:
        return bool(self._real_key)

    async def opened(self) -> None:
        self._http = ClientSession(auto_decompress=False)

    async def closed(self) -> None:
        for name in self._created:
            await self.answer(
                Request("DELETE", f"/collections/{name}", {}, {"api-key": self.key}, b"")
            )
        if self._http is not None:
            await self._http.close()

    async def answer(self, request: Request) -> Response:
        assert self._http is not None
        if request.method == "PUT" and (
            found := re.fullmatch(r"/collections/([^/]+)", request.path)
        ):
            self._created.add(found[1])
        target = f"{self._real_url}{quote(request.path)}?{urlencode(request.query)}"
        async with self._http.request(
            request.method,
            URL(target, encoded=True),
            data=request.body or None,
            headers=self._headers(request),
            allow_redirects=False,
        ) as response:
            kept = ("Content-Type", "Content-Encoding", "Retry-After")
            headers = {name: response.headers[name] for name in kept if name in response.headers}
            return Response(response.status, await response.read(), headers)

    def _headers(self, request: Request) -> dict[str, str]:
        kept = ("content-type", "accept-encoding", "api-key")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        if headers.get("api-key") == self.key:
            headers["api-key"] = self._real_key
        return {name: value for name, value in headers.items() if value}
