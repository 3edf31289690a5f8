"""Embed and rerank with Cohere's API, version 2.

https://docs.cohere.com/reference/embed and https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

import asyncio
import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rag.adapters.failures import (
    connection_error,
    error_text,
    malformed_error,
    quota_error,
    status_error,
)
from rag.adapters.retry import RetryLimits, with_retries
from rag.errors import UpstreamError, UpstreamRejected
from rag.interfaces import Retirement
from rag.loop_fairness import wait_for_slot

if TYPE_CHECKING:
    from cohere import AsyncClientV2, DefaultAioHttpClient
    from httpx import Response

T = TypeVar("T")

_SERVICE = "cohere"
_URL = "https://api.cohere.com"
_BATCH = 96
"""Texts per call, the API's limit."""
_PARALLEL = 4
_MODEL_LIMITS = RetryLimits(10.0, attempts=2)
_READ_SECONDS = 60.0
"""For each wait for data; attempts have shorter limits of their own."""


@dataclass(frozen=True, slots=True)
class _Model:
    dimensions: int
    cosine_range: tuple[float, float]


_MODELS = {
    "embed-english-v3.0": _Model(1024, (0.20, 0.62)),
    "embed-english-light-v3.0": _Model(384, (0.20, 0.66)),
    "embed-multilingual-v3.0": _Model(1024, (0.26, 0.66)),
    "embed-multilingual-light-v3.0": _Model(384, (0.26, 0.70)),
    "embed-v4.0": _Model(1024, (0.12, 0.58)),
}
"""Dimensions from https://docs.cohere.com/docs/cohere-embed; cosine ranges are estimates."""
_OUTPUT_DIMENSIONS = frozenset(("embed-v4.0",))
"""Models whose dimensions can be chosen: 256, 512, 1024 or 1536."""
_UNKNOWN = _Model(0, (0.20, 0.65))


class _BadRequest(UpstreamRejected):
    """The API refused the form of the request."""


class _Cohere:
    """One of Cohere's models, called by the SDK's client, which is created on first use."""

    def __init__(self, api_key: str, model: str, base_url: str) -> None:
        self.model = model
        self._key = api_key
        self._url = base_url or _URL
        self._client: AsyncClientV2 | None = None
        self._http: DefaultAioHttpClient | None = None

    def prepare(self) -> None:
        """Import and create the client ahead of the first request; safe in any thread."""
        self._connected()

    async def retirements(self) -> list[Retirement]:
        """Return the model if the API calls it deprecated."""
        found = await self._call(lambda: self._connected().models.get(self.model), _MODEL_LIMITS)
        return [Retirement(self.model, None)] if found.is_deprecated is True else []

    async def close(self) -> None:
        if self._http is not None:
            http, self._http, self._client = self._http, None, None
            await http.aclose()

    def _connected(self) -> AsyncClientV2:
        """Return the client. Creating it imports the SDK, which takes most of a second."""
        if self._client is None:
            import httpx
            from cohere import AsyncClientV2, DefaultAioHttpClient

            from rag.adapters import http

            self._http = DefaultAioHttpClient(
                verify=http.trusted(),
                proxy=http.proxy_for(self._url),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(_READ_SECONDS, connect=http.CONNECT_SECONDS, pool=None),
                limits=httpx.Limits(
                    max_connections=http.CONNECTIONS, keepalive_expiry=http.KEEP_ALIVE_SECONDS
                ),
                event_hooks={"response": [self._check]},
            )
            self._client = AsyncClientV2(
                self._key, base_url=self._url, max_retries=0, httpx_client=self._http
            )
        return self._client

    async def _check(self, response: Response) -> None:
        """Raise the failure of an error response.

        Done before the SDK reads it, whose own exceptions have no public base class.
        """
        await response.aread()
        await wait_for_slot()
        status, message = response.status_code, error_text(response.content, self._key)
        if status == 200:
            return
        if status == 429 and "month" in message.lower():
            raise quota_error(_SERVICE, f"429 {message}")
        failure = status_error(_SERVICE, status, message, response.headers)
        if status in (400, 422):
            raise _BadRequest(f"{status} {message}", service=_SERVICE, reason=failure.reason)
        raise failure

    async def _call(self, request: Callable[[], Awaitable[T]], limits: RetryLimits) -> T:
        """Run `request`, which calls the client and reads its response, with retries."""
        return await with_retries(
            request,
            limits,
            service=_SERVICE,
            errors=(Exception,),  # a malformed response breaks the SDK in many ways
            translate=_failure,
        )


def _failure(error: Exception) -> UpstreamError:
    from httpx import TransportError

    is_connection = isinstance(error, TransportError)
    return (connection_error if is_connection else malformed_error)(_SERVICE, error)


class CohereEmbedder(_Cohere):
    """Embeds with one of Cohere's models. The API cuts longer texts at their end.

    For a model that is not in the table, `dimensions` is 0 until the first response.
    """

    is_paid = True

    def __init__(
        self,
        api_key: str,
        model: str = "embed-english-v3.0",
        *,
        base_url: str = "",
        dimensions: int = 1024,
        seconds: float = 20.0,
        attempt_seconds: float = 8.0,
        batch_seconds: float = 180.0,
    ) -> None:
        """`dimensions` is for models that let one choose.

        Questions may take `seconds`, in attempts of `attempt_seconds`.

        A batch of passages may take `batch_seconds`: a trial key is limited per minute, and
        indexing can wait longer than a reader.
        """
        super().__init__(api_key, model, base_url)
        known = _MODELS.get(model, _UNKNOWN)
        self._output: dict[str, Any] = {}
        """The parameter that chooses the dimensions."""
        self.dimensions = known.dimensions
        if model in _OUTPUT_DIMENSIONS:
            self.dimensions = self._output["output_dimension"] = dimensions
        self.cosine_range = known.cosine_range
        self.is_multilingual = "english" not in model
        self._question_limits = RetryLimits(seconds, attempt_seconds=attempt_seconds)
        self._batch_limits = RetryLimits(batch_seconds, attempts=10, attempt_seconds=60.0)
        self._packed = True
        """Request base64, a third of the bytes that 1,024 numbers take as text.
        Cleared if the server refuses it or returns something else."""

    async def embed_questions(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await self._call(lambda: self._embed(texts, "search_query"), self._question_limits)

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        slots = asyncio.Semaphore(_PARALLEL)

        async def embed(start: int) -> list[list[float]]:
            async with slots:
                return await self._call(
                    lambda: self._embed(texts[start : start + _BATCH], "search_document"),
                    self._batch_limits,
                )

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(embed(n)) for n in range(0, len(texts), _BATCH)]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [vector for task in tasks for vector in task.result()]

    async def _embed(
        self, texts: Sequence[str], kind: Literal["search_query", "search_document"]
    ) -> list[list[float]]:
        try:
            response = await self._connected().embed(
                model=self.model,
                texts=list(texts),
                input_type=kind,
                embedding_types=["base64" if self._packed else "float"],
                truncate="END",
                **self._output,
            )
        except _BadRequest:
            if not self._packed:
                raise
            self._packed = False
            return await self._embed(texts, kind)
        found = response.embeddings
        if found.base64 is None:
            return self._vectors(found.float_, len(texts))
        try:
            return self._vectors([_unpacked(text) for text in found.base64], len(texts))
        except (ValueError, TypeError):
            self._packed = False
            raise

    def _vectors(self, found: Any, count: int) -> list[list[float]]:
        """Check the vectors of a response and scale them to unit length."""
        if not isinstance(found, list) or len(found) != count:
            raise ValueError("not one vector per text")
        for vector in found:
            if not isinstance(vector, list) or not {*map(type, vector)} <= {int, float}:
                raise ValueError("not a vector")
            if not vector or len(vector) != (self.dimensions or len(vector)):
                raise ValueError(f"{len(vector)} dimensions instead of {self.dimensions}")
            if not 0.1 < math.hypot(*vector) < 10:
                raise ValueError("not the length of an embedding")
            self.dimensions = len(vector)
        return [_unit(vector) for vector in found]


class CohereReranker(_Cohere):
    """Scores passages with one of Cohere's reranking models."""

    def __init__(
        self,
        api_key: str,
        model: str = "rerank-v3.5",
        *,
        base_url: str = "",
        seconds: float = 8.0,
    ) -> None:
        super().__init__(api_key, model, base_url)
        self._limits = RetryLimits(seconds, attempts=2, attempt_seconds=seconds)

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        async def request() -> list[float]:
            response = await self._connected().rerank(
                model=self.model, query=question, documents=list(texts)
            )
            scores = {item.index: float(item.relevance_score) for item in response.results}
            if scores.keys() != set(range(len(texts))):
                raise ValueError("not one score per text")
            return [min(1.0, max(0.0, scores[n])) for n in range(len(texts))]

        if not texts:
            return []
        return await self._call(request, self._limits)


def _unpacked(text: str) -> list[float]:
    """Decode 32-bit floats, little-endian, from base64."""
    numbers = array("f", b64decode(text, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _unit(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [x / length for x in vector]
