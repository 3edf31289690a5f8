"""Every regular expression of the packages takes linear time, whatever it is given.

`tests/support/patterns.py` finds them and makes the texts.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.patterns import BOUNDED, OURS, REVIEWED, ROOT, Found, collect, worst


def test_no_pattern_escapes() -> None:
    """A pattern that is put together while the program runs needs an example in REVIEWED."""
    found, unknown = collect()
    assert not unknown
    assert len(found) > 100
    names = {each.where for each in found}
    assert set(OURS) <= names
    assert set(BOUNDED) <= names
    assert {f"{module}: {source}" for module, source in REVIEWED} - names <= {
        "rag.language.detect: letters"  # found in `_SCRIPTS` as well
    }


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+x", "search"),
        (r"[ \t]*-", "finditer"),
        (r"<[^>]*>", "sub"),
        (r"\[[^\]]*\]\(", "finditer"),
        (r"a[\w-]*\*{3}", "search"),
    ],
)
def test_a_quadratic_pattern_is_noticed(pattern: str, method: str) -> None:
    import re

    found = Found("rag.chat.any", re.compile(pattern), {method})
    assert worst(found)[0] > found.limit


def test_every_pattern_takes_linear_time() -> None:
    count, first, slow = len(collect()[0]), 0, []
    while first < count:
        timing = subprocess.run(
            [sys.executable, "-m", "tests.support.patterns", str(first)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        where = ""
        for line in map(json.loads, timing.stdout.splitlines()):
            if "where" in line:
                first, where = line["number"], line["where"]
            elif line["slow"]:
                slow.append(f"{where}: {line['rate']:.1f} s per MB on {line['on']}")
        if timing.returncode:  # stopped by the timer
            assert where, timing.stderr
            slow.append(f"{where}: stopped")
        first += 1
    assert not slow, "\n".join(slow)
