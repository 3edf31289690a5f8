"""Kill the service in a loop while readers chat: `python bench/kills.py 1000`.

Eight readers ask, follow up, ask two questions at once, and repeat interrupted requests with
the same `Idempotency-Key`. The service is killed (-9) at random moments of their answers, and
PostgreSQL about once per minute. Afterwards every turn acknowledged to a reader must be in the
history exactly once, complete, in its session and in order (`tests/support/crowd.py`). The last
line is JSON; the exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.kills import run_kills


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_kills(kills, Path(folder), lambda line: print(line, flush=True))
    print(*outcome.wrong, sep="\n")
    kinds = ("lost", "doubled", "torn", "misplaced", "out of order", "never asked", "session")
    result = {
        "kills": outcome.kills,
        "of PostgreSQL": outcome.postgres_kills,
        "seconds": round(outcome.seconds),
        "asked": len(outcome.ledger.asked),
        "acknowledged": len(outcome.ledger.acknowledged),
        **{kind: sum(line.startswith(kind) for line in outcome.wrong) for kind in kinds},
        "seen": dict(outcome.ledger.counts),
    }
    print(json.dumps(result))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
