"""Requests generated from the OpenAPI document: `python bench/fuzz.py --requests 50000`.

Starts the service on its embedded engines with the handbook as its book, and lets schemathesis
send what conforms to the document and what does not, call after call with what calls before
returned. All its checks are on: no status 5xx, every response as documented, failures included,
what is valid is accepted and what is not is refused, nothing deleted is found again; and that no
failure shows a stack, a path, SQL, instructions or a key (`tests/support/fuzz_hooks.py`). The
number of requests is the service's own count. Ends in one JSON line; status 1 if anything failed.
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

PATIENCE = 60
"""Seconds for one answer: a machine may be busy with other things."""


def fuzz(url: str, folder: Path, *options: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """One run of schemathesis against a service that is up."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--continue-on-failure", "--no-shrink", "--warnings", "off"),
        *("--no-color", "--request-timeout", str(PATIENCE), *options),
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
    """How many requests the service answered with which status, by its log."""
    return Counter(line["status"] for line in service.requests)


def complaints(log: str) -> list[str]:
    """Lines of the log that no request may cause."""
    return [line for line in log.splitlines() if any(word in line for word in WARNINGS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=30, help="of each call, at first")
    # Python 3.11's parser, which hypothesis uses to name what failed, now and then breaks in the
    # second of two threads: "AST constructor recursion depth mismatch".
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
                # All phases at first; then what finds most for its time.
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
