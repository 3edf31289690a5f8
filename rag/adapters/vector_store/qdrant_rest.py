"""Qdrant's REST API for what a question needs: four reads, as JSON without models.

https://api.qdrant.tech/api-reference. qdrant-client writes the index; for reading it costs
0.7 s and 50 MB to import, and five times the CPU a question, in models of what is one list of
numbers on the way there and one list of payloads on the way back.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rag.adapters.retry import retried, said, status_error
from rag.errors import UpstreamError, UpstreamRejected
from rag.pace import turn

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

SERVICE = "qdrant"


class Absent(UpstreamRejected):
    """There is no such collection."""


class Rest:
    """One collection's reads with the project's policy: bounded time, named failures."""

    def __init__(
        self, url: str, api_key: str, collection: str, *, seconds: float, attempt_seconds: float
    ) -> None:
        self._base = f"{base_url(url)}/collections/{quote(collection, safe='')}"
        self._key = api_key
        self._seconds = seconds
        self._attempt_seconds = attempt_seconds
        self._http: ClientSession | None = None

    def _connected(self) -> ClientSession:
        if self._http is None:
            from rag.adapters.http import session

            headers = {"Content-Type": "application/json"} | headers_for(self._base, self._key)
            self._http = session(self._base, self._attempt_seconds + 1, headers=headers)
        return self._http

    def prepare(self) -> None:
        """Import what a request needs: in any thread, before it is needed."""
        importlib.import_module("rag.adapters.http")

    async def collection(self) -> Any:
        """What the collection is made of. Raises Absent, like the rest."""
        return await self._result("GET", "")

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a read below the collection returns."""
        from pydantic_core import to_json

        return await self._result("POST", path, to_json(body))

    async def _result(self, method: str, path: str, content: bytes | None = None) -> Any:
        from aiohttp import ClientError
        from pydantic_core import from_json
        from yarl import URL

        from rag.adapters.http import failure

        http, url = self._connected(), URL(self._base + path, encoded=True)

        async def attempt() -> Any:
            async with http.request(method, url, data=content, allow_redirects=False) as response:
                body = await response.read()
                await turn()
                if response.status != 200:
                    raise self._refusal(response, body)
                return from_json(body)["result"]

        return await retried(
            attempt,
            service=SERVICE,
            errors=(ClientError, ValueError, TypeError, KeyError),
            translate=lambda error: failure(error, SERVICE),
            seconds=self._seconds,
            attempts=3,
            attempt_seconds=self._attempt_seconds,
        )

    def _refusal(self, response: ClientResponse, body: bytes) -> UpstreamError:
        return refusal(response.status, said(body, self._key), response.headers)

    async def close(self) -> None:
        if self._http is not None:
            http, self._http = self._http, None
            await http.close()


def base_url(url: str) -> str:
    """The address with its port: where it names none, 443 of a cluster, 6333 of a server."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 6333)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def headers_for(url: str, api_key: str) -> dict[str, str]:
    """What every request carries.

    A server sends a compressed answer in pieces, and the last piece waits 40 ms for a delayed
    acknowledgement. Over https, to a cluster that is far away, compression saves more than that.
    """
    headers = {"api-key": api_key} if api_key else {}
    if url.startswith("http:"):
        headers["Accept-Encoding"] = "identity"
    return headers


def refusal(status: int, text: str, headers: Mapping[str, str]) -> UpstreamError:
    """What the server's refusal means."""
    if status in (401, 403):
        return UpstreamRejected(f"{status} the key was refused", service=SERVICE)
    if status == 404:
        return Absent(text, service=SERVICE)
    if status < 400:
        return UpstreamError(f"{status} instead of an answer", service=SERVICE)
    return status_error(SERVICE, status, text, headers)
