"""Start, stop and crash of the whole service, as a user meets them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.service import ROOT, environment, free_port, run, serving

QUESTION = {"message": "How do I delete a conversation?"}


@pytest.fixture
def data(handbook: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, with the handbook already indexed."""
    return Path(shutil.copytree(handbook, tmp_path / "data"))


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    return not psutil.wait_procs(processes, timeout=seconds)[1]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_that_was_started(
    data: Path, tmp_path: Path, how: signal.Signals
) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service:
        assert httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60).json()["sources"]
        started = descendants(service.process.pid)
        assert any("postgres" in process.name() for process in started)
        service.stop(how)
        assert gone(started)
        assert "Traceback" not in service.log


def test_after_kill_9_nothing_stays_behind_and_nothing_is_lost(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log1", DATA_DIR=str(data)) as service:
        answer = httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60).json()
        assert answer["metadata"]["saved"] is True
        started = descendants(service.process.pid)
        service.stop(signal.SIGKILL)
        assert gone(started)
    with serving(tmp_path / "log2", DATA_DIR=str(data)) as service:
        kept = httpx.get(f"{service.url}/chat/sessions/{answer['session_id']}", timeout=60).json()
        assert [turn["answer"] for turn in kept["turns"]] == [answer["message"]]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_all_processes_of_a_service_end_with_the_first(tmp_path: Path, how: signal.Signals) -> None:
    """They would keep the port."""
    nowhere = {"QDRANT_URL": "http://127.0.0.1:9", "DATABASE_URL": "postgresql://u@127.0.0.1:9/b"}
    with serving(tmp_path / "log", WEB_CONCURRENCY="2", **nowhere) as service:
        workers = descendants(service.process.pid)
        assert len(workers) >= 2
        service.stop(how)
        assert gone(workers, 20)
        assert "Traceback" not in service.log


def test_a_second_service_on_the_same_folder_gets_a_sentence(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service:
        assert httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60).status_code == 200
        second = run("router.py", env=environment(PORT=str(free_port()), DATA_DIR=str(data)))
        assert second.returncode == 1
        assert str(service.process.pid) in second.stderr
        assert str(data) in second.stderr
        assert "Traceback" not in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
        assert httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60).status_code == 200


def test_a_taken_port_gets_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run("router.py", env=environment(PORT=str(port), DATA_DIR=str(tmp_path)))
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"Port {port} on 127.0.0.1 cannot be used")
    assert "Traceback" not in finished.stderr


def test_without_an_index_a_question_is_told_what_is_missing(tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(tmp_path / "data")) as service:
        response = httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60)
        assert response.status_code == 503
        assert response.json()["code"] == "index_missing"
        assert "python ingest.py" in service.log


def test_the_book_can_be_indexed_while_it_is_served(data: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    (book / "moon.md").write_text("# The moon\n\nThe moon is made of green cheese from Gruyères.\n")
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service:
        assert httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60).json()["sources"]
        finished = run("ingest.py", str(book), env=environment(DATA_DIR=str(data)))
        assert finished.returncode == 0, finished.stderr
        moon = {"message": "What is the moon made of?"}
        answer = httpx.post(f"{service.url}/chat", json=moon, timeout=60).json()
        assert "green cheese" in answer["message"]


@pytest.mark.slow
def test_make_run_serves_a_book_and_make_run_again_is_quick(tmp_path: Path) -> None:
    """The newcomer's command, in a copy of the repository without anything installed."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    port = free_port()
    env = environment(PORT=str(port))
    for attempt in ("first", "second"):
        log = tmp_path / f"{attempt}.log"
        with log.open("wb") as output:
            make = subprocess.Popen(
                ["make", "run"], cwd=clone, env=env, stdout=output, stderr=output
            )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", make, log)
            url = f"http://127.0.0.1:{port}/chat"
            assert httpx.post(url, json=QUESTION, timeout=60).json()["sources"]
            started = descendants(make.pid)
        finally:
            make.send_signal(signal.SIGTERM)
            make.wait(30)
        assert gone(started)
        said = log.read_text()
        assert f"http://localhost:{port}" in said
        assert ("Installing" in said) == (attempt == "first")


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())
