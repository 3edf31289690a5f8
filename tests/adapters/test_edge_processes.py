"""Several processes on one index: killed at any moment, reading while another writes."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.adapters.vector_store.edge import EdgeStore
from tests.support.index_worker import read, write

ROOT = Path(__file__).resolve().parents[2]
COUNT = 400
"""Chunks of a book: five calls."""


@contextmanager
def worker(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A worker process, ended by its id whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.index_worker", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def output(process: subprocess.Popen[str]) -> list[str]:
    """Its lines of output, once it has ended well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.splitlines()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for found in process.stdout:
        if found.startswith(line):
            return
    raise AssertionError(f"no {line!r} before the end: {process.communicate()}")


async def title(folder: Path) -> str:
    store = EdgeStore(folder)
    info = await store.info()
    await store.close()
    return info.book_title if info else ""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Each time the old index or the new one serves, and the next run goes on."""
    rng = random.Random(seed)
    asyncio.run(write(tmp_path, "m0", COUNT, 0))
    for _ in range(3):
        with worker("write", tmp_path, "m1", COUNT, 0.02) as process:
            wait_for(process, "started")
            time.sleep(rng.uniform(0, 0.6))  # from the first call to the end of publishing
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        asyncio.run(read(tmp_path))
        assert asyncio.run(title(tmp_path)) in ("m0", "m1")
    asyncio.run(write(tmp_path, "m1", COUNT, 0))
    asyncio.run(read(tmp_path, "m1"))
    left = {path.name.split("-")[0] for path in (tmp_path / "index").iterdir()}
    assert not left & {"staged", "building"}


def test_what_was_staged_before_a_kill_is_found_again(tmp_path: Path) -> None:
    with worker("write", tmp_path, "m1", COUNT, 0.3) as process:
        wait_for(process, "embedded")
        wait_for(process, "embedded")
        wait_for(process, "embedded")  # so the first has been staged: two are under way at most
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert asyncio.run(title(tmp_path)) == ""
    with worker("write", tmp_path, "m1", COUNT, 0) as process:
        lines = output(process)
    embedded = [int(line.split()[1]) for line in lines if line.startswith("embedded")]
    assert 0 < sum(embedded) <= COUNT - 96


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    """Two servers ask in a loop while the book is indexed again and again."""
    asyncio.run(write(tmp_path, "m0", COUNT, 0))
    with worker("read", tmp_path, "m5") as one, worker("read", tmp_path, "m5") as other:
        wait_for(one, "reading")
        wait_for(other, "reading")
        for n in range(1, 6):
            asyncio.run(write(tmp_path, f"m{n}", COUNT, 0))
        for reader in (one, other):
            asked, *seen = output(reader)[-1].split()
            assert int(asked) > len(seen) > 1
    generations = [path for path in (tmp_path / "index").iterdir() if path.is_dir()]
    assert len(generations) == 1, "old generations are removed when nobody uses them any more"


def test_two_writers_at_once(tmp_path: Path) -> None:
    with worker("write", tmp_path, "m1", COUNT, 0.2) as first:
        wait_for(first, "embedded")
        first.send_signal(signal.SIGSTOP)  # it still writes when the second one has started
        with worker("write", tmp_path, "m2", COUNT, 0) as second:
            _, err = second.communicate(timeout=60)
        first.send_signal(signal.SIGCONT)
        assert second.returncode != 0
        assert f"Process {first.pid} is already writing to the index in {tmp_path}" in err
        output(first)
    assert asyncio.run(title(tmp_path)) == "m1"
