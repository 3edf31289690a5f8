"""Imitate Cohere's v2 embed and rerank, with a bag of words as the model."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from functools import cache
from operator import mul

from tests.upstreams.http import Request, Response, Service

DIMENSIONS = {
    "embed-english-v3.0": 1024,
    "embed-english-light-v3.0": 384,
    "embed-multilingual-v3.0": 1024,
    "embed-multilingual-light-v3.0": 384,
    "embed-v4.0": 1536,
}
SIZES = (256, 512, 1024, 1536)
TYPES = ("search_document", "search_query", "classification", "clustering")


class Cohere(Service):
    """Texts that share words are close. The key is `key`; others get 401."""

    key = "cohere-test-key"

    def __init__(self) -> None:
        super().__init__()
        self.lacks: set[str] = set()
        """Embedding types rejected with 400."""
        self.deprecated: set[str] = set()
        """Models that the API calls deprecated."""
        self.quota: dict[str, str] = {}
        """Headers of every response, as sent for a trial key."""
        self.near: dict[str, tuple[str, float]] = {}
        """Questions with a cosine of their own to the passages that contain a text."""
        self._passages: dict[str, None] = {}

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Response(401, {"id": "x", "message": "invalid api token"})
        if request.path.startswith("/v1/models/"):
            name = request.path.removeprefix("/v1/models/")
            return Response(200, {"name": name, "is_deprecated": name in self.deprecated})
        body = request.json()
        if request.path == "/v2/embed":
            return self._embed(body)
        if request.path == "/v2/rerank":
            return self._rerank(body)
        return Response(404, {"message": f"no such path {request.path}"})

    def _embed(self, body: dict[str, object]) -> Response:
        texts, model = body.get("texts"), str(body.get("model"))
        if not isinstance(texts, list) or not 1 <= len(texts) <= 96:
            return Response(400, {"message": "invalid request: total number of texts must be 1-96"})
        if body.get("input_type") not in TYPES:
            return Response(400, {"message": "invalid request: input_type is missing or invalid"})
        if model not in DIMENSIONS and not model.startswith("embed-"):
            return Response(404, {"message": f"model '{model}' not found"})
        kinds = body.get("embedding_types") or ["float"]
        if not isinstance(kinds, list) or set(kinds) - ({"float", "base64"} - self.lacks):
            return Response(400, {"message": "invalid request: unknown embedding_types"})
        dimensions = body.get("output_dimension", DIMENSIONS.get(model, 256))
        if not isinstance(dimensions, int) or (
            "output_dimension" in body and (model != "embed-v4.0" or dimensions not in SIZES)
        ):
            return Response(400, {"message": "invalid request: invalid output_dimension"})
        if body["input_type"] == "search_document":
            self._passages |= dict.fromkeys(texts)
        vectors = [self._vector(text, dimensions) for text in texts]
        packed = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
        forms = {"float": vectors, "base64": packed}
        return Response(
            200,
            {
                "id": "embed-1",
                "response_type": "embeddings_by_type",
                "texts": texts,
                "embeddings": {kind: forms[kind] for kind in kinds},
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 9}},
            },
            self.quota,
        )

    def _vector(self, text: str, dimensions: int) -> tuple[float, ...]:
        if text not in self.near:
            return embed(text, dimensions)
        said, cosine = self.near[text]
        passage = embed(next(each for each in self._passages if said in each), dimensions)
        own = embed(text, dimensions)
        along = sum(map(mul, own, passage))
        rest = [a - along * b for a, b in zip(own, passage, strict=True)]
        share = math.sqrt((1 - cosine**2) / sum(x * x for x in rest))
        return tuple(cosine * a + share * b for a, b in zip(passage, rest, strict=True))

    def _rerank(self, body: dict[str, object]) -> Response:
        documents, query = body.get("documents"), words(str(body.get("query", "")))
        if not isinstance(documents, list) or not documents:
            return Response(400, {"message": "invalid request: documents are missing"})
        scores = []
        for n, document in enumerate(documents):
            found = words(str(document))
            scores.append((len(query & found) / (len(query) or 1), n))
        results = [{"index": n, "relevance_score": s} for s, n in sorted(scores, reverse=True)]
        return Response(200, {"id": "rerank-1", "results": results, "meta": {}})


def words(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w{3,}", text.lower())}


@cache
def embed(text: str, dimensions: int) -> tuple[float, ...]:
    """Return a unit vector in which each word has a fixed direction."""
    vector = [0.0] * dimensions
    for word in words(text):
        digest = hashlib.blake2b(word.encode(), digest_size=24).digest()
        for n in range(0, 24, 3):
            place = int.from_bytes(digest[n : n + 2]) % dimensions
            vector[place] += 1.0 if digest[n + 2] & 1 else -1.0
    length = math.sqrt(sum(x * x for x in vector))
    return tuple(x / length for x in vector) if length else (1.0, *vector[1:])
