"""The embedded engines as guests: a user without a name, no home, a full disk, copied folders."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rag import engines
from rag.adapters import disk
from rag.adapters.database import embedded, embedded_host
from rag.adapters.database.embedded import start
from rag.adapters.vector_store import edge_generations
from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.conversations import self_check
from rag.errors import ConfigurationError, StatementRejected
from rag.models import Chunk, IndexInfo, Point, SparseVector
from tests.support.postgres import query, server_pid, using
from tests.support.service import serving

ROOT = Path(__file__).parents[2]
STRANGER = 1_000_620_000
"""A user id such as OpenShift chooses."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_KEEP = """
import asyncio, os, sys
from pathlib import Path
from rag.adapters.database.embedded import start
from rag.adapters.database.postgres import Postgres
from rag.conversations import migrations, self_check
from tests.support.postgres import server_pid

async def main(url):
    db = Postgres(url, schema=migrations.SCRIPT)
    await self_check.check(db)
    await db.close()

server = start(Path(sys.argv[1]))
asyncio.run(main(server.url))
print("kept by", os.stat(f"/proc/{server_pid(server)}").st_uid)
server.stop()
"""


def _as(uid: int, gid: int, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Keep a conversation in `folder` as this user, who may read this project."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
    enter = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return subprocess.run(
        [*become, *enter, sys.executable, "-c", _KEEP, str(folder)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


has_wrapper = any(any(Path("/").glob(place)) for place in embedded_host._LIBRARIES)


@as_root
@pytest.mark.skipif(not has_wrapper, reason="no libnss-wrapper here: install Debian's package")
@pytest.mark.parametrize(
    ("gid", "variables"),
    [(0, {}), (STRANGER, {"HOME": "/nonexistent"}), (0, {"HOME": "/proc"})],
    ids=["no home", "a home that is missing", "a home that is read-only"],
)
def test_a_user_without_a_name(tmp_path: Path, gid: int, variables: dict[str, str]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, STRANGER, gid)
    for _ in range(2):  # created, then found
        done = _as(STRANGER, gid, folder / "pg", **variables)
        assert done.stdout == f"kept by {STRANGER}\n", done.stderr


@as_root
@pytest.mark.skipif(not has_wrapper, reason="no libnss-wrapper here: install Debian's package")
def test_the_next_start_may_be_by_another_user_without_a_name(tmp_path: Path) -> None:
    """The folder is copied for the new user, as PostgreSQL serves its owner's data only."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, STRANGER, 0)
    assert _as(STRANGER, 0, folder / "pg").returncode == 0
    os.chown(folder, STRANGER + 1, 0)
    refused = _as(STRANGER + 1, 0, folder / "pg")
    assert f"belong to user {STRANGER}, and PostgreSQL serves them to that user" in refused.stderr
    shutil.copytree(folder, tmp_path / "copy")
    for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
        os.chown(path, STRANGER + 1, 0)
    assert _as(STRANGER + 1, 0, tmp_path / "copy/pg").stdout == f"kept by {STRANGER + 1}\n"


@pytest.fixture
def strange_folder() -> Iterator[Path]:
    """A folder that only another user may enter; this process has no right of root meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "data"
        folder.mkdir(mode=0o700)
        os.chown(folder, STRANGER, STRANGER)
        os.seteuid(STRANGER + 1)
        try:
            yield folder
        finally:
            os.seteuid(0)


@as_root
def test_a_folder_of_another_user_is_explained(strange_folder: Path) -> None:
    whose = f"belong to user {STRANGER}.* chown -R {STRANGER + 1} {strange_folder}"
    with pytest.raises(ConfigurationError, match=whose):
        start(strange_folder)
    embedded.check_free(strange_folder)
    with pytest.raises(ConfigurationError, match=r"The index in .* cannot be opened: Permission"):
        _search(strange_folder)


def test_a_folder_for_the_time_of_a_container_has_one_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = set()
    for user in (1000, 1001):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        found.add(engines.writable(tmp_path))
    assert len(found) == 2


def test_a_user_without_a_name_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_host, "_LIBRARIES", ())
    monkeypatch.setattr(embedded_host, "has_name", lambda uid: False)
    with pytest.raises(ConfigurationError, match=r"has no name.*libnss-wrapper.*DATABASE_URL"):
        start(tmp_path / "pg")
    assert not list((tmp_path / "pg").glob("cluster*"))


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize("name", [b"caf\xe9", b"a 'b\\ c", "中 文".encode()])
def test_a_folder_of_any_name(tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    for _ in range(2):
        server = start(folder)
        try:
            assert server_pid(server)
            using(server.url, self_check.check)
        finally:
            server.stop()


def test_a_copied_folder_works_beside_its_original(tmp_path: Path) -> None:
    """Also one that was copied while the server ran: it recovers as after a crash."""
    server = start(tmp_path / "pg")
    try:
        using(server.url, self_check.check)
        query(server.url, "CREATE TABLE kept AS SELECT 7 AS i")
        query(server.url, "CHECKPOINT")
        shutil.copytree(tmp_path / "pg", tmp_path / "copy", copy_function=shutil.copyfile)
        (tmp_path / "copy/cluster").chmod(0o755)
        copy = start(tmp_path / "copy")
        try:
            assert query(copy.url, "SELECT i FROM kept") == [(7,)]
            using(copy.url, self_check.check)
        finally:
            copy.stop()
        using(server.url, self_check.check)
    finally:
        server.stop()


def test_a_second_process_is_told_the_command_that_runs_one(tmp_path: Path) -> None:
    server = start(tmp_path / "pg")
    try:
        with pytest.raises(ConfigurationError, match=r"python router\.py.*without --workers"):
            start(tmp_path / "pg")
    finally:
        server.stop()


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 260 MB in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _fill(folder: Path, leave: int = 0) -> Path:
    with suppress(OSError), (folder / "fill").open("ab", buffering=0) as file:
        while (left := _free(folder) - leave) > 0:
            file.write(bytes(min(left, 1 << 20)))
    return folder / "fill"


def _point(n: int) -> Point:
    chunk = Chunk(
        f"{n}", "text", title="A", section="", slug="a", source_path="a.md", order_index=n
    )
    return Point(chunk, [0.1 * (n + 1)] * 384, SparseVector((n + 1,), (1.0,)))


INFO = IndexInfo(embedding_model="m", dimensions=384, chunks=0)


def _index(folder: Path) -> None:
    async def main() -> None:
        writer = EdgeWriter(folder)
        try:
            await writer.open(INFO)
            points = [_point(n) for n in range(3)]
            await writer.stage(points)
            await writer.publish(INFO, [point.chunk for point in points], {1: 1})
        finally:
            await writer.close()

    asyncio.run(main())


def _search(folder: Path) -> int:
    async def main() -> int:
        store = EdgeStore(folder)
        try:
            found = await store.candidates([0.1] * 384, SparseVector((1,), (1.0,)), 5)
            return len(found.hits)
        finally:
            await store.close()

    return asyncio.run(main())


def test_the_history_says_that_the_disk_is_full(small_disk: Path) -> None:
    filler = _fill(small_disk, leave=1_000_000)
    with pytest.raises(ConfigurationError, match=r"full: the history needs 48 MB, and 1 MB are"):
        start(small_disk / "pg")
    filler.unlink()
    server = start(small_disk / "pg")
    try:
        using(server.url, self_check.check)
        filler = _fill(small_disk)
        with pytest.raises(StatementRejected) as failure:
            query(server.url, "CREATE TABLE big AS SELECT repeat('x', 9000) FROM pg_proc, pg_am")
        assert failure.value.reason == "full"
        filler.unlink()
        using(server.url, self_check.check)
        filler = _fill(small_disk)
    finally:
        server.stop()
    with pytest.raises(ConfigurationError, match="full: the history needs 8 MB"):
        start(small_disk / "pg")


def test_the_index_says_that_the_disk_is_full(small_disk: Path) -> None:
    """In a process of its own each call would end in SIGBUS, and with it this test."""
    filler = _fill(small_disk, leave=20_000_000)
    with pytest.raises(disk.DiskFull, match="the new index needs"):
        _index(small_disk)
    filler.unlink()
    _index(small_disk)
    shutil.rmtree(small_disk / "index/building", ignore_errors=True)
    assert _search(small_disk) == 3
    # A copy has holes where the engine has written nothing.
    subprocess.run(
        ["cp", "-a", "--sparse=always", f"{small_disk}/index", f"{small_disk}/copy"], check=True
    )
    shutil.rmtree(small_disk / "index")
    (small_disk / "copy").rename(small_disk / "index")
    filler = _fill(small_disk, leave=8_000_000)
    with pytest.raises(disk.DiskFull, match="opening the index needs"):
        _search(small_disk)
    filler.unlink()
    assert _search(small_disk) == 3


def test_a_full_disk_does_not_keep_a_book_from_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _index(tmp_path)
    monkeypatch.setattr(disk, "is_in_memory", lambda folder: False)
    monkeypatch.setattr(os, "statvfs", lambda folder: (_ for _ in ()).throw(AssertionError))
    assert _search(tmp_path) == 3


def test_a_start_on_a_full_disk_says_so_and_goes_on(
    handbook: Path, small_disk: Path, tmp_path: Path
) -> None:
    data = small_disk / "data"
    subprocess.run(["cp", "-a", "--sparse=always", str(handbook), str(data)], check=True)
    filler = _fill(small_disk)
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service, service.client() as client:
        deadline = time.monotonic() + 30
        while "questions cannot be answered" not in service.log and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "conversations are not kept: The disk of" in service.log
        assert "full: opening the index needs" in service.log
        question = {"message": "How do I delete a conversation?"}
        assert client.post("/chat", json=question).status_code == 503
        filler.unlink()
        assert "[1]" in client.post("/chat", json=question).json()["message"]
    assert "Traceback" not in service.log


def test_a_server_without_a_log_is_explained(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n")
    assert "disk quota" in embedded._tail(tmp_path / "log")
    assert "disk quota" in embedded._tail(tmp_path / "none")


def _truncate(generation: Path) -> None:
    os.truncate(next(generation.rglob("page_0.dat")), 100)


def _empty(generation: Path) -> None:
    (generation / "index.json").write_text("")


def _remove(generation: Path) -> None:
    next(generation.rglob("*.mmap")).unlink()


@pytest.mark.parametrize("harm", [_truncate, _empty, _remove])
def test_damage_is_called_damage(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    _index(tmp_path)
    harm(next((tmp_path / "index").glob("2*")))
    with pytest.raises(edge_generations.Damaged, match=r"damaged.*ingest\.py"):
        _search(tmp_path)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.ENOSPC, errno.ENOMEM])
def test_other_errors_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    _index(tmp_path)

    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(edge_generations, "_pin", fail)
    with pytest.raises(ConfigurationError) as failure:
        _search(tmp_path)
    assert os.strerror(number) in str(failure.value)
    assert "damaged" not in str(failure.value)
    assert "ingest" not in str(failure.value)


def test_an_error_of_the_system_from_the_engine_is_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qdrant_edge

    _index(tmp_path)

    class Engine:
        @staticmethod
        def load(folder: str) -> None:
            raise Exception("Service runtime error: Too many open files (os error 24)")

    monkeypatch.setattr(qdrant_edge, "EdgeShard", Engine)
    with pytest.raises(ConfigurationError, match="cannot be opened: Too many open files"):
        _search(tmp_path)
