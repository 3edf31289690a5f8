"""Benchmark the service and its references in one run: `make bench`.

    python -m bench [scenario …]      without a name, all but those that need question sets

The imitated upstreams, the service, a real PostgreSQL and the references run in separate
processes. Measurements alternate in rounds and medians are taken, so that a busy moment
affects all alike; compare the ratios. The last line of output is JSON.
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
from bench.scenarios import NAMES, ON_REQUEST
from rag.adapters.database.embedded import start

MEMORY = Path("/dev/shm")
"""Where the database is stored, so that disk speed does not count."""


@dataclass(frozen=True, slots=True)
class Bench:
    """State shared by the scenarios."""

    folder: Path
    packages: Path
    """Folder with the packages that a host has installed, and no others."""
    database_url: str

    def settings(self, upstreams: dict[str, str], **more: str) -> dict[str, str]:
        """Return the environment of the service and the references."""
        fixed = {"DATABASE_URL": self.database_url, "SITE_URL": "https://book.example"}
        # All readers share one address here, so the limits are set high enough never to apply.
        limits = {"RATE_PER_MINUTE": "1000000", "RATE_BURST": "1000000"}
        for what in ("TOKEN", "QUESTION", "EMBEDDING", "STORAGE"):
            limits[f"DAILY_{what}_BUDGET"] = "999999999"
        return {**upstreams, **fixed, **limits, "PYTHONPATH": str(self.packages), **more}


def main(names: list[str]) -> None:
    known = (*NAMES, *ON_REQUEST)
    if unknown := set(names) - set(known):
        raise SystemExit(f"Unknown scenario {', '.join(sorted(unknown))}: {', '.join(known)}")
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
