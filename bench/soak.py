"""Run mixed traffic for half an hour: `python bench/soak.py --minutes 30`.

Readers ask, follow up, disconnect during answers, retry, read their history, rate, search, send
invalid requests and delete. The service runs in Python's development mode (`-X dev`) on imitated
services or, with `--embedded`, on its embedded engines. Every five seconds its memory (RSS),
file descriptors, sockets, threads and PostgreSQL sessions are sampled; slopes are least squares
after the first third. Afterwards the history must match what readers received
(`tests/support/crowd.py`), and no resource may be left open. The last line is JSON; the exit
status is 1 if anything is wrong or memory grows by 1 MB or more in 10 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.soaking import Sample, soak

GROWTH = 1.0
"""MB in 10 minutes."""
MEASURED = ("rss", "descriptors", "connections", "threads", "sessions")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--readers", type=int, default=6)
    parser.add_argument("--embedded", action="store_true")
    options = parser.parse_args()
    shown = 0

    def tell(sample: Sample) -> None:
        nonlocal shown
        if sample.minute >= shown:
            shown += 1
            print("  ".join(f"{k} {v:g}" for k, v in asdict(sample).items()), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        result = soak(
            options.minutes,
            Path(folder),
            readers=options.readers,
            embedded=options.embedded,
            told=tell,
        )
    print(*result.wrong, *result.complaints, sep="\n")
    slopes = {name: round(result.slope(name), 3) for name in MEASURED}
    summary = {
        "minutes": options.minutes,
        "slopes_per_10_min": slopes,
        "first": asdict(result.samples[len(result.samples) // 3]),
        "last": asdict(result.samples[-1]),
        "at_rest": asdict(result.rest) if result.rest else None,
        "wrong": len(result.wrong),
        "complaints": len(result.complaints),
        "seen": dict(result.ledger.counts),
    }
    print(json.dumps(summary))
    return 1 if result.wrong or result.complaints or slopes["rss"] >= GROWTH else 0


if __name__ == "__main__":
    raise SystemExit(main())
