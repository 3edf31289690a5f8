"""Cohere: embeddings and reranking over its API, version 2.

https://docs.cohere.com/reference/embed and https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

import asyncio
import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from rag.adapters.retry import retried, said, status_error
from rag.errors import UpstreamError, UpstreamRejected

if TYPE_CHECKING:
    from cohere.core.http_client import AsyncHttpClient
    from httpx import AsyncClient, Response

    from rag.adapters.http import HttpxClient

T = TypeVar("T")

_SERVICE = "cohere"
_URL = "https://api.cohere.com"
_BATCH = 96
"""Texts a call, the API's limit."""
_PARALLEL = 4
_READ_SECONDS = 60.0
"""For any wait within one attempt; attempts have bounds of their own."""


@dataclass(frozen=True, slots=True)
class _Model:
    dimensions: int
    cosine_range: tuple[float, float]


_MODELS = {
    "embed-english-v3.0": _Model(1024, (0.20, 0.62)),
    "embed-english-light-v3.0": _Model(384, (0.20, 0.66)),
    "embed-multilingual-v3.0": _Model(1024, (0.26, 0.66)),
    "embed-multilingual-light-v3.0": _Model(384, (0.26, 0.70)),
    "embed-v4.0": _Model(1536, (0.12, 0.58)),
}
"""Dimensions from https://docs.cohere.com/docs/cohere-embed; cosines are estimates."""
_UNKNOWN = _Model(0, (0.20, 0.65))


class _BadRequest(UpstreamRejected):
    """The API does not take the request as it is."""


class _Cohere:
    """The client that embedding and reranking share: one address, one policy.

    It is the core of the SDK's own clients, which sends what they send. `AsyncClientV2` around
    it builds a checked model of every answer, which takes as long as the request, and imports
    the models of all of the API; here an answer is read for the one list that it is about.
    """

    def __init__(self, api_key: str, base_url: str) -> None:
        self._key = api_key
        self._url = base_url or _URL
        self._client: AsyncHttpClient | None = None
        self._http: HttpxClient | None = None

    def _connected(self) -> AsyncHttpClient:
        if self._client is None:
            from cohere.core.client_wrapper import AsyncClientWrapper

            from rag.adapters.http import HttpxClient

            self._http = HttpxClient(self._url, _READ_SECONDS)
            self._client = AsyncClientWrapper(
                token=self._key,
                base_url=self._url,
                max_retries=0,
                httpx_client=cast("AsyncClient", self._http),
            ).httpx_client
        return self._client

    async def call(
        self,
        request: Callable[[], Awaitable[T]],
        *,
        seconds: float,
        attempts: int,
        attempt_seconds: float,
    ) -> T:
        """What `request` returns, which asks with `post` and reads the answer."""
        from aiohttp import ClientError

        from rag.adapters.http import failure

        return await retried(
            request,
            service=_SERVICE,
            errors=(ClientError, ValueError, TypeError, LookupError, AttributeError),
            translate=lambda error: failure(error, _SERVICE),
            seconds=seconds,
            attempts=attempts,
            attempt_seconds=attempt_seconds,
        )

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of an answer, to a single request."""
        from pydantic_core import from_json

        response = await self._connected().request(path, method="POST", json=body)
        if response.status_code != 200:
            raise self._refusal(response)
        return from_json(response.content)

    def _refusal(self, response: Response) -> UpstreamError:
        status, message = response.status_code, said(response.content, self._key)
        if status in (400, 422):
            return _BadRequest(f"{status} {message}", service=_SERVICE)
        if status in (401, 403, 498):
            return UpstreamRejected(f"{status} the key was refused", service=_SERVICE)
        if status == 429 and "month" in message.lower():
            return UpstreamRejected(f"429 the key's quota is used up: {message}", service=_SERVICE)
        if status < 400:
            return UpstreamError(f"{status} instead of an answer", service=_SERVICE)
        return status_error(_SERVICE, status, message, response.headers)

    def prepare(self) -> None:
        """Import and make the client, in any thread, before it is needed."""
        self._connected()

    async def close(self) -> None:
        if self._http is not None:
            http, self._http, self._client = self._http, None, None
            await http.aclose()


class CohereEmbedder:
    """Embeds with one of Cohere's models. Longer texts are cut at their end by the API.

    For a model that is not in the table, `dimensions` is 0 until its first answer.
    """

    is_paid = True

    def __init__(
        self,
        api_key: str,
        model: str = "embed-english-v3.0",
        *,
        base_url: str = "",
        seconds: float = 20.0,
        attempt_seconds: float = 8.0,
        batch_seconds: float = 180.0,
    ) -> None:
        """`seconds` is what a question may take, in attempts of `attempt_seconds`.

        A batch of passages may take `batch_seconds`: a trial key is limited by the minute, and
        an author can wait longer than a reader.
        """
        known = _MODELS.get(model, _UNKNOWN)
        self._model = model
        self._dimensions = known.dimensions
        self._cosine_range = known.cosine_range
        self._seconds = seconds
        self._attempt_seconds = attempt_seconds
        self._packed = True
        """Ask for base64: a third of the bytes that 1,024 numbers take as text.
        A server that refuses it, or means something else by it, is asked for numbers instead."""
        self._batch_seconds = batch_seconds
        self._cohere = _Cohere(api_key, base_url)

    @property
    def model(self) -> str:
        return self._model

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def cosine_range(self) -> tuple[float, float]:
        return self._cosine_range

    def prepare(self) -> None:
        self._cohere.prepare()

    async def embed_questions(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await self._cohere.call(
            lambda: self._embed(texts, "search_query"),
            seconds=self._seconds,
            attempts=3,
            attempt_seconds=self._attempt_seconds,
        )

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        turn = asyncio.Semaphore(_PARALLEL)

        async def embed(start: int) -> list[list[float]]:
            async with turn:
                return await self._cohere.call(
                    lambda: self._embed(texts[start : start + _BATCH], "search_document"),
                    seconds=self._batch_seconds,
                    attempts=10,
                    attempt_seconds=60.0,
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
        request = {
            "model": self._model,
            "texts": list(texts),
            "input_type": kind,
            "embedding_types": ["base64" if self._packed else "float"],
            "truncate": "END",
        }
        try:
            found = (await self._cohere.post("v2/embed", request))["embeddings"]
        except _BadRequest:
            if not self._packed:
                raise
            self._packed = False
            return await self._embed(texts, kind)
        if found.get("base64") is None:
            return self._vectors(found["float"], len(texts))
        try:
            return self._vectors([_unpacked(text) for text in found["base64"]], len(texts))
        except (ValueError, TypeError):
            self._packed = False
            raise

    def _vectors(self, found: Any, count: int) -> list[list[float]]:
        """Check what came back."""
        if not isinstance(found, list) or len(found) != count:
            raise ValueError("not one vector a text")
        for vector in found:
            if not isinstance(vector, list) or not {*map(type, vector)} <= {int, float}:
                raise ValueError("not a vector")
            if not vector or len(vector) != (self._dimensions or len(vector)):
                raise ValueError(f"{len(vector)} dimensions instead of {self._dimensions}")
            if not 0.1 < math.hypot(*vector) < 10:
                raise ValueError("a vector of impossible length")
            self._dimensions = len(vector)
        return [_unit(vector) for vector in found]

    async def close(self) -> None:
        await self._cohere.close()


class CohereReranker:
    is_paid = True

    def __init__(
        self,
        api_key: str,
        model: str = "rerank-v3.5",
        *,
        base_url: str = "",
        seconds: float = 8.0,
    ) -> None:
        self._model = model
        self._seconds = seconds
        self._cohere = _Cohere(api_key, base_url)

    @property
    def model(self) -> str:
        return self._model

    def prepare(self) -> None:
        self._cohere.prepare()

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        async def request() -> list[float]:
            wanted = {"model": self._model, "query": question, "documents": list(texts)}
            results = (await self._cohere.post("v2/rerank", wanted))["results"]
            scores = {item["index"]: float(item["relevance_score"]) for item in results}
            if scores.keys() != set(range(len(texts))):
                raise ValueError("not one score a text")
            return [min(1.0, max(0.0, scores[n])) for n in range(len(texts))]

        if not texts:
            return []
        return await self._cohere.call(
            request, seconds=self._seconds, attempts=2, attempt_seconds=self._seconds
        )

    async def close(self) -> None:
        await self._cohere.close()


def _unpacked(text: str) -> list[float]:
    """Numbers of 32 bits, little-endian, as base64."""
    numbers = array("f", b64decode(text, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _unit(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [x / length for x in vector]
