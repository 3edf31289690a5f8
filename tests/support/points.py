"""Deterministic points, and a plain computation of their scores to check the engine against."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.errors import UpstreamTimeout
from rag.models import (
    Chunk,
    Hit,
    IndexInfo,
    Page,
    Point,
    SparseVector,
)

T = TypeVar("T")
INFO = IndexInfo(embedding_model="test-16", dimensions=16, book_title="Book", fingerprint="f")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def point(n: int, *, size: int = 16, text: str = "") -> Point:
    """Make the n-th point."""
    rng = np.random.default_rng(n)
    dense = rng.normal(size=size)
    terms = sorted({int(t) for t in rng.zipf(1.3, size=12) % 50})
    return Point(
        chunk=Chunk(
            chunk_id=f"00000000-0000-0000-0000-{n:012}",
            text=text or f"text {n}",
            title=f"Title {n}",
            section="A › B",
            slug=f"page-{n}#b",
            source_path=f"page-{n}.md",
            order_index=n,
        ),
        dense=(dense / np.linalg.norm(dense)).tolist(),
        sparse=SparseVector(tuple(terms), tuple((rng.random(len(terms)) + 0.1).tolist())),
    )


def frequencies(points: Iterable[Point]) -> Counter[int]:
    return Counter(term for p in points for term in p.sparse.indices)


async def write(
    folder: Path, points: Sequence[Point], info: IndexInfo = INFO, pages: Sequence[Page] = ()
) -> None:
    """Stage missing points and publish exactly these."""
    writer = EdgeWriter(folder)
    try:
        known = await writer.open(info)
        await writer.stage([p for p in points if p.chunk.chunk_id not in known])
        await writer.publish(info, [p.chunk for p in points], frequencies(points), pages=pages)
    finally:
        await writer.close()


async def ask(
    folder: Path, dense: Sequence[float], sparse: SparseVector, limit: int = 10
) -> tuple[Hit, ...]:
    store = EdgeStore(folder)
    try:
        return (await store.candidates(dense, sparse, limit)).hits
    finally:
        await store.close()


def expected(
    points: Sequence[Point], dense: Sequence[float], sparse: SparseVector, limit: int
) -> dict[str, tuple[float, float]]:
    """Compute cosine and BM25 for the union of the best by each."""
    df, total = frequencies(points), len(points)
    question = dict(zip(sparse.indices, sparse.values, strict=True))
    scores = {}
    for p in points:
        cosine = float(np.dot(p.dense, dense) / np.linalg.norm(p.dense) / np.linalg.norm(dense))
        weights = dict(zip(p.sparse.indices, p.sparse.values, strict=True))
        bm25 = sum(
            math.log(1 + (total - df[t] + 0.5) / (df[t] + 0.5)) * weights[t] * question[t]
            for t in question.keys() & weights.keys()
        )
        scores[p.chunk.chunk_id] = (cosine, bm25)
    by_cosine = sorted(scores, key=lambda i: -scores[i][0])[:limit]
    by_bm25 = sorted((i for i in scores if scores[i][1] > 0), key=lambda i: -scores[i][1])[:limit]
    return {i: scores[i] for i in {*by_cosine, *by_bm25}}


def check_scores(folder: Path, points: Sequence[Point], questions: int = 10) -> None:
    """Check that the index returns the same scores as the plain computation."""

    async def body() -> None:
        store = EdgeStore(folder)
        for seed in range(questions):
            question = point(10_000 + seed)
            values = tuple(0.5 + i % 2 for i in range(len(question.sparse.indices)))
            sparse = SparseVector(question.sparse.indices, values)
            hits = (await store.candidates(question.dense, sparse, 8)).hits
            found = {hit.chunk.chunk_id: (hit.dense, hit.sparse) for hit in hits}
            wanted = expected(points, question.dense, sparse, 8)
            assert found.keys() == wanted.keys()
            for chunk_id, scores in wanted.items():
                error = np.abs(np.subtract(found[chunk_id], scores)).max()
                assert error < 1e-5, (chunk_id, found[chunk_id], scores)
        await store.close()

    run(body())


class HashEmbedder:
    """A tiny embedder that derives vectors from the text's hash and counts its calls."""

    is_paid = False
    is_multilingual = False

    def __init__(self, model: str = "hash", dimensions: int = 16, fail_after: int = 10**9) -> None:
        self.model = model
        self.dimensions = dimensions
        self.cosine_range = (0.0, 1.0)
        self.texts: list[str] = []
        self.sizes: list[int] = []
        self.questions = 0
        self._fail_after = fail_after

    async def embed_questions(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.questions += len(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Sequence[float]:
        rng = np.random.default_rng(crc32(f"{self.model} {text}".encode()))
        vector = rng.normal(size=self.dimensions)
        result: list[float] = (vector / np.linalg.norm(vector)).tolist()
        return result

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if len(self.sizes) >= self._fail_after:
            raise UpstreamTimeout("no answer within 10 s", service="cohere")
        self.texts += texts
        self.sizes.append(len(texts))
        return [self._vector(text) for text in texts]

    async def close(self) -> None:
        pass


def words(chunk: Chunk) -> SparseVector:
    """Make a sparse vector with weight 1 for each word."""
    found = re.findall(r"\w+", chunk.embedded_text.lower())
    return SparseVector(*zip(*sorted((crc32(w.encode()), 1.0) for w in {*found}), strict=True))
