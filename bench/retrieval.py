"""Measure retrieval quality and speed: `python bench/retrieval.py [FOLDER]`.

Reads test sets in BEIR layout (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`) and one with
reference spans (`corpora/*.md`, `questions.jsonl`) from a folder; nothing is downloaded.
Prints a table and, last, a JSON line. Vectors are kept in a temporary file.

How to read the figures:

- nDCG@10, Recall@5: whether relevant documents are found, and how near the top; 1 is best.
- AUROC: how well the best score separates answerable questions from unanswerable ones (from
  another set; with the article hidden; with only the paragraph hidden). 0.5 is chance. Next to
  it, the share of errors at the limits in use.
- answer quoted: how often the quoted sections contain the answer, and their median length.
- span recall@5, span precision@5: the share of the reference characters that are in the top
  five chunks, and the share of the chunks' characters that are reference characters.
- search ms: median of a whole search without embedding the question, with an exact scan in
  place of the engine, and with the comparison by tokens. store ms: the engine alone, on disk,
  with 1,000 and 10,000 chunks.
- question ms, passage ms: wall time to embed one question (median), and one passage of usual
  length in a batch. passage CPU ms: the same in CPU time, which varies less on a busy machine.
  Indexing 1,000 chunks takes as many seconds as a passage takes milliseconds.

Times depend on the machine and its load: compare only runs made side by side.

With `COHERE_API_KEY`, Cohere embeds. With `QDRANT_URL`, that server ranks the passages, in
collections named `bench-…` that are kept for the next run. Every question not yet in the
temporary file costs a call: about 1,700 for the three public sets, more than the monthly
allowance of a trial key.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.metrics import DEPTH, auroc, ndcg
from bench.sets import (
    CachedEmbedder,
    ExactStore,
    TestSet,
    index,
    points,
    read_beir,
    read_lines,
    renamed,
    write,
)
from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.answering.extractive import quote_sections
from rag.environment import load_settings
from rag.indexing.chunking import chunk_book
from rag.interfaces import Embedder, VectorStore
from rag.language.tokens import sparse_question
from rag.models import (
    AnswerRequest,
    Block,
    Chunk,
    Page,
    SearchResult,
    Section,
)
from rag.providers import Clients
from rag.retrieval.relevance import ANSWER, NOTHING
from rag.retrieval.search import CANDIDATES, Query, search
from rag.settings import Settings

Figures = dict[str, float]
SIZES = (1_000, 10_000)
"""Numbers of chunks for timing the embedded engine."""
PASSAGES = 10
"""Passages per answer, as in the settings."""
CACHE = Path(tempfile.gettempdir()) / "ask-the-book-bench.sqlite"


async def embed_all(embedder: CachedEmbedder, questions: Iterable[str]) -> list[Sequence[float]]:
    return list(await embedder.embed_questions(list(questions)))


async def find(
    store: VectorStore,
    embedder: CachedEmbedder,
    question: str,
    vector: Sequence[float],
    limit: int = DEPTH,
) -> SearchResult:
    """Search as the service does, with the similarity by tokens."""
    return await search(
        store,
        [Query(question, vector)],
        limit,
        cosine_range=embedder.cosine_range,
        second_stage=embedder.matcher,
    )


async def measure_ranking(embedder: CachedEmbedder, test: TestSet, settings: Settings) -> Figures:
    """Measure ranking quality and search time."""
    made = await points(embedder, test.chunks)
    ids = {chunk.chunk_id: chunk.chunk_id for chunk in test.chunks}
    clients = Clients(replace(settings, qdrant_collection=f"bench-{test.name}"))
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
        found = await find(store, embedder, question, vector)
        times.append(time.perf_counter() - start)
        documents = [ids[passage.chunk.chunk_id] for passage in found.passages]
        relevant = test.relevant[key]
        gains.append(ndcg(documents, relevant))
        recalls.append(len(relevant.keys() & set(documents[:5])) / len(relevant))
    await clients.close()
    return {
        "nDCG@10": statistics.mean(gains),
        "Recall@5": statistics.mean(recalls),
        "search ms": statistics.median(times) * 1000,
    }


async def measure_abstention(embedder: CachedEmbedder, test: TestSet, far: TestSet) -> Figures:
    """Measure how well the best score separates answerable from unanswerable questions.

    Unanswerable are another set's questions, and those whose article or only relevant paragraph
    is hidden. The first part of a document's id names its article.
    """
    store = await index(embedder, test.chunks)
    place = {chunk.chunk_id: i for i, chunk in enumerate(test.chunks)}
    articles: dict[str, set[int]] = {}
    for document, i in place.items():
        articles.setdefault(document.split("-")[0], set()).add(i)

    async def best(question: str, vector: Sequence[float]) -> float:
        found = await search(
            store, [Query(question, vector)], DEPTH, cosine_range=embedder.cosine_range
        )
        return found.passages[0].score if found.passages else 0.0

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
        "unanswerable but shown": statistics.mean(score >= NOTHING for score in other),
        "answerable but nothing": statistics.mean(score < NOTHING for score in answered),
        "answerable but only nearest": statistics.mean(score < ANSWER for score in answered),
    }


async def measure_answers(embedder: CachedEmbedder, test: TestSet, folder: Path) -> Figures:
    """Measure how often a quoted answer contains the answer, and its length."""
    store = await index(embedder, test.chunks)
    answers = {row["_id"]: row["answers"] for row in read_lines(folder / "answers.jsonl")}
    vectors = await embed_all(embedder, test.questions.values())
    held, times, words = [], [], []
    for (key, question), vector in zip(test.questions.items(), vectors, strict=True):
        found = await find(store, embedder, question, vector, PASSAGES)
        start = time.perf_counter()
        request = AnswerRequest(question, found.passages, grade=found.grade)
        parts = await quote_sections(request, embedder)
        text = "".join([part async for part in parts if isinstance(part, str)])
        times.append(time.perf_counter() - start)
        held.append(any(answer["text"] in text for answer in answers[key]))
        words.append(len(text.split()))
    return {
        "answer quoted": statistics.mean(held),
        "words": statistics.median(words),
        "answer ms": statistics.median(times) * 1000,
    }


async def measure_spans(embedder: CachedEmbedder, folder: Path) -> Figures:
    """Measure recall and precision of the reference characters in the top five chunks."""
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
        best = await find(store, embedder, row["question"], vector, 5)
        wanted = {i for r in row["references"] for i in range(r["start_index"], r["end_index"])}
        found: set[tuple[str, int]] = set()
        for passage in best.passages:
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
    """Find a chunk in its source, where white space may differ."""
    words = chunk.split()
    begin = at = text.index(words[0], start)
    for word in words:
        at = text.index(word, at) + len(word)
    return begin, at


async def measure_speed(embedder: Embedder, test: TestSet) -> Figures:
    """Time uncached embedding of one question, and of passages of usual length."""
    usual = [chunk for chunk in test.chunks if 600 < len(chunk.text) < 1200] or test.chunks
    texts = [chunk.embedded_text for chunk in usual[:96]]
    questions = list(test.questions.values())[:20]
    start = time.perf_counter()
    await embedder.embed_questions(["How is it installed?"])
    first = time.perf_counter() - start
    times = []
    for question in questions:
        start = time.perf_counter()
        await embedder.embed_questions([question])
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


async def measure_engine(embedder: CachedEmbedder, test: TestSet) -> Figures:
    """Time the embedded engine on disk by size: the store alone, and a whole search."""
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
                query = Query(question, vector)
                await search(store, [query], DEPTH, cosine_range=embedder.cosine_range)
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
    embedder = CachedEmbedder(engine, cache)
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
    embedder.close_cache()
    await clients.close()
    return figures


def _with(folder: Path, file: str) -> list[str]:
    """Return the names of subfolders that contain a file."""
    return sorted(path.name for path in folder.iterdir() if (path / file).exists())


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RETRIEVAL_SETS", ""))
    if not any(folder.glob("*/*.jsonl*")) or not (len(sys.argv) > 1 or folder.name):
        print("No test sets: pass their folder, or set RETRIEVAL_SETS.")
        return 0
    figures = asyncio.run(measure(folder, load_settings()))
    for name, measured in figures.items():
        print(f"{name:<16}" + "  ".join(f"{what} {value:.4g}" for what, value in measured.items()))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
