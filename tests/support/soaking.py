"""Run mixed traffic for a long time and sample the service's resources."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from rag.adapters.database.embedded import start
from tests.support.crowd import UNLIMITED, Habits, Ledger, crowd
from tests.support.postgres import query
from tests.support.service import environment, run, serving
from tests.upstreams import Reply, Upstreams

HABITS = Habits(gives_up=0.4, leaves=0.2, deletes=0.5, wanders=0.3, thinks=0.5)
ANSWER = "It is said here [1], and said again in other words there [2]. That is all there is."
COMPLAINTS = ("Traceback", "ResourceWarning", "RuntimeWarning", "unclosed", "never awaited")
"""Words that development mode logs about unclosed resources and errors."""


@dataclass(frozen=True, slots=True)
class Sample:
    minute: float
    rss: float
    """MB."""
    descriptors: int
    connections: int
    threads: int
    sessions: int
    """PostgreSQL's open connections."""


@dataclass
class Soak:
    ledger: Ledger
    samples: list[Sample] = field(default_factory=list)
    rest: Sample | None = None
    """The sample after all readers left."""
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def slope(self, name: str) -> float:
        """Return the least-squares slope after the first third (warm-up), per 10 minutes."""
        steady = self.samples[len(self.samples) // 3 :]
        minutes = [sample.minute for sample in steady]
        values = [float(asdict(sample)[name]) for sample in steady]
        middle, level = sum(minutes) / len(minutes), sum(values) / len(values)
        spread = sum((minute - middle) ** 2 for minute in minutes) or 1.0
        moved = sum((m - middle) * (v - level) for m, v in zip(minutes, values, strict=True))
        return 10 * moved / spread


def soak(
    minutes: float,
    folder: Path,
    *,
    readers: int = 6,
    every: float = 5.0,
    embedded: bool = False,
    told: Callable[[Sample], None] = lambda _: None,
) -> Soak:
    """Run the service in Python's development mode while readers chat, leave, retry and delete."""
    with contextlib.ExitStack() as stack:
        variables = {"PYTHONDEVMODE": "1", **UNLIMITED}
        if embedded:
            variables["DATA_DIR"] = str(folder / "data")
        else:
            up = stack.enter_context(Upstreams())
            up.openai.reply = Reply(ANSWER, delay=0.01)
            variables |= up.environ()
        if (finished := run("ingest.py", "docs", env=environment(**variables))).returncode:
            raise AssertionError(finished.stderr)
        server = start(folder / "postgres")
        stack.callback(server.stop)
        variables["DATABASE_URL"] = server.url
        service = stack.enter_context(serving(folder / "log", **variables))
        process = psutil.Process(service.process.pid)
        result, began = Soak(Ledger()), time.monotonic()

        def sample() -> Sample:
            with process.oneshot():
                return Sample(
                    round((time.monotonic() - began) / 60, 2),
                    round(process.memory_info().rss / 1e6, 2),
                    process.num_fds(),
                    len(process.net_connections("all")),
                    process.num_threads(),
                    query(server.url, "SELECT count(*) FROM pg_stat_activity")[0][0],
                )

        async def traffic() -> None:
            async with crowd(service.url, result.ledger, readers, HABITS):
                while time.monotonic() - began < minutes * 60:
                    await asyncio.sleep(every)
                    result.samples.append(await asyncio.to_thread(sample))
                    told(result.samples[-1])
                    if not embedded:
                        for upstream in up.services:
                            upstream.forget()

        asyncio.run(traffic())
        time.sleep(2)
        result.rest = sample()
        result.wrong = result.ledger.balance(server.url)
        service.stop()
        result.complaints = [
            line for line in service.log.split("\n") if any(word in line for word in COMPLAINTS)
        ]
        return result
