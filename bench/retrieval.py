"""How well passages are found: `python bench/retrieval.py [FOLDER]`.

Reads test sets in BEIR layout (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`) and one of
reference spans (`corpora/*.md`, `questions.jsonl`) from a folder, which is never downloaded.
Prints a table and, last, one JSON line. Vectors are kept in a temporary file.

How to read the figures:

- nDCG@10, Recall@5: whether the relevant documents are found, and how near the top; 1 is best.
- AUROC: how surely the best score tells a question with an answer from one without (another
  set's questions; its article hidden; only its paragraph hidden). 0.5 is guessing. Beside it,
  the shares that were answered and refused wrongly at the threshold that is in use.
- answer in two sentences: from the question on, the two quoted pieces hold the answer.
- span recall@5, span precision@5: of the characters that answer, the share in the five best
  chunks; of the characters in those chunks, the share that answers.
- search ms: median of a whole search without embedding the question, its close reading of the
  best passages included; the exact scan stands in for the engine. store ms: the engine alone,
  on disk, filled with 1,000 and 10,000 chunks.
- question ms, passage ms: embedding, by the clock, of one question (median) and of a passage
  of usual length among many; passage CPU ms: the same in time of one core, which a busy machine
  changes less. Indexing 1,000 chunks takes as many seconds as a passage takes milliseconds; two
  free cores take half of the CPU time.

Times are of this machine as busy as it is now: compare them with a run beside it only.

With `COHERE_API_KEY` set, Cohere embeds, and with `QDRANT_URL` the passages are ranked by that
server, in collections of their own named `bench-…`, which stay there so that a second run
writes nothing. Every question that is not yet in the temporary file costs a call: about 1,700
for the three public sets, more than a trial key has in a month.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import math
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the embedder would, before numpy loads

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rag.chunks import chunk_book
from rag.clients import Clients
from rag.embedded.answerer import ExtractiveAnswerer
from rag.embedded.qdrant import EdgeStore, EdgeWriter
from rag.passages import CANDIDATES, RELEVANT, idf, search
from rag.settings import Settings, load_settings
from rag.text import sparse_passage, sparse_question
from rag.types import (
    Block,
    Brief,
    Candidates,
    Chunk,
    Embedder,
    Hit,
    IndexInfo,
    IndexWriter,
    Page,
    Point,
    Section,
    SparseVector,
    VectorStore,
)

Figures = dict[str, float]
DEPTH = 10
SIZES = (1_000, 10_000)
"""Chunks in the embedded engine when it is timed."""
PASSAGES = 6
"""Passages that an answer is made from, as in the settings."""
CACHE = Path(tempfile.gettempdir()) / "ask-the-book-bench.sqlite"


@dataclass(frozen=True)
class TestSet:
    """Documents as chunks, questions by id, and for each the ids of relevant documents."""

    name: str
    chunks: list[Chunk]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]


class ExactStore:
    """A `VectorStore` that scans everything; `hidden` chunks are as if never indexed."""

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

    async def page(self, slug: str) -> Page | None:
        return None

    async def pages(self) -> Sequence[tuple[str, str]]:
        return ()

    async def close(self) -> None:
        """Nothing is held."""


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


class Remembering:
    """An `Embedder` that keeps the vector of every text in a file, so that it is made once."""

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self._kept = sqlite3.connect(path)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB)")
        self.model, self.dimensions = embedder.model, embedder.dimensions
        self.cosine_range = embedder.cosine_range

    async def embed_question(self, text: str) -> list[float]:
        key = self._key(f"?\0{text}")
        if self._find(key) is None:
            self._keep([key], [await self._embedder.embed_question(text)])
        return self._found([key])[0]

    async def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        keys = [self._key(text) for text in texts]
        new = [i for i, key in enumerate(keys) if self._find(key) is None]
        for start in range(0, len(new), 256):
            batch = new[start : start + 256]
            vectors = await self._embedder.embed_passages([texts[i] for i in batch])
            self._keep([keys[i] for i in batch], vectors)
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

    def forget(self) -> None:
        """Close the file; the embedder belongs to who made it."""
        self._kept.close()

    async def close(self) -> None:
        self.forget()


async def points(embedder: Embedder, chunks: Sequence[Chunk]) -> list[Point]:
    dense = await embedder.embed_passages([chunk.embedded_text for chunk in chunks])
    return [
        Point(
            chunk,
            vector,
            sparse_passage(
                chunk.text, title=chunk.title, section=chunk.section, language=chunk.language
            ),
        )
        for chunk, vector in zip(chunks, dense, strict=True)
    ]


async def index(embedder: Embedder, chunks: Sequence[Chunk]) -> ExactStore:
    return ExactStore(await points(embedder, chunks))


async def embed_all(embedder: Embedder, questions: Iterable[str]) -> list[Sequence[float]]:
    return [await embedder.embed_question(question) for question in questions]


async def write(writer: IndexWriter, made: Sequence[Point], model: str) -> None:
    """Publish points through the engine's own writer, which is closed."""
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
    """With positions and UUIDs, which engines ask for."""
    return [
        replace(chunk, chunk_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{n}")), order_index=n)
        for n, chunk in enumerate(chunks)
    ]


def ndcg(found: Sequence[str], relevant: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002)."""
    ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
    gains = [relevant.get(document, 0) for document in found[:DEPTH]]
    return _dcg(gains) / _dcg(ideal)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive scores above a negative; ties count half."""
    values = np.concatenate([positive, negative])
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


async def measure_ranking(embedder: Embedder, test: TestSet, settings: Settings) -> Figures:
    """Ranking and latency. The gate that refuses to answer is left out."""
    made = await points(embedder, test.chunks)
    ids = {chunk.chunk_id: chunk.chunk_id for chunk in test.chunks}
    clients = Clients(replace(settings, collection=f"bench-{test.name}"))
    store: VectorStore = ExactStore(made)
    if settings.qdrant_url:
        chunks = renamed(test.chunks)
        ids = {new.chunk_id: old.chunk_id for new, old in zip(chunks, test.chunks, strict=True)}
        made = [replace(point, chunk=chunk) for point, chunk in zip(made, chunks, strict=True)]
        await write(await clients.writer(), made, embedder.model)
        store = await clients.store()
    vectors = await embed_all(embedder, test.questions.values())
    gains, recalls, times = [], [], []
    for (key, question), vector in zip(test.questions.items(), vectors, strict=True):
        start = time.perf_counter()
        passages = await search(
            store, vector, question, DEPTH, cosine_range=embedder.cosine_range, least=0.0
        )
        times.append(time.perf_counter() - start)
        found = [ids[passage.chunk.chunk_id] for passage in passages]
        relevant = test.relevant[key]
        gains.append(ndcg(found, relevant))
        recalls.append(len(relevant.keys() & set(found[:5])) / len(relevant))
    await clients.close()
    return {
        "nDCG@10": statistics.mean(gains),
        "Recall@5": statistics.mean(recalls),
        "search ms": statistics.median(times) * 1000,
    }


async def measure_abstention(embedder: Embedder, test: TestSet, far: TestSet) -> Figures:
    """How well the best passage's score tells a question with an answer from one without.

    Without are: another set's questions; those whose article, or whose one relevant
    paragraph, is hidden. Articles are told by the first part of a document's id.
    """
    store = await index(embedder, test.chunks)
    place = {chunk.chunk_id: i for i, chunk in enumerate(test.chunks)}
    articles: dict[str, set[int]] = {}
    for document, i in place.items():
        articles.setdefault(document.split("-")[0], set()).add(i)

    async def best(question: str, vector: Sequence[float]) -> float:
        found = await search(
            store, vector, question, DEPTH, cosine_range=embedder.cosine_range, least=0.0
        )
        return found[0].score if found else 0.0

    answered, paragraph, article, other = [], [], [], []
    vectors = await embed_all(embedder, test.questions.values())
    for (key, question), vector in zip(test.questions.items(), vectors, strict=True):
        relevant = test.relevant[key]
        store.hidden = frozenset()
        answered.append(await best(question, vector))
        store.hidden = frozenset(place[document] for document in relevant)
        paragraph.append(await best(question, vector))
        store.hidden = frozenset(
            i for document in relevant for i in articles[document.split("-")[0]]
        )
        article.append(await best(question, vector))
    store.hidden = frozenset()
    vectors = await embed_all(embedder, far.questions.values())
    for question, vector in zip(far.questions.values(), vectors, strict=True):
        other.append(await best(question, vector))
    return {
        "AUROC far": auroc(answered, other),
        "AUROC article removed": auroc(answered, article),
        "AUROC paragraph removed": auroc(answered, paragraph),
        "answered though far": statistics.mean(score >= RELEVANT for score in other),
        "refused though there": statistics.mean(score < RELEVANT for score in answered),
    }


async def measure_answers(embedder: Embedder, test: TestSet, folder: Path) -> Figures:
    """How often two quoted sentences hold the answer, from the question on."""
    store = await index(embedder, test.chunks)
    answers = {row["_id"]: row["answers"] for row in read_lines(folder / "answers.jsonl")}
    answerer = ExtractiveAnswerer(embedder)
    vectors = await embed_all(embedder, test.questions.values())
    held, times = [], []
    for (key, question), vector in zip(test.questions.items(), vectors, strict=True):
        passages = await search(
            store, vector, question, PASSAGES, cosine_range=embedder.cosine_range
        )
        start = time.perf_counter()
        pieces = await answerer.pick(Brief(question, passages)) if passages else []
        times.append(time.perf_counter() - start)
        text = " ".join(piece.unit.text for piece in pieces[:2])
        held.append(any(answer["text"] in text for answer in answers[key]))
    return {
        "answer in two sentences": statistics.mean(held),
        "answer ms": statistics.median(times) * 1000,
    }


async def measure_spans(embedder: Embedder, folder: Path) -> Figures:
    """Characters of the reference excerpts in the five best chunks, and their share there."""
    chunks: list[Chunk] = []
    spans: dict[str, tuple[str, int, int]] = {}
    for path in sorted((folder / "corpora").glob("*.md")):
        text = path.read_bytes().decode()
        blocks = [Block("paragraph", line.strip()) for line in text.split("\n") if line.strip()]
        page = Page(path.name, path.stem, path.stem, (Section(path.stem, 1, "", (), (*blocks,)),))
        at = 0
        for chunk in chunk_book([page]):
            begin, at = _locate(text, chunk.text, at)
            spans[chunk.chunk_id] = path.stem, begin, at
            chunks.append(chunk)
    store = await index(embedder, chunks)
    rows = read_lines(folder / "questions.jsonl")
    vectors = await embed_all(embedder, [row["question"] for row in rows])
    recalls, precisions = [], []
    for row, vector in zip(rows, vectors, strict=True):
        passages = await search(
            store, vector, row["question"], 5, cosine_range=embedder.cosine_range, least=0.0
        )
        wanted = {i for r in row["references"] for i in range(r["start_index"], r["end_index"])}
        found: set[tuple[str, int]] = set()
        for passage in passages:
            corpus, begin, end = spans[passage.chunk.chunk_id]
            found |= {(corpus, i) for i in range(begin, end)}
        common = sum((row["corpus"], i) in found for i in wanted)
        recalls.append(common / len(wanted))
        precisions.append(common / max(1, len(found)))
    return {
        "span recall@5": statistics.mean(recalls),
        "span precision@5": statistics.mean(precisions),
        "chunks": len(chunks),
    }


def _locate(text: str, chunk: str, start: int) -> tuple[int, int]:
    """Where a chunk stands in its source, which may space it differently."""
    words = chunk.split()
    begin = at = text.index(words[0], start)
    for word in words:
        at = text.index(word, at) + len(word)
    return begin, at


async def measure_speed(embedder: Embedder, test: TestSet) -> Figures:
    """Encoding, never from the cache: of one question, and of passages of usual length."""
    usual = [chunk for chunk in test.chunks if 600 < len(chunk.text) < 1200] or test.chunks
    texts = [chunk.embedded_text for chunk in usual[:96]]
    questions = list(test.questions.values())[:20]
    start = time.perf_counter()
    await embedder.embed_question("How is it installed?")
    first = time.perf_counter() - start
    times = []
    for question in questions:
        start = time.perf_counter()
        await embedder.embed_question(question)
        times.append(time.perf_counter() - start)
    start, computed = time.perf_counter(), time.process_time()
    await embedder.embed_passages(texts)
    passages = (time.perf_counter() - start) / len(texts)
    computed = (time.process_time() - computed) / len(texts)
    return {
        "first question ms": first * 1000,
        "question ms": statistics.median(times) * 1000,
        "passage ms": passages * 1000,
        "passage CPU ms": computed * 1000,
        "passage characters": statistics.mean(map(len, texts)),
    }


async def measure_engine(embedder: Embedder, test: TestSet) -> Figures:
    """The embedded engine on disk, by size: the store alone, and a whole search over it."""
    made = await points(embedder, test.chunks)
    questions = list(test.questions.values())[:200]
    vectors = await embed_all(embedder, questions)
    figures: Figures = {}
    for size in SIZES:
        repeated = [made[n % len(made)] for n in range(size)]
        chunks = renamed([point.chunk for point in repeated])
        whole = [replace(point, chunk=chunk) for point, chunk in zip(repeated, chunks, strict=True)]
        with tempfile.TemporaryDirectory() as folder:
            await write(EdgeWriter(Path(folder)), whole, embedder.model)
            store = EdgeStore(Path(folder))
            alone, searches = [], []
            for question, vector in zip(questions, vectors, strict=True):
                start = time.perf_counter()
                await store.candidates(vector, sparse_question(question), CANDIDATES)
                middle = time.perf_counter()
                await search(store, vector, question, DEPTH, cosine_range=embedder.cosine_range)
                alone.append(middle - start)
                searches.append(time.perf_counter() - middle)
            await store.close()
        figures[f"store ms, {size:,} chunks"] = statistics.median(alone) * 1000
        figures[f"search ms, {size:,} chunks"] = statistics.median(searches) * 1000
    return figures


async def measure(folder: Path, settings: Settings, cache: Path = CACHE) -> dict[str, Figures]:
    clients = Clients(settings)
    engine = await clients.embedder()
    figures: dict[str, Figures] = {}
    tests = {name: read_beir(folder / name) for name in _with(folder, "qrels/test.tsv")}
    if tests:
        figures["speed"] = await measure_speed(engine, next(iter(tests.values())))
    embedder = Remembering(engine, cache)
    if tests and not settings.qdrant_url:
        largest = max(tests.values(), key=lambda test: len(test.chunks))
        figures["engine"] = await measure_engine(embedder, largest)
    for name, test in tests.items():
        figures[name] = await measure_ranking(embedder, test, settings)
        if (folder / name / "answers.jsonl").exists():
            others = [other for other in tests if other != name]
            if others:
                figures[name] |= await measure_abstention(embedder, test, tests[others[0]])
            figures[name] |= await measure_answers(embedder, test, folder / name)
    for name in _with(folder, "questions.jsonl"):
        figures[name] = await measure_spans(embedder, folder / name)
    embedder.forget()
    await clients.close()
    return figures


def _with(folder: Path, file: str) -> list[str]:
    """Names of the folders within that have a certain file."""
    return sorted(path.name for path in folder.iterdir() if (path / file).exists())


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RETRIEVAL_SETS", ""))
    if not any(folder.glob("*/*.jsonl*")) or not (len(sys.argv) > 1 or folder.name):
        print("No test sets: name their folder, or set RETRIEVAL_SETS to it.")
        return 0
    figures = asyncio.run(measure(folder, load_settings()))
    for name, measured in figures.items():
        print(f"{name:<16}" + "  ".join(f"{what} {value:.4g}" for what, value in measured.items()))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
