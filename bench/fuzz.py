"""Fuzz the service from its OpenAPI document: `python bench/fuzz.py --requests 50000`.

Starts the service on its embedded engines with the handbook as its book. schemathesis sends
valid and invalid requests, also sequences that reuse values from earlier responses. All its
checks are on: no 5xx, every response as documented, valid requests accepted, invalid ones
rejected, deleted resources gone. `tests/support/fuzz_hooks.py` adds that no error shows a stack
trace, a path, SQL, instructions or a key. Requests are counted by the service. The last line is
JSON; the exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.crowd import UNLIMITED
from tests.support.service import Service, environment, run, serving

WARNINGS = ("Traceback", "ResourceWarning", "RuntimeWarning", "never awaited", "Task exception")

TIMEOUT = 60
"""Seconds for one response, generous for a busy machine."""


def fuzz(url: str, folder: Path, *options: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run schemathesis once against a running service."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--continue-on-failure", "--no-shrink", "--warnings", "off"),
        *("--no-color", "--request-timeout", str(TIMEOUT), *options),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**hooks),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def statuses(service: Service) -> Counter[int]:
    """Count the responses in the service's log by status."""
    return Counter(line["status"] for line in service.requests)


def complaints(log: str) -> list[str]:
    """Return log lines that no request should cause."""
    return [line for line in log.splitlines() if any(word in line for word in WARNINGS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=30, help="per call in the first run")
    # Python 3.11's parser, which hypothesis uses to report failures, sometimes fails in the second
    # of two threads: "AST constructor recursion depth mismatch".
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    began, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = {"DATA_DIR": str(folder / "data"), **UNLIMITED}
        if (finished := run("ingest.py", "docs", env=environment(**data))).returncode:
            raise SystemExit(finished.stderr)
        with serving(folder / "log", **data) as service:
            for seed in range(10**6):
                # All phases first, then the most productive one.
                phases = ("-n400", "--phases=fuzzing") if seed else (f"-n{options.examples}",)
                arguments = (*phases, f"--seed={seed}", f"-w{options.workers}")
                finished = fuzz(service.url, folder, *arguments, seconds=7200)
                if finished.returncode:
                    failed += 1
                    found = re.search("=+ (ERRORS|FAILURES) =.*", finished.stdout, re.DOTALL)
                    print(found[0] if found else finished.stdout, flush=True)
                    print(finished.stderr, flush=True)
                counted = statuses(service)
                minutes = (time.monotonic() - began) / 60
                print(
                    f"{counted.total()} requests in {minutes:.1f} min: {dict(counted)}", flush=True
                )
                if counted.total() >= options.requests or failed > 3:
                    break
            said = complaints(service.log)
    print(*said, sep="\n")
    errors = sum(n for status, n in counted.items() if not 100 <= status < 500)
    result = {"requests": counted.total(), "server_errors": errors, "failed_runs": failed}
    print(json.dumps(result | {"complaints": len(said), "statuses": dict(counted)}))
    return 1 if errors or failed or said else 0


if __name__ == "__main__":
    raise SystemExit(main())
