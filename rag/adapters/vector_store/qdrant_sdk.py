"""Call qdrant-client with a time limit; failures become UpstreamError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag.adapters.failures import connection_error, error_text, malformed_error
from rag.adapters.retry import RetryLimits, with_retries
from rag.adapters.vector_store.qdrant_rest import SERVICE, base_url, headers_for, refusal
from rag.errors import UpstreamError, UpstreamOverloaded

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient


class Connection:
    """Holds the client, which is created on first use."""

    def __init__(self, url: str, api_key: str, limits: RetryLimits) -> None:
        self._url = base_url(url)
        self._key = api_key
        self._limits = limits
        self._client: AsyncQdrantClient | None = None

    def _connected(self) -> AsyncQdrantClient:
        if self._client is None:
            import httpx
            from qdrant_client import AsyncQdrantClient

            self._client = AsyncQdrantClient(
                url=self._url,
                # Not `api_key`, because the client warns about it over plain HTTP.
                headers=headers_for(self._url, self._key),
                timeout=int(self._limits.attempt_seconds) + 1,
                check_compatibility=False,  # it would be a blocking request in an extra thread
                limits=httpx.Limits(max_connections=20, keepalive_expiry=30.0),
            )
        return self._client

    def prepare(self) -> None:
        """Import the SDK ahead of the first request; safe in any thread."""
        self._connected()

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client."""
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException

        bound = getattr(self._connected(), method)
        return await with_retries(
            lambda: bound(*arguments, **options),
            self._limits,
            service=SERVICE,
            errors=(ApiException, QdrantException, ValueError, TypeError, AssertionError),
            translate=self._failure,
        )

    def _failure(self, error: Exception) -> UpstreamError:
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        if isinstance(error, UnexpectedResponse):
            text = error_text(error.content, self._key)
            return refusal(error.status_code or 500, text, error.headers)
        if isinstance(error, ResourceExhaustedResponse):
            wait = float(error.retry_after_s)
            return UpstreamOverloaded("429", service=SERVICE, retry_after=wait)
        if isinstance(error, ResponseHandlingException):
            return connection_error(SERVICE, error.source)
        return malformed_error(SERVICE, error)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
