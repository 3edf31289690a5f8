"""Measure what each part of the relevance adds: `python -m bench.relevance BOOKS QUESTIONS`.

QUESTIONS is a folder of question sets, `NAME.jsonl`; BOOKS/NAME is the book of a set, in any
form that `ingest.py` reads. A line of a set:

    {"id", "question", "answerable": true, "gold": [{"quote"}], "follow_up_of": null or an id}

A passage answers a question if it contains a gold quote: half of the quote's three-word runs,
ignoring markup and punctuation. Prints how often the top 1, 3, 5 and 10 passages contain one

- for each weight of meaning against words, with the one in use marked,
- with the similarity by tokens, for several weights,
- without each part, such as titles in the sparse or the embedded text,
- in a conversation, for follow-ups and for new subjects: searched as typed, with the question
  before, with both averaged, and with the higher of the first and the average, as in use,

and how many questions of each kind score below the limits NOTHING and ANSWER. The weights and
limits in `rag/retrieval/relevance.py` come from these tables. Vectors are kept in a temporary
file, so that a second run takes seconds.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.sets import CachedEmbedder, read_lines
from rag.adapters.embedding.minilm import LocalEmbedder
from rag.indexing.chunking import chunk_book
from rag.language.tokens import sparse_passage, sparse_question
from rag.models import Chunk, SparseVector
from rag.retrieval.relevance import (
    ANSWER,
    DENSE_WEIGHT,
    NOTHING,
    SPARSE_WEIGHT,
    best_bm25,
    idf,
    scale_cosine,
)
from rag.retrieval.search import MATCH_WEIGHT, MATCHED
from sites import read_path

Array = NDArray[np.float64]
Row = Mapping[str, Any]
DEPTHS = (1, 3, 5, 10)
CACHE = Path(tempfile.gettempdir()) / "ask-the-book-bench.sqlite"


@dataclass
class Book:
    """A question set with all passages of its book and the ones that answer each question."""

    chunks: Sequence[Chunk]
    rows: Sequence[Row]
    embedder: CachedEmbedder
    gold: list[set[int]] = field(default_factory=list)

    async def scores(
        self,
        texts: Sequence[str],
        meaning: float,
        words: float,
        *,
        embedded: Callable[[Chunk], str] = lambda chunk: chunk.embedded_text,
        sparse: Callable[[Chunk], SparseVector] | None = None,
    ) -> Array:
        """Return the relevance of each passage (column) for each text (row)."""
        passages = np.array(await self.embedder.embed_passages([*map(embedded, self.chunks)]))
        questions = np.array(await self.embedder.embed_questions(texts))
        scale = np.vectorize(lambda cosine: scale_cosine(cosine, self.embedder.cosine_range))
        shares = _shares(texts, [(sparse or _sparse)(chunk) for chunk in self.chunks])
        result: Array = meaning * scale(questions @ passages.T) + words * shares
        return result


def _sparse(chunk: Chunk) -> SparseVector:
    return sparse_passage(chunk.embedded_text, chunk.language)


def _shares(texts: Sequence[str], vectors: Sequence[SparseVector]) -> Array:
    """Return BM25 of each passage for each text, as a share of the best possible score."""
    frequencies = Counter(term for vector in vectors for term in vector.indices)
    postings: dict[int, list[tuple[int, float]]] = {}
    for n, vector in enumerate(vectors):
        for term, value in zip(vector.indices, vector.values, strict=True):
            postings.setdefault(term, []).append((n, value))
    shares = np.zeros((len(texts), len(vectors)))
    for row, text in enumerate(texts):
        question = sparse_question(text)
        for term, weight in zip(question.indices, question.values, strict=True):
            for n, value in postings.get(term, ()):
                shares[row, n] += weight * value * idf(frequencies[term], len(vectors))
        shares[row] /= best_bm25(question, frequencies, len(vectors)) or 1.0
    return shares


def plain_words(text: str) -> list[str]:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.findall(r"[a-z0-9]+", re.sub(r"\{.*?\}|https?://\S+", " ", text.lower()))


def holds(text: str, quote: str) -> bool:
    """Return whether a text contains half of a quote's three-word runs."""
    wanted, there = _runs(plain_words(quote)), _runs(plain_words(text))
    return len(wanted & there) * 2 >= len(wanted) > 0


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[n : n + 3]) for n in range(max(1, len(words) - 2))} if words else set()


def read_book(folder: Path, questions: Path, embedder: CachedEmbedder) -> Book:
    chunks = chunk_book(read_path(str(folder)).pages)
    book = Book(chunks, read_lines(questions), embedder)
    for row in book.rows:
        quotes = [gold["quote"] for gold in row.get("gold") or ()]
        texts = (f"{chunk.section} {chunk.text}" for chunk in chunks)
        book.gold.append(
            {n for n, text in enumerate(texts) if any(holds(text, quote) for quote in quotes)}
        )
    return book


# ---------------------------------------------------------------- tables


class Found:
    """Counts how often the top passages contain a gold quote."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.total = 0

    def add(self, scores: Array, gold: set[int]) -> None:
        best_first = np.argsort(-scores, kind="stable")[: max(DEPTHS)]
        rank = next((n for n, at in enumerate(best_first) if int(at) in gold), max(DEPTHS))
        self.total += 1
        self.counts.update(depth for depth in DEPTHS if rank < depth)

    def row(self, name: str) -> str:
        shares = (f"{self.counts[depth] / max(1, self.total):6.1%}" for depth in DEPTHS)
        return f"| {name:<52} | {' | '.join(shares)} |"


HEAD = (
    f"| {'top passages that contain the answer':<52} |     @1 |     @3 |     @5 |    @10 |\n"
    f"|{'-' * 54}|{'|'.join(['--------'] * len(DEPTHS))}|"
)


async def ranked(books: Sequence[Book], name: str, meaning: float, words: float, **how: Any) -> str:
    """Make a row for answerable questions, without follow-ups."""
    found = Found()
    for book in books:
        scores = await book.scores([row["question"] for row in book.rows], meaning, words, **how)
        for n, row in enumerate(book.rows):
            if row["answerable"] and not row.get("follow_up_of"):
                found.add(scores[n], book.gold[n])
    return found.row(name)


async def matched(books: Sequence[Book], weights: Sequence[float]) -> list[str]:
    """Make a row for each weight of the similarity by tokens."""
    rows = {weight: Found() for weight in weights}
    for book in books:
        matcher = book.embedder.matcher
        assert matcher is not None
        scores = await book.scores(
            [row["question"] for row in book.rows], DENSE_WEIGHT, SPARSE_WEIGHT
        )
        for n, row in enumerate(book.rows):
            if not row["answerable"] or row.get("follow_up_of"):
                continue
            best = np.argsort(-scores[n], kind="stable")[:MATCHED]
            texts = [book.chunks[int(at)].embedded_text for at in best]
            alike = np.array(await matcher.max_sim(row["question"], texts))
            for weight, found in rows.items():
                added = np.full(len(scores[n]), -2 * weight)  # those not compared stay behind
                added[best] = weight * alike
                found.add(scores[n] + added, book.gold[n])
    return [
        found.row(f"in use, the best {MATCHED} compared by tokens, weight {weight:g}")
        for weight, found in rows.items()
    ]


async def conversations(books: Sequence[Book]) -> list[str]:
    """Rank with the question before: follow-ups with theirs, all others with an unrelated one."""
    kinds = ("follow-ups", "new subjects")
    ways = ("as typed", "with the question before", "averaged", "the higher of typed and averaged")
    tables = {(kind, way): Found() for kind in kinds for way in ways}
    for book in books:
        by_id = {row["id"]: row["question"] for row in book.rows}
        for n, row in enumerate(book.rows):
            if not row["answerable"]:
                continue
            related = row.get("follow_up_of")
            before = by_id[related] if related else book.rows[n - 1]["question"]
            texts = [row["question"], f"{before}\n{row['question']}"]
            alone, both = await book.scores(texts, DENSE_WEIGHT, SPARSE_WEIGHT)
            average = (alone + both) / 2
            ranked_by = (alone, both, average, np.maximum(alone, average))
            for way, scores in zip(ways, ranked_by, strict=True):
                tables["follow-ups" if related else "new subjects", way].add(scores, book.gold[n])
    return [found.row(f"{kind}: {way}") for (kind, way), found in tables.items()]


async def limits(books: Sequence[Book]) -> list[str]:
    """Count the answerable and unanswerable questions below each limit."""
    best: dict[bool, list[float]] = {True: [], False: []}
    for book in books:
        scores = await book.scores(
            [row["question"] for row in book.rows], DENSE_WEIGHT, SPARSE_WEIGHT
        )
        for n, row in enumerate(book.rows):
            if not row.get("follow_up_of"):
                best[row["answerable"]].append(float(scores[n].max()))
    lines = ["| limit | answerable below | not answerable below |", "|---|---|---|"]
    for limit in (0.14, 0.16, NOTHING, 0.20, 0.25, 0.30, 0.35, ANSWER, 0.45):
        shares = [f"{np.mean(np.array(best[kind]) < limit):.1%}" for kind in (True, False)]
        used = " NOTHING" if limit == NOTHING else " ANSWER" if limit == ANSWER else ""
        lines.append(f"| {limit:.2f}{used} | {shares[0]} | {shares[1]} |")
    return lines


def read_books(folder: Path, questions: Path, embedder: CachedEmbedder) -> list[Book]:
    return [
        read_book(folder / path.stem, path, embedder)
        for path in sorted(questions.glob("*.jsonl"))
        if (folder / path.stem).exists()
    ]


async def measure(books: Sequence[Book]) -> list[str]:
    lines = [HEAD]
    for tenth in range(3, 9):
        words = 1 - tenth / 10
        name = f"meaning {tenth / 10:.2f}, words {words:.2f}"
        lines.append(await ranked(books, name, tenth / 10, words))
    in_use = DENSE_WEIGHT, SPARSE_WEIGHT
    lines += [
        await ranked(books, f"in use: meaning {DENSE_WEIGHT}, words {SPARSE_WEIGHT}", *in_use),
        await ranked(books, "without words", 1.0, 0.0),
        await ranked(books, "without meaning", 0.0, 1.0),
        await ranked(
            books,
            "without titles in the sparse text",
            *in_use,
            sparse=lambda chunk: sparse_passage(chunk.text, chunk.language),
        ),
        await ranked(
            books, "without titles in the embedded text", *in_use, embedded=lambda c: c.text
        ),
        await ranked(
            books,
            "without the page's title in the embedded text",
            *in_use,
            embedded=lambda chunk: replace(chunk, title="").embedded_text,
        ),
        *(await matched(books, (0.5, MATCH_WEIGHT, 2.0, 4.0))),
        *(await conversations(books)),
        "",
        *(await limits(books)),
    ]
    return lines


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m bench.relevance BOOKS QUESTIONS")
        return 2
    embedder = CachedEmbedder(LocalEmbedder(), CACHE)
    books = read_books(Path(arguments[0]), Path(arguments[1]), embedder)
    print("\n".join(asyncio.run(measure(books))))
    embedder.close_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
