"""Search time in books of a thousand, ten thousand and a hundred thousand chunks.

Uses the embedded Qdrant engine with random vectors of 384 dimensions and thirty terms per chunk
in a natural distribution (few frequent, most rare). The figure is the median of forty searches;
the ratio compares it with the smallest book. A Qdrant server is not measured.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Row
from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.models import (
    Chunk,
    IndexInfo,
    Point,
    SparseVector,
)

if TYPE_CHECKING:
    from bench.__main__ import Bench

SIZES = (1_000, 10_000, 100_000)
DIMENSIONS = 384
TERMS = 30
SEARCHES = 40
STAGED = 2_000
SHOWN = 50


def run(bench: Bench) -> list[Row]:
    found = {size: asyncio.run(_measure(bench.folder / f"index-{size}", size)) for size in SIZES}
    first = found[SIZES[0]]
    return [Row(f"search in {SIZES[0]:,} chunks", first)] + [
        Row(f"search in {size:,} chunks", found[size], "ms", f"{SIZES[0]:,} chunks", first)
        for size in SIZES[1:]
    ]


async def _measure(folder: Path, size: int) -> float:
    numbers, vectors = random.Random(3), np.random.default_rng(3)
    info = IndexInfo("bench", DIMENSIONS, size, "Bench")
    writer = EdgeWriter(folder)
    await writer.open(info)
    chunks: list[Chunk] = []
    frequencies: Counter[int] = Counter()
    for start in range(0, size, STAGED):
        dense = vectors.normal(size=(min(STAGED, size - start), DIMENSIONS))
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        points = []
        for n, vector in enumerate(dense.tolist(), start):
            terms = sorted({int(numbers.paretovariate(0.7)) % 2**31 for _ in range(TERMS)})
            frequencies.update(terms)
            sparse = SparseVector(tuple(terms), (1.0,) * len(terms))
            text = "This sentence is filler text. " * 30
            chunk = Chunk(str(uuid.UUID(int=n)), text, "Title", "", f"docs/{n}", f"{n}.md", n)
            chunks.append(chunk)
            points.append(Point(chunk, vector, sparse))
        await writer.stage(points)
    await writer.publish(info, chunks, frequencies)
    await writer.close()
    store = EdgeStore(folder)
    times = []
    for _ in range(SEARCHES):
        dense_query = vectors.normal(size=DIMENSIONS).tolist()
        terms = sorted({int(numbers.paretovariate(0.7)) % 2**31 for _ in range(6)})
        began = time.perf_counter()
        await store.candidates(dense_query, SparseVector(tuple(terms), (1.0,) * len(terms)), SHOWN)
        times.append((time.perf_counter() - began) * 1000)
    store.stop()
    return statistics.median(times)
