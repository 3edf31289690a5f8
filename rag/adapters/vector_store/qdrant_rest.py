"""Call the four reads of Qdrant's REST API that a question needs, as plain JSON.

https://api.qdrant.tech/api-reference. qdrant-client writes the index. It is not used for
reading because it costs 0.7 s and 50 MB to import, and five times the CPU per question to
validate models around one list of numbers and one list of payloads.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rag.adapters.failures import connection_error, error_text, malformed_error, status_error
from rag.adapters.retry import RetryLimits, with_retries
from rag.errors import UpstreamError, UpstreamRejected
from rag.loop_fairness import wait_for_slot

if TYPE_CHECKING:
    from aiohttp import ClientSession

SERVICE = "qdrant"


class Absent(UpstreamRejected):
    """The collection does not exist."""


class Rest:
    """Reads one collection with a time limit; failures become UpstreamError."""

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
        """Import the HTTP client ahead of the first request; safe in any thread."""
        importlib.import_module("rag.adapters.http")

    async def collection(self) -> Any:
        """Return the collection's configuration. Every method raises Absent if there is none."""
        return await self._result("GET", "")

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post to a path below the collection and return the result."""
        from pydantic_core import to_json

        return await self._result("POST", path, to_json(body))

    async def _result(self, method: str, path: str, content: bytes | None = None) -> Any:
        from aiohttp import ClientError
        from pydantic_core import from_json
        from yarl import URL

        http, url = self._connected(), URL(self._base + path, encoded=True)

        async def attempt() -> Any:
            async with http.request(method, url, data=content, allow_redirects=False) as response:
                body = await response.read()
                await wait_for_slot()
                if response.status != 200:
                    text = error_text(body, self._key)
                    raise refusal(response.status, text, response.headers)
                return from_json(body)["result"]

        def translate(error: Exception) -> UpstreamError:
            is_connection = isinstance(error, ClientError)
            return (connection_error if is_connection else malformed_error)(SERVICE, error)

        return await with_retries(
            attempt,
            RetryLimits(self._seconds, attempt_seconds=self._attempt_seconds),
            service=SERVICE,
            errors=(ClientError, ValueError, TypeError, KeyError),
            translate=translate,
        )

    async def close(self) -> None:
        if self._http is not None:
            http, self._http = self._http, None
            await http.close()


def base_url(url: str) -> str:
    """Add the default port: 443 for a cluster (https), 6333 for a server (http)."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 6333)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def headers_for(url: str, api_key: str) -> dict[str, str]:
    """Return the headers of every request.

    Compression is off over http: a compressed response comes in pieces, the last of which waits
    40 ms for a delayed acknowledgement. Over https, to a distant cluster, compression is faster.
    """
    headers = {"api-key": api_key} if api_key else {}
    if url.startswith("http:"):
        headers["Accept-Encoding"] = "identity"
    return headers


def refusal(status: int, text: str, headers: Mapping[str, str]) -> UpstreamError:
    """Turn an error response into an exception."""
    if status == 404:
        return Absent(text, service=SERVICE)
    return status_error(SERVICE, status, text, headers)
