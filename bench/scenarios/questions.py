"""Question sets with and without a second look, by the chat model that is set.

QUESTIONS is a folder of question sets and BOOKS the folder of their books, as in
`bench/relevance.py`. The books are indexed with the embedded engines; INDEXES may name a folder
in which the indexes are kept for the next run. The model is that of OPENAI_API_KEY, and
OPENAI_BASE_URL and CHAT_MODEL if set. Without a key, an imitated model answers at once, and always
names the same three searches and the first five headings. This shows when a second look is taken
and how long it takes without the model, but not what it is worth.

Told: a gold quote is in a cited passage. Silent: an answerable question is not answered. Invented:
a question that the book does not answer is answered. A first result is strong if its grade is
`answer`. Times are medians over the same questions, with and without a second look.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from bench.relevance import holds
from bench.report import Row
from bench.sets import read_lines
from rag.indexing.chunking import chunk_book
from sites import read_path
from tests.support.crowd import UNLIMITED
from tests.support.service import ROOT, environment, serving
from tests.upstreams import Upstreams

if TYPE_CHECKING:
    from bench.__main__ import Bench

PASSED_ON = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_MODEL")
PLAN = {"searches": ["configuration file", "command line", "default"], "sections": [1, 2, 3, 4, 5]}


class Asked(NamedTuple):
    """What the service made of a question."""

    answerable: bool
    told: bool
    answered: bool
    strong: bool
    looked: bool
    milliseconds: float


def run(bench: Bench) -> list[Row]:
    books, questions = (Path(os.environ.get(name, "")) for name in ("BOOKS", "QUESTIONS"))
    sets = [path for path in sorted(questions.glob("*.jsonl")) if (books / path.stem).exists()]
    if not sets:
        raise SystemExit("Set QUESTIONS to a folder of question sets, and BOOKS to the books.")
    indexes = Path(os.environ.get("INDEXES") or bench.folder / "indexes")
    pairs: list[tuple[Asked, Asked]] = []
    with _model() as model:
        for n, path in enumerate(sets):
            book, data = str(books / path.stem), str(indexes / path.stem)
            if not Path(data).exists():
                command = [sys.executable, "ingest.py", book]
                subprocess.run(command, cwd=ROOT, env=environment(DATA_DIR=data), check=True)
            texts = {chunk.chunk_id: chunk.text for chunk in chunk_book(read_path(book).pages)}
            found: dict[str, list[Asked]] = {}
            for second_look in "01" if n % 2 else "10":
                env = {**model, **UNLIMITED, "DATA_DIR": data, "SECOND_LOOK": second_look}
                log = bench.folder / f"questions-{path.stem}-{second_look}.log"
                with serving(log, **env, DATABASE_URL=bench.database_url) as service:
                    rows = read_lines(path)
                    answers = asyncio.run(_answers(service.url, rows))
                    grades = [line["grade"] for line in service.requests if "grade" in line][1:]
                found[second_look] = [
                    _asked(row, answer, grade, texts)
                    for row, answer, grade in zip(rows, answers, grades, strict=True)
                ]
            pairs += zip(found["1"], found["0"], strict=True)
    return _rows(pairs)


@contextmanager
def _model() -> Iterator[dict[str, str]]:
    """Yield the settings of the real model, or of an imitation."""
    if os.environ.get("OPENAI_API_KEY"):
        yield {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        return
    with ExitStack() as stack:
        openai = stack.enter_context(Upstreams()).openai
        openai.plan = json.dumps(PLAN)
        yield {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": f"{openai.url}/v1"}


async def _answers(url: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask all questions, after one that loads the index."""
    sessions: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        await client.post("/chat", json={"message": rows[0]["question"]})
        for row in rows:
            body = {"message": row["question"]}
            if earlier := sessions.get(row.get("follow_up_of") or ""):
                body["session_id"] = earlier
            found.append((await client.post("/chat", json=body)).raise_for_status().json())
            sessions[row["id"]] = found[-1]["session_id"]
    return found


def _asked(row: dict[str, Any], answer: dict[str, Any], grade: str, texts: dict[str, str]) -> Asked:
    metadata = answer["metadata"]
    cited = [texts[source["chunk_id"]] for source in answer["sources"]]
    told = any(holds(text, gold["quote"]) for text in cited for gold in row.get("gold") or ())
    return Asked(
        row["answerable"],
        told,
        metadata["found"] != "nothing",
        grade == "answer",
        metadata["second_look"],
        metadata["response_time_ms"],
    )


def _rows(pairs: Sequence[tuple[Asked, Asked]]) -> list[Row]:
    """Make the table from pairs of the same question, with and without a second look."""

    def share(name: str, chosen: Callable[[Asked], bool], counted: Callable[[Asked], bool]) -> Row:
        shares = [
            100 * mean([counted(asked) for asked in column if chosen(asked)] or [0])
            for column in zip(*pairs, strict=True)
        ]
        return Row(name, shares[0], "%", "without second look", shares[1])

    def time(name: str, looked: bool) -> Row:
        times = [
            [with_look.milliseconds, without.milliseconds]
            for with_look, without in pairs
            if with_look.looked is looked
        ]
        medians = [median(column) for column in zip(*times, strict=True)] or [0.0, 0.0]
        return Row(f"median time, {name}", medians[0], "ms", "without second look", medians[1])

    return [
        Row("questions", len(pairs), ""),
        share("told", lambda a: a.answerable, lambda a: a.told),
        share("silent", lambda a: a.answerable, lambda a: not a.answered),
        share("invented", lambda a: not a.answerable, lambda a: a.answered),
        Row("second look", 100 * mean(with_look.looked for with_look, _ in pairs), "%"),
        share("second look after a weak first result", lambda a: not a.strong, lambda a: a.looked),
        share("second look after a strong first result", lambda a: a.strong, lambda a: a.looked),
        time("second look taken", True),
        time("no second look needed", False),
    ]
