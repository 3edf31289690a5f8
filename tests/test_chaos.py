"""What the service depends on goes away and comes back in the middle of chats."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.adapters.database.embedded import EmbeddedPostgres, start
from tests.support.crowd import UNLIMITED, Asked, Habits, Ledger, crowd, unique
from tests.support.kills import run_kills, until_ready
from tests.support.leaks import leak
from tests.support.postgres import server_pid
from tests.support.postgres_proxy import proxy
from tests.support.service import Service, environment, run, serving
from tests.support.soaking import soak
from tests.upstreams import Reply, Upstreams, words
from tests.upstreams.handbook import indexed

pytestmark = pytest.mark.slow

QUESTION = "How do I delete a conversation?"
ANSWER = "There is a button for it [1]. It works at once [2]."
PATIENT = Habits(gives_up=0.0)


@dataclass
class World:
    upstreams: Upstreams
    postgres: EmbeddedPostgres
    folder: Path

    @contextlib.contextmanager
    def serving(self, **variables: str) -> Iterator[Service]:
        """The service on imitated upstreams. Its log must stay free of stacks and keys."""
        variables = {
            **self.upstreams.environ(),
            "DATABASE_URL": self.postgres.url,
            **UNLIMITED,
            **variables,
        }
        with serving(self.folder / "log", **variables) as service:
            yield service
        assert leak(service.log.replace("-test-key", "-test-key ")) in ("", "/tmp/")


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    """Of this module alone, which kills and takes away."""
    with indexed() as up:
        yield up


@pytest.fixture
def world(upstreams: Upstreams, tmp_path: Path) -> Iterator[World]:
    upstreams.openai.reply = Reply(ANSWER, delay=0.01)
    server = start(tmp_path / "postgres")
    yield World(upstreams, server, tmp_path)
    server.stop()
    upstreams.heal()


# ---------------------------------------------------------------- PostgreSQL


def test_postgres_is_killed_while_readers_chat(world: World) -> None:
    ledger = Ledger()

    async def chats(url: str) -> None:
        async with crowd(url, ledger, habits=PATIENT):
            for _ in range(2):
                await ledger.more("acknowledged", 20)
                os.kill(server_pid(world.postgres) or 0, signal.SIGKILL)
                await ledger.more("acknowledged", 20)

    with world.serving() as service:
        asyncio.run(chats(service.url))
    until_ready(world.postgres.url)
    assert ledger.balance(world.postgres.url) == []
    assert not any(name.startswith("status") for name in ledger.counts), ledger.counts


def test_postgres_is_away_for_a_while(world: World) -> None:
    """Readers are answered all the time, and are told that it is not kept."""
    ledger = Ledger()

    async def chats() -> None:
        async with proxy(world.postgres.url) as database:
            with world.serving(DATABASE_URL=database.url) as service:
                async with crowd(service.url, ledger, habits=PATIENT):
                    await ledger.more("acknowledged", 20)
                    await database.refuse()
                    await ledger.more("not saved", 5)
                    await database.listen()
                    await ledger.more("acknowledged", 20)

    asyncio.run(chats())
    assert ledger.balance(world.postgres.url) == []
    assert not any(name.startswith("status") for name in ledger.counts), ledger.counts


# ---------------------------------------------------------------- the other services


@pytest.mark.parametrize(
    ("name", "meanwhile"),
    [("qdrant", "status 503"), ("cohere", "status 503"), ("openai", "acknowledged")],
)
def test_a_service_is_away_for_a_while(world: World, name: str, meanwhile: str) -> None:
    ledger = Ledger()
    lost = getattr(world.upstreams, name)

    async def chats(url: str) -> None:
        async with crowd(url, ledger, habits=PATIENT):
            await ledger.more("acknowledged", 20)
            world.upstreams.vanish(lost)
            await ledger.more(meanwhile, 10)
            world.upstreams.reappear(lost)
            await ledger.more("acknowledged", 20)

    with world.serving() as service:
        asyncio.run(chats(service.url))
    assert ledger.balance(world.postgres.url) == []
    statuses = {name for name in ledger.counts if name.startswith("status")}
    assert statuses <= {"status 503"}, ledger.counts
    fallbacks = [a for a in ledger.acknowledged if a.done and a.done["metadata"]["fallback"]]
    assert bool(fallbacks) == (name == "openai")


def test_the_embedded_index_is_removed_and_made_again(handbook: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(handbook, tmp_path / "data"))
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service, service.client() as http:

        def ask() -> httpx.Response:
            return http.post("/chat", json={"message": QUESTION})

        assert ask().json()["sources"]
        shutil.rmtree(data / "index")
        for response in (ask(), http.post("/search", json={"query": "delete"})):
            assert response.status_code == 503
            assert response.json()["code"] == "index_missing"
            assert leak(response.text) == ""
        assert http.get("/config").status_code == 200
        finished = run("ingest.py", "docs", env=environment(DATA_DIR=str(data)))
        assert finished.returncode == 0, finished.stderr
        assert ask().json()["sources"]
        assert "Traceback" not in service.log


# ---------------------------------------------------------------- the disk and the clock


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_costs_the_history_and_not_the_answers(
    handbook: Path, small_disk: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(handbook, small_disk / "data"))
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service, service.client() as http:

        def ask(n: int) -> bool:
            message = unique(QUESTION, n) + " " + os.urandom(900).hex()
            response = http.post("/chat", json={"message": message})
            assert response.status_code == 200, response.text
            answer = response.json()
            assert answer["message"]
            if answer["metadata"]["saved"]:
                kept.append((answer["session_id"], answer["message"]))
            return bool(answer["metadata"]["saved"])

        kept: list[tuple[str, str]] = []
        assert ask(0)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as full, contextlib.suppress(OSError):
            while full.write(bytes(65536)):
                pass
        assert not all(ask(n) for n in range(1, 400))
        finished = run("ingest.py", "tests/sites/samples", env=environment(DATA_DIR=str(data)))
        assert finished.returncode == 1
        assert "is full: opening the index needs" in finished.stderr
        assert "Traceback" not in finished.stderr
        filler.unlink()
        assert any(ask(n) for n in range(400, 420))
        for session_id, message in kept:
            history = http.get(f"/chat/sessions/{session_id}").json()
            assert [turn["answer"] for turn in history["turns"]] == [message]
        assert "Traceback" not in service.log


def test_the_clock_jumps(world: World) -> None:
    """By a day and back: an adjusted clock, a laptop or a function that was asleep."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("turning the clock needs `apt-get install faketime`")
    ledger, clock, following = Ledger(), world.folder / "clock", world.folder / "next"
    clock.write_text("+0")
    faketime = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    async def chats(url: str) -> None:
        async with crowd(url, ledger, habits=PATIENT):
            for jump in ("+0", "+1d", "-1d", "+400d", "+0"):
                following.write_text(jump)
                following.replace(clock)  # a file that is being written means no offset
                await ledger.more("acknowledged", 16)
                days.append(await day(url, days[-1:]))

    async def day(url: str, before: Sequence[date]) -> date:
        """Today, by the service; it renews the date that it tells once a second."""
        async with httpx.AsyncClient() as http:
            for _ in range(100):
                response = await http.get(f"{url}/health")
                told = parsedate_to_datetime(response.headers["date"]).date()
                if told not in before:
                    break
                await asyncio.sleep(0.1)
        return told

    days: list[date] = []
    with world.serving(**faketime) as service:
        asyncio.run(chats(service.url))
    assert ledger.balance(world.postgres.url) == []
    assert not any(name.startswith("status") for name in ledger.counts), ledger.counts
    assert ledger.counts["not saved"] == 0
    assert [(day - days[0]).days for day in days[:4]] == [0, 1, -1, 400]


# ---------------------------------------------------------------- the end of the process


@pytest.mark.parametrize("processes", [1, 3])
def test_every_answer_ends_as_such_after_sigterm(world: World, processes: int) -> None:
    """Fifty streams are on their way: some have time to finish, the rest end with an error.

    Ten readers who wait for a plain answer get one or a status.
    """
    long, short = (
        Reply(words(9000) + "[1].", delay=0.05),
        Reply(words(20) + "[1].", delay=0.1),
    )
    world.upstreams.openai.script(*[long] * 40, *[short] * 10, *[long] * 9, short)
    ledger, door = Ledger(), asyncio.Semaphore(5)

    def told(asked: Asked, kind: str, data: dict[str, Any]) -> None:
        if kind == "done" and data["metadata"]["saved"]:
            ledger.acknowledge(asked, data)
        elif kind == "error":
            assert data["status"] == 503
            assert data["detail"].endswith(".")
            assert leak(json.dumps(data)) == ""

    async def listen(http: httpx.AsyncClient) -> str:
        asked, name, begun = ledger.ask(QUESTION, None), "", False
        body, headers = {"message": asked.question}, {"Accept": "text/event-stream"}
        async with http.stream("POST", "/chat", json=body, headers=headers) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                    if name == "token" and not begun:
                        begun = True
                        door.release()
                elif line.startswith("data: ") and name in ("done", "error"):
                    told(asked, name, json.loads(line[6:]))
        return name

    async def wait(http: httpx.AsyncClient) -> str:
        asked = ledger.ask(QUESTION, None)
        response = await http.post("/chat", json={"message": asked.question})
        kind = "done" if response.status_code == 200 else "error"
        told(asked, kind, response.json())
        return kind

    async def answers(service: Service) -> tuple[list[str], list[str]]:
        limits = httpx.Limits(max_connections=80)
        async with httpx.AsyncClient(base_url=service.url, timeout=120, limits=limits) as http:
            streams, plain = [], []
            for _ in range(50):
                await door.acquire()
                streams.append(asyncio.create_task(listen(http)))
            for _ in range(5):
                await door.acquire()
            for _ in range(10):
                plain.append(asyncio.create_task(wait(http)))
            async with asyncio.timeout(120):
                while len(world.upstreams.openai.requests) < 60:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            service.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(120):
                return await asyncio.gather(*streams), await asyncio.gather(*plain)

    world.upstreams.openai.forget()
    with world.serving(WEB_CONCURRENCY=str(processes), DEADLINE_SECONDS="600") as service:
        streams, plain = asyncio.run(answers(service))
        assert service.process.wait(60) in (0, -signal.SIGTERM)
        assert "Traceback" not in service.log
    assert set(streams) == {"done", "error"}
    assert set(plain) <= {"done", "error"}
    assert "error" in plain
    assert ledger.balance(world.postgres.url) == []


def test_nothing_acknowledged_is_lost_however_often_the_service_is_killed(tmp_path: Path) -> None:
    outcome = run_kills(12, tmp_path)
    assert outcome.wrong == []
    assert len(outcome.ledger.acknowledged) > 20
    assert outcome.postgres_kills == 1


def test_the_generated_requests_find_nothing(handbook: Path, tmp_path: Path) -> None:
    """A minute of schemathesis; `python bench/fuzz.py --requests 50000` goes on for longer."""
    pytest.importorskip("schemathesis")
    command = [sys.executable, "bench/fuzz.py", "--requests", "1", "--examples", "10"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("embedded", [False, True], ids=["services", "embedded"])
def test_readers_who_come_and_go_leave_nothing_behind(tmp_path: Path, embedded: bool) -> None:
    """`python bench/soak.py --minutes 30` goes on for longer, and measures the memory."""
    result = soak(0.5, tmp_path, every=2.0, embedded=embedded)
    assert result.wrong == []
    assert result.complaints == []
    assert result.ledger.counts["acknowledged"] > 5
    assert result.rest
    steady = result.samples[len(result.samples) // 3 :]
    assert result.rest.descriptors <= max(sample.descriptors for sample in steady)
    assert result.rest.connections <= max(sample.connections for sample in steady)
    assert result.rest.threads <= max(sample.threads for sample in steady)
