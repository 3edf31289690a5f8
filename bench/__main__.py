"""`make bench`: the service beside what it is compared with, in one sitting.

    python -m bench [scenario …]      all of them without a name

Imitated upstreams, the service, a real PostgreSQL and the references are processes of their
own. What is compared is measured in turns, round by round, and medians are taken, so that a
machine which is busy for a moment is so for all; the ratios are what counts. Ends in one line
of JSON.
"""

from __future__ import annotations

import importlib
import inspect
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.packages import linked
from bench.report import Row, json_line, table
from bench.scenarios import NAMES
from rag.adapters.database.embedded import start

MEMORY = Path("/dev/shm")
"""Where the database lies: how long a disk takes to write is the disk's figure."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the scenarios share."""

    folder: Path
    packages: Path
    """What a host has installed, and nothing else."""
    database_url: str

    def settings(self, upstreams: dict[str, str], **more: str) -> dict[str, str]:
        """The service's environment, and the references'."""
        fixed = {"DATABASE_URL": self.database_url, "SITE_URL": "https://book.example"}
        # All readers have one address here: the limits count, and refuse nobody.
        limits = {"RATE_PER_MINUTE": "1000000", "RATE_BURST": "1000000"}
        limits |= {"DAILY_TOKEN_BUDGET": "999999999", "DAILY_QUESTION_BUDGET": "999999999"}
        return {**upstreams, **fixed, **limits, "PYTHONPATH": str(self.packages), **more}


def main(names: list[str]) -> None:
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"There is no scenario {', '.join(sorted(unknown))}: {', '.join(NAMES)}")
    print(
        f"Python {platform.python_version()}, {psutil.cpu_count()} cores, "
        f"load {psutil.getloadavg()[0]:.1f} before the run\n"
    )
    results: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        server = start(Path(folder) / "postgres")
        try:
            packages = linked(Path(folder) / "packages")
            bench = Bench(Path(folder), packages, server.url)
            for name in names or NAMES:
                module = importlib.import_module(f"bench.scenarios.{name}")
                began = time.perf_counter()
                results[name] = module.run(bench)
                print(f"## {name} ({time.perf_counter() - began:.0f} s)\n")
                print(f"{inspect.getdoc(module)}\n\n{table(results[name])}\n", flush=True)
        finally:
            server.stop()
    print(json_line(results))


if __name__ == "__main__":
    main([name for argument in sys.argv[1:] for name in argument.split(",") if name])
