"""Many pages are read in several processes, with the same result as in one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rag.errors import SourceError
from sites import processes, read_book
from sites.files import Files, Limits
from sites.source import Book
from tests.support.service import ROOT

CONFIGS = {
    "plain": "",
    "docusaurus": "docusaurus.config.js",
    "vitepress": ".vitepress/config.js",
    "mkdocs": "mkdocs.yml",
    "mdbook": "book.toml",
    "html": "",
}
FOLDERS = {"mkdocs": "docs/", "docusaurus": "docs/", "mdbook": "src/"}


def book(folder: Path, generator: str) -> Path:
    """Write 230 pages with what is reported: broken front matter, an empty file, missing files."""
    inside = folder / FOLDERS.get(generator, "")
    inside.mkdir(parents=True)
    if config := CONFIGS[generator]:
        (folder / config).parent.mkdir(exist_ok=True)
        (folder / config).write_text("")
    for number in range(230):
        text = f"# Page {number}\n\nAbout bees {number}.\n"
        if number % 50 == 0:
            text = "---\na: [\n---\n" + text
        if number % 40 == 0:
            text += "\n{{#include gone.md}}\n\n<!--@include: ./gone.md-->\n\n<Chart />\n"
        if generator == "html":
            text = f"<html><title>{number} | Bees</title><body><main>{text}</main></body></html>"
        if number % 3 == 0 and generator == "docusaurus":
            text += "\nimport {bees} from './large'\n\n{bees}\n"
        if number == 99:
            text = ""
        name = "index" if number == 7 else f"p{number}"
        (inside / f"{name}.{'html' if generator == 'html' else 'md'}").write_text(text)
    (inside / "large.js").write_text("// long\n" * 100_000)
    return folder


def read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, generator: str, limit: int
) -> Book:
    monkeypatch.setattr(processes, "how_many", lambda pages: number if pages > 200 else 1)
    return read_book(folder, generator=generator, limits=Limits(characters=limit))


@pytest.mark.parametrize("limit", [1_000_000, 4_000])
@pytest.mark.parametrize("generator", CONFIGS)
def test_several_processes_read_what_one_reads(
    generator: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = book(tmp_path / "book", generator)
    alone = read(folder, monkeypatch, 1, generator, limit)
    assert read(folder, monkeypatch, 3, generator, limit) == alone
    assert len(alone.pages) == 229 if limit == 1_000_000 else 10 < len(alone.pages) < 200
    assert alone.problems
    assert not multiprocessing.active_children()


def test_few_pages_start_no_process() -> None:
    assert processes.how_many(processes.MANY - 1) == 1
    assert processes.how_many(processes.MANY) == min(len(os.sched_getaffinity(0)), processes.MOST)


@pytest.mark.parametrize("paths", [250, 2])
def test_a_killed_process_is_named(
    paths: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "how_many", lambda pages: 2)
    names = [f"{number}.md" for number in range(paths)]
    for name in names:
        (tmp_path / name).write_text("Words.")

    def parse(path: str, text: str) -> str:
        if path == names[-1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return path

    with pytest.raises(SourceError, match="lack of memory"):
        Files(tmp_path).pages(tmp_path, names, parse)
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_while_it_sends_is_named_too() -> None:
    def work(part: int) -> bytes:
        time.sleep(part / 2)
        return bytes(part * 10_000_000)

    results = processes.compute(work, [0, 1], 2)
    assert next(results) == b""
    time.sleep(2)  # the second process waits for room in its pipe
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(SourceError, match="lack of memory"):
        next(results)


def test_a_slow_page_is_left_out_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "how_many", lambda pages: 2)
    names = [f"{number}.md" for number in range(40)]
    for name in names:
        (tmp_path / name).write_text("Words.")

    def parse(path: str, text: str) -> str:
        while path == "20.md":
            pass
        return path

    files = Files(tmp_path, limits=Limits(page_seconds=2))
    assert files.pages(tmp_path, names, parse) == [name for name in names if name != "20.md"]
    [problem] = files.report.problems
    assert problem.message == "20.md took longer than 2 s to parse, so it was skipped."


def test_ctrl_c_ends_the_processes() -> None:
    numbers = processes.compute(lambda part: time.sleep(60 if part else 0), range(1_000), 2)
    next(numbers)
    children = multiprocessing.active_children()
    assert len(children) == 2
    with pytest.raises(KeyboardInterrupt):
        numbers.throw(KeyboardInterrupt)
    assert [child.exitcode for child in children] == [-signal.SIGTERM] * 2


KILLED = """
import multiprocessing, os, signal
from sites import processes
parts = processes.compute(lambda part: bytes(1_000_000), range(100), 2)
next(parts)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output:  # the children would keep a pipe open
        subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, stdout=output, check=False)
    children = [int(child) for child in (tmp_path / "output").read_text().split()]
    assert len(children) == 2
    deadline = time.monotonic() + 30
    while (left := list(filter(_runs, children))) and time.monotonic() < deadline:
        time.sleep(0.05)
    for child in left:
        os.kill(child, signal.SIGKILL)
    assert not left


def _runs(process: int) -> bool:
    """Return whether a process still runs. One that ended may stay as a zombie in a container."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
