"""Test sets, an exact store and a file cache of vectors, for the retrieval benchmarks."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.interfaces import Embedder, IndexWriter, TokenMatcher
from rag.language.tokens import sparse_passage
from rag.models import (
    Candidates,
    Chunk,
    Hit,
    IndexInfo,
    Point,
    SparseVector,
)
from rag.retrieval.relevance import idf

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]


@dataclass(frozen=True)
class TestSet:
    """Documents as chunks, questions by id, and the relevant document ids of each question."""

    name: str
    chunks: list[Chunk]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]


class ExactStore:
    """A `VectorStore` that scans every chunk; `hidden` chunks count as not indexed."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.chunks = [point.chunk for point in points]
        self.dense = np.array([point.dense for point in points], np.float32)
        self.postings: dict[int, tuple[NDArray[np.intp], NDArray[np.float32]]] = {}
        rows: dict[int, list[tuple[int, float]]] = {}
        for i, point in enumerate(points):
            for term, value in zip(point.sparse.indices, point.sparse.values, strict=True):
                rows.setdefault(term, []).append((i, value))
        for term, found in rows.items():
            where = np.array([i for i, _ in found])
            self.postings[term] = where, np.array([value for _, value in found], np.float32)
        self.hidden: frozenset[int] = frozenset()

    async def info(self) -> IndexInfo | None:
        return None

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        shown = np.ones(len(self.chunks), bool)
        shown[list(self.hidden)] = False
        total = int(shown.sum())
        cosines = np.where(shown, self.dense @ np.asarray(dense, np.float32), -1)
        scores = np.zeros(len(self.chunks), np.float32)
        frequencies: dict[int, int] = {}
        for term, weight in zip(sparse.indices, sparse.values, strict=True):
            if term in self.postings:
                where, values = self.postings[term]
                if frequency := int(shown[where].sum()):
                    frequencies[term] = frequency
                    scores[where] += weight * idf(frequency, total) * values
        scores = np.where(shown, scores, 0)
        best = np.argsort(-cosines, kind="stable")[:limit].tolist()
        best += [i for i in np.argsort(-scores, kind="stable")[:limit].tolist() if scores[i] > 0]
        hits = tuple(
            Hit(self.chunks[i], float(cosines[i]), float(scores[i]))
            for i in dict.fromkeys(best)
            if shown[i]
        )
        return Candidates(hits, total, frequencies)

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        return self.chunks[max(0, order_index - reach) : order_index + reach + 1]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    packed = path.with_name(path.name + ".gz")
    if packed.exists():
        with gzip.open(packed, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_beir(folder: Path) -> TestSet:
    chunks = [
        Chunk(row["_id"], row["text"], row.get("title", ""), "", row["_id"], row["_id"], i)
        for i, row in enumerate(read_lines(folder / "corpus.jsonl"))
    ]
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(question, {})[document] = int(grade)
    questions = {
        row["_id"]: row["text"]
        for row in read_lines(folder / "queries.jsonl")
        if row["_id"] in relevant
    }
    return TestSet(folder.name, chunks, questions, relevant)


class CachedEmbedder:
    """An `Embedder` that caches the vector of every text in a file."""

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self._kept = sqlite3.connect(path)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB)")
        self.model, self.dimensions = embedder.model, embedder.dimensions
        self.cosine_range, self.is_paid = embedder.cosine_range, embedder.is_paid
        self.is_multilingual = embedder.is_multilingual
        self.matcher = embedder if isinstance(embedder, TokenMatcher) else None

    async def embed_questions(self, texts: Sequence[str]) -> list[list[float]]:
        keys = [self._key(f"?\0{text}") for text in texts]
        return await self._cached(keys, texts, self._embedder.embed_questions, 1)

    async def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        keys = [self._key(text) for text in texts]
        return await self._cached(keys, texts, self._embedder.embed_passages, 256)

    async def _cached(
        self, keys: Sequence[bytes], texts: Sequence[str], embed: Embed, batch: int
    ) -> list[list[float]]:
        new = [i for i, key in enumerate(keys) if self._find(key) is None]
        for start in range(0, len(new), batch):
            made = new[start : start + batch]
            vectors = await embed([texts[i] for i in made])
            self._keep([keys[i] for i in made], vectors)
        return self._found(keys)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.model}\0{text}".encode()).digest()

    def _keep(self, keys: Sequence[bytes], vectors: Sequence[Sequence[float]]) -> None:
        rows = [
            (key, np.asarray(vector, np.float32).tobytes())
            for key, vector in zip(keys, vectors, strict=True)
        ]
        self._kept.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        self._kept.commit()

    def _find(self, key: bytes) -> bytes | None:
        row = self._kept.execute("SELECT value FROM vectors WHERE key = ?", [key]).fetchone()
        return row[0] if row else None

    def _found(self, keys: Sequence[bytes]) -> list[list[float]]:
        values = [self._find(key) for key in keys]
        return [np.frombuffer(value, np.float32).tolist() for value in values if value]

    def close_cache(self) -> None:
        """Close the file; the caller closes the embedder."""
        self._kept.close()

    async def close(self) -> None:
        self.close_cache()


async def points(embedder: Embedder, chunks: Sequence[Chunk]) -> list[Point]:
    dense = await embedder.embed_passages([chunk.embedded_text for chunk in chunks])
    return [
        Point(chunk, vector, sparse_passage(chunk.embedded_text, chunk.language))
        for chunk, vector in zip(chunks, dense, strict=True)
    ]


async def index(embedder: Embedder, chunks: Sequence[Chunk]) -> ExactStore:
    return ExactStore(await points(embedder, chunks))


async def write(writer: IndexWriter, made: Sequence[Point], model: str) -> None:
    """Publish points with the engine's writer, then close it."""
    info = IndexInfo(model, len(made[0].dense), len(made), "Bench")
    try:
        there = await writer.open(info)
        await writer.stage([point for point in made if point.chunk.chunk_id not in there])
        frequencies = Counter(term for point in made for term in point.sparse.indices)
        sparse = {p.chunk.chunk_id: p.sparse for p in made if p.chunk.chunk_id in there}
        await writer.publish(info, [point.chunk for point in made], frequencies, sparse)
    finally:
        await writer.close()


def renamed(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks with the positions and UUIDs that engines require."""
    return [
        replace(chunk, chunk_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{n}")), order_index=n)
        for n, chunk in enumerate(chunks)
    ]
