"""Question sets with and without a second look, by the chat model that is set.

QUESTIONS is a folder of question sets and BOOKS the folder of their books, as in
`bench/relevance.py`. The books are indexed with the embedded engines; INDEXES may name a folder
in which the indexes are kept for the next run. The model is that of OPENAI_API_KEY, and
OPENAI_BASE_URL and CHAT_MODEL if set. Without a key, an imitated model answers, which shows when
a second look is taken and what it costs in time, but not what it is worth.

Told: a gold quote is in a cited passage. Silent: an answerable question is not answered. Invented:
a question that the book does not answer is answered.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

from bench.relevance import holds
from bench.report import Row
from bench.sets import read_lines
from tests.support.crowd import UNLIMITED
from tests.support.service import ROOT, environment, serving
from tests.upstreams import Upstreams

if TYPE_CHECKING:
    from bench.__main__ import Bench

Answers = list[tuple[dict[str, Any], dict[str, Any]]]
PASSED_ON = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_MODEL")


def run(bench: Bench) -> list[Row]:
    books, questions = (Path(os.environ.get(name, "")) for name in ("BOOKS", "QUESTIONS"))
    sets = [path for path in sorted(questions.glob("*.jsonl")) if (books / path.stem).exists()]
    if not sets:
        raise SystemExit("Set QUESTIONS to a folder of question sets, and BOOKS to the books.")
    indexes = Path(os.environ.get("INDEXES") or bench.folder / "indexes")
    answers: dict[str, Answers] = {"1": [], "0": []}
    with _model() as model:
        for path in sets:
            data = indexes / path.stem
            if not data.exists():
                command = [sys.executable, "ingest.py", str(books / path.stem)]
                subprocess.run(command, cwd=ROOT, env=environment(DATA_DIR=str(data)), check=True)
            for second_look, found in answers.items():
                env = {**model, **UNLIMITED, "DATA_DIR": str(data), "SECOND_LOOK": second_look}
                log = bench.folder / f"questions-{path.stem}.log"
                with serving(log, **env, DATABASE_URL=bench.database_url) as service:
                    found += asyncio.run(_ask(service.url, read_lines(path)))
    rows = []
    for name, of in (("told", True), ("silent", True), ("invented", False)):
        shares = {key: _share(found, name, of) for key, found in answers.items()}
        rows.append(Row(name, shares["1"], "%", "without second look", shares["0"]))
    times = {key: _times(found) for key, found in answers.items()}
    looked = [answer["metadata"]["second_look"] for _, answer in answers["1"]]
    rows.append(Row("questions with a second look", 100 * sum(looked) / len(looked), "%"))
    for n, name in enumerate(("no second look needed", "second look taken")):
        rows.append(Row(f"median time, {name}", _median(times["1"], looked, bool(n)), "ms"))
        rows.append(Row("the same, switched off", _median(times["0"], looked, bool(n)), "ms"))
    return rows


@contextmanager
def _model() -> Iterator[dict[str, str]]:
    """Yield the settings of the real model, or of an imitation."""
    if os.environ.get("OPENAI_API_KEY"):
        yield {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        return
    with ExitStack() as stack:
        openai = stack.enter_context(Upstreams()).openai
        yield {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": f"{openai.url}/v1"}


async def _ask(url: str, rows: list[dict[str, Any]]) -> Answers:
    sessions: dict[str, str] = {}
    found: Answers = []
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        for row in rows:
            body = {"message": row["question"]}
            if earlier := sessions.get(row.get("follow_up_of") or ""):
                body["session_id"] = earlier
            answer = (await client.post("/chat", json=body)).raise_for_status().json()
            sessions[row["id"]] = answer["session_id"]
            passages = (await client.post("/search", json={"query": row["question"]})).json()
            texts = {each["chunk_id"]: each["text"] for each in passages["results"]}
            answer["texts"] = [
                texts.get(source["chunk_id"], source["snippet"]) for source in answer["sources"]
            ]
            found.append((row, answer))
    return found


def _share(found: Answers, name: str, answerable: bool) -> float:
    chosen = [pair for pair in found if pair[0]["answerable"] is answerable]
    if name == "told":
        hits = sum(
            any(holds(text, gold["quote"]) for text in answer["texts"] for gold in row["gold"])
            for row, answer in chosen
        )
    else:
        nothing = [answer["metadata"]["found"] == "nothing" for _, answer in chosen]
        hits = sum(nothing) if name == "silent" else len(nothing) - sum(nothing)
    return 100 * hits / max(1, len(chosen))


def _times(found: Answers) -> list[float]:
    return [answer["metadata"]["response_time_ms"] for _, answer in found]


def _median(times: list[float], looked: list[bool], wanted: bool) -> float:
    return median([time for time, was in zip(times, looked, strict=True) if was is wanted] or [0])
