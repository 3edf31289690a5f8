"""Indexing time of 500 Markdown pages, with an imitated Cohere that takes 200 ms per call.

From the start of `python ingest.py` to its end, into the embedded Qdrant engine; then again
with no change, and with one page changed. The ideal is Cohere's time alone: 96 texts per call,
four concurrent calls.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import upstreams
from bench.report import Row
from bench.upstreams import Latencies
from tests.support.service import environment
from tests.support.service import run as command

if TYPE_CHECKING:
    from bench.__main__ import Bench

PAGES = 500
EMBED_SECONDS = 0.2
WORDS = ("a", "page", "says", "what", "the", "reader", "wants", "to", "know", "about", "it")


def run(bench: Bench) -> list[Row]:
    book = bench.folder / "book"
    book.mkdir()
    for n in range(PAGES):
        _write(book, n, seed=n)
    with upstreams(Latencies(embed=EMBED_SECONDS)) as up:
        cohere = {name: value for name, value in up.items() if name.startswith("COHERE")}
        variables = environment(**cohere, DATA_DIR=str(bench.folder / "ingested"))

        def ingest() -> tuple[float, str]:
            began = time.perf_counter()
            done = command("ingest.py", str(book), env=variables, timeout=600)
            assert done.returncode == 0, done.stderr
            return time.perf_counter() - began, done.stdout

        whole, said = ingest()
        again, _ = ingest()
        _write(book, 0, seed=PAGES)
        changed, _ = ingest()
    chunks = max(int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said))
    ideal = -(-chunks // 96) / 4 * EMBED_SECONDS
    return [
        Row("chunks", chunks, ""),
        Row("whole book", whole, "s", "Cohere alone", ideal),
        Row("rate", chunks / whole, "chunks/s"),
        Row("again, nothing changed", again, "s", "whole book", whole),
        Row("again, one page changed", changed, "s", "whole book", whole),
    ]


def _write(book: Path, n: int, seed: int) -> None:
    numbers = random.Random(seed)
    sections = []
    for section in range(4):
        said = " ".join(
            " ".join(numbers.choices(WORDS, k=14)).capitalize() + f" {numbers.randrange(10**6)}."
            for _ in range(12)
        )
        sections.append(f"## Part {section} of {seed}\n\n{said}\n")
    (book / f"page-{n}.md").write_text(f"# Page {n}\n\n" + "\n".join(sections))
