"""The embedded index: right scores, whole generations, and every kind of interruption."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.adapters.vector_store import edge_generations
from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.adapters.vector_store.edge_shard import Shard
from rag.errors import ConfigurationError, IndexMismatch, IndexMissing
from rag.models import (
    Block,
    Chunk,
    IndexInfo,
    Page,
    Point,
    Section,
    SparseVector,
)
from tests.support.points import INFO, ask, check_scores, frequencies, point, run, write

WIDE = IndexInfo(embedding_model="test-24", dimensions=24)


def names(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("index/*/index.json"))


# ------------------------------------------------------------------ reading


def test_every_hit_carries_both_scores(tmp_path: Path) -> None:
    points = [point(n) for n in range(300)]
    run(write(tmp_path, points))
    check_scores(tmp_path, points)


def test_scores_are_those_of_a_fresh_index_after_edits(tmp_path: Path) -> None:
    """Deleted chunks leave nothing behind in the statistics of BM25."""
    points = [point(n) for n in range(120)]
    run(write(tmp_path, points))
    run(write(tmp_path, points[60:]))
    kept = [*points[70:], *(point(n) for n in range(200, 230))]
    run(write(tmp_path, kept))
    check_scores(tmp_path, kept)


def test_candidates_know_total_and_document_frequencies(tmp_path: Path) -> None:
    points = [point(n) for n in range(50)]
    run(write(tmp_path, points))

    async def body() -> None:
        store = EdgeStore(tmp_path)
        term, df = frequencies(points).most_common(1)[0]
        sparse = SparseVector((term, 4_000_000_000), (1.0, 1.0))
        candidates = await store.candidates(points[0].dense, sparse, 5)
        assert candidates.total == 50
        assert candidates.document_frequencies == {term: df}
        assert len({hit.chunk.chunk_id for hit in candidates.hits}) == len(candidates.hits)
        await store.close()

    run(body())


def test_a_question_without_terms_and_a_chunk_without_terms(tmp_path: Path) -> None:
    bare = Point(point(3).chunk, point(3).dense, SparseVector())
    run(write(tmp_path, [point(1), point(2), bare]))
    run(write(tmp_path, [point(1), bare]))  # and read back out of the shard
    hits = run(ask(tmp_path, point(3).dense, SparseVector()))
    assert hits[0].chunk == bare.chunk
    assert [hit.sparse for hit in hits] == [0, 0]


def test_chunks_come_back_as_they_were(tmp_path: Path) -> None:
    text = "```py\nx = 1\n```\n\t\u202eעברית\u202c 本 🙂 \x00\x1b'; DROP TABLE"
    original = point(1, text=text)
    run(write(tmp_path, [original]))
    assert run(ask(tmp_path, original.dense, original.sparse))[0].chunk == original.chunk


def test_neighbours(tmp_path: Path) -> None:
    run(write(tmp_path, [point(n) for n in range(10) if n != 4]))  # positions may have gaps

    async def body() -> None:
        store = EdgeStore(tmp_path)
        for at, reach, wanted in ((0, 2, [0, 1, 2]), (5, 2, [3, 5, 6, 7]), (9, 1, [8, 9])):
            found = await store.neighbours(at, reach)
            assert [chunk.order_index for chunk in found] == wanted
        assert await store.neighbours(99, 1) == []
        await store.close()

    run(body())


def test_pages_are_published_with_the_chunks(tmp_path: Path) -> None:
    block = Block("code", "```py\nprint('ü')\n```")
    section = Section("Install", 2, "install", ("Install",), (block,))
    pages = [
        Page("index.md", "Home", "", (section,), "de"),
        Page("a/b.md", "B", "a/b", (section, section)),
    ]
    run(write(tmp_path, [point(1)], pages=pages))

    async def body() -> None:
        store = EdgeStore(tmp_path)
        assert await store.pages() == [("", "Home"), ("a/b", "B")]
        assert [await store.page(slug) for slug in ("", "a/b", "a/b/", "c")] == [
            *pages,
            pages[1],
            None,
        ]
        await store.close()

    run(body())


def test_before_anything_is_indexed(tmp_path: Path) -> None:
    async def body() -> None:
        store = EdgeStore(tmp_path)
        assert await store.info() is None
        assert await store.pages() == []
        with pytest.raises(IndexMissing, match=r"ingest\.py"):
            await store.candidates([1.0] * 16, SparseVector(), 5)
        await write(tmp_path, [point(1)])  # a server that waits for its first index
        assert len((await store.candidates([1.0] * 16, SparseVector(), 5)).hits) == 1
        await store.close()

    run(body())
    assert not (tmp_path / "index" / "building").exists()


def test_a_question_of_another_model(tmp_path: Path) -> None:
    run(write(tmp_path, [point(1)]))
    with pytest.raises(IndexMismatch, match=r"test-16 .*ingest\.py"):
        run(ask(tmp_path, [1.0] * 8, SparseVector()))


def test_a_store_serves_several_loops_and_stops_twice(tmp_path: Path) -> None:
    run(write(tmp_path, [point(1)]))
    store = EdgeStore(tmp_path)
    for _ in range(2):
        assert len(run(store.neighbours(1, 0))) == 1
    store.stop()
    store.stop()


# ------------------------------------------------------------------ generations


def test_a_reader_changes_over_and_the_old_generation_goes(tmp_path: Path) -> None:
    async def body() -> None:
        await write(tmp_path, [point(1)])
        store = EdgeStore(tmp_path)
        assert [c.order_index for c in await store.neighbours(1, 5)] == [1]
        first = names(tmp_path)
        await write(tmp_path, [point(2), point(3)])
        assert len(names(tmp_path)) == 2, "the generation in use must stay"
        assert [c.order_index for c in await store.neighbours(1, 5)] == [2, 3]
        assert len(names(tmp_path)) == 1
        assert names(tmp_path) != first
        info = await store.info()
        assert info is not None
        assert info.chunks == 2
        await store.close()

    run(body())


def test_the_last_to_leave_removes_an_old_generation(tmp_path: Path) -> None:
    for n in range(3):
        run(write(tmp_path, [point(n)]))
        assert len(names(tmp_path)) == 1

    async def body() -> None:
        store = EdgeStore(tmp_path)
        await store.info()
        await write(tmp_path, [point(9)])
        assert len(names(tmp_path)) == 2
        await store.close()

    run(body())
    (name,) = names(tmp_path)
    half_removed = tmp_path / "index" / "20200101-000000-abcdef"
    shutil.copytree(tmp_path / "index" / name / "shard", half_removed / "shard")
    run(write(tmp_path, [point(1)]))
    assert not half_removed.exists(), "an interrupted removal is finished"


def test_payloads_change_without_new_vectors(tmp_path: Path) -> None:
    run(write(tmp_path, [point(1), point(2)]))
    moved = Chunk(
        chunk_id=point(1).chunk.chunk_id,
        text="text 1",
        title="Title 1",
        section="A › B",
        slug="elsewhere#b",
        source_path="elsewhere.md",
        order_index=7,
    )

    async def body() -> None:
        writer = EdgeWriter(tmp_path)
        assert len(await writer.open(INFO)) == 2
        await writer.publish(INFO, [moved], frequencies([point(1)]))
        await writer.close()

    run(body())
    hits = run(ask(tmp_path, point(1).dense, point(1).sparse))
    assert [hit.chunk for hit in hits] == [moved]
    assert hits[0].dense > 0.99999
    assert hits[0].sparse > 0


def stored(folder: Path) -> Sequence[object]:
    generation = edge_generations.pin(folder / "index")
    assert generation is not None
    shard = Shard(generation)
    try:
        return sorted(shard.vectors([at for at, _ in shard.all_chunks()]).items())
    finally:
        shard.close()
        generation.release()


def test_vectors_do_not_drift_over_generations(tmp_path: Path) -> None:
    points = [point(n) for n in range(20)]
    run(write(tmp_path, points))
    once = stored(tmp_path)
    assert len(once) == 20
    for _ in range(3):
        run(write(tmp_path, points))
    assert stored(tmp_path) == once


def test_another_model_is_built_beside_and_takes_over_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        await write(tmp_path, [point(1)])
        store = EdgeStore(tmp_path)
        writer = EdgeWriter(tmp_path)
        assert await writer.open(WIDE) == {}, "vectors of another model are of no use"
        new = point(1, size=24)
        await writer.stage([new])
        assert len((await store.candidates(point(1).dense, SparseVector(), 3)).hits) == 1
        await writer.publish(WIDE, [new.chunk], frequencies([new]))
        await writer.close()
        assert len((await store.candidates(new.dense, SparseVector(), 3)).hits) == 1
        info = await store.info()
        assert info is not None
        assert info.embedding_model == "test-24"
        await store.close()

    run(body())


def test_an_empty_index_is_an_index(tmp_path: Path) -> None:
    run(write(tmp_path, [point(1)]))
    run(write(tmp_path, []))
    assert run(ask(tmp_path, point(1).dense, point(1).sparse)) == ()


# ------------------------------------------------------------------ interruptions


def test_what_was_staged_is_found_again(tmp_path: Path) -> None:
    async def stage(points: Sequence[Point]) -> set[str]:
        writer = EdgeWriter(tmp_path)
        known = await writer.open(INFO)
        await writer.stage(points)
        await writer.close()
        return set(known)

    assert run(stage([point(1), point(2)])) == set()
    assert run(stage([point(3)])) == {point(n).chunk.chunk_id for n in (1, 2)}
    run(write(tmp_path, [point(n) for n in (1, 2, 3)]))
    assert not list(tmp_path.glob("index/staged-*")), "published: the journal is not needed"
    check_scores(tmp_path, [point(n) for n in (1, 2, 3)], 3)


def test_staged_vectors_of_another_model_are_left_alone(tmp_path: Path) -> None:
    async def body() -> None:
        writer = EdgeWriter(tmp_path)
        await writer.open(INFO)
        await writer.stage([point(1)])
        await writer.close()
        await write(tmp_path, [point(1, size=24)], WIDE)
        writer = EdgeWriter(tmp_path)
        assert set(await writer.open(INFO)) == {point(1).chunk.chunk_id}
        await writer.close()

    run(body())


@pytest.mark.parametrize("tail", [b'{"chunk": {"chunk_', b"\x00" * 50, b"\n", b"[]\n", b"{}"])
def test_a_journal_that_was_cut_short(tmp_path: Path, tail: bytes) -> None:
    async def stage(*points: Point) -> int:
        writer = EdgeWriter(tmp_path)
        known = await writer.open(INFO)
        await writer.stage(points)
        await writer.close()
        return len(known)

    run(stage(point(1)))
    (journal,) = tmp_path.glob("index/staged-*")
    with journal.open("ab") as file:
        file.write(tail)
    assert run(stage(point(2))) == 1
    assert run(stage()) == 2


def damage(shard: Path, how: str) -> None:
    if how == "missing":
        next(shard.rglob("mutable_id_tracker.mappings")).unlink()
    elif how == "cut":  # the engine would open this and not say a word
        victim = next(shard.rglob("chunk_0.mmap"))
        os.truncate(victim, victim.stat().st_size // 2)
    elif how == "garbage":  # the engine panics on this
        victim = next(shard.rglob("payload_storage/tracker.dat"))
        victim.write_bytes(b"\xa5" * 4096 + victim.read_bytes()[4096:])
    else:
        shutil.rmtree(shard.parent)


@pytest.mark.parametrize("how", ["missing", "cut", "garbage", "everything"])
def test_a_damaged_index_is_named_and_can_be_made_again(tmp_path: Path, how: str) -> None:
    points = [point(n) for n in range(5)]
    run(write(tmp_path, points))
    (shard,) = tmp_path.glob("index/*/shard")
    damage(shard, how)
    with pytest.raises(ConfigurationError, match=r"damaged.*Run `python ingest\.py PATH`") as error:
        run(ask(tmp_path, points[0].dense, points[0].sparse))
    assert str(tmp_path) in str(error.value)
    run(write(tmp_path, points))
    check_scores(tmp_path, points, 3)


def test_a_second_writer_gets_a_sentence(tmp_path: Path) -> None:
    async def body() -> None:
        writer = EdgeWriter(tmp_path)
        await writer.open(INFO)
        second = EdgeWriter(tmp_path)
        with pytest.raises(ConfigurationError, match=f"Process {os.getpid()} is already writing"):
            await second.open(INFO)
        await second.close()
        await writer.stage([point(1)])
        await writer.publish(INFO, [point(1).chunk], {})
        await writer.close()

    run(body())
    run(write(tmp_path, [point(2)]))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run(write(tmp_path, [point(1)]))


def test_a_copy_is_exact_and_keeps_holes(tmp_path: Path) -> None:
    source = tmp_path / "source" / "deep"
    source.mkdir(parents=True)
    content = b"\0" * (1 << 20) + b"x" + b"\0" * (1 << 20)
    (source / "holes").write_bytes(content)
    (source / "empty").touch()
    edge_generations.copy_sparse(tmp_path / "source", tmp_path / "copy")
    copy = tmp_path / "copy" / "deep" / "holes"
    assert copy.read_bytes() == content
    assert copy.stat().st_blocks * 512 < len(content) / 2
    assert (tmp_path / "copy" / "deep" / "empty").stat().st_size == 0


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may write everywhere: be nobody for a while."""
    if os.getuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_an_index_that_others_open_meanwhile(tmp_path: Path) -> None:
    """Whoever opens a shard writes and removes a temporary folder beside the engine's files."""
    run(write(tmp_path, [point(n) for n in range(20)]))
    found = edge_generations.pin(tmp_path / "index")
    assert found is not None
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            temporary = tempfile.mkdtemp(prefix=".atomicwrite", dir=found.shard)
            os.rmdir(temporary)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(100):
            shard = Shard(found)
            assert shard.chunks([7])[7].text == "text 7"
            shard.close()
    finally:
        done.set()
        thread.join()
        found.release()


def test_a_read_only_folder_is_copied(caplog: pytest.LogCaptureFixture) -> None:
    points = [point(n) for n in range(5)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        run(write(folder, points))
        check_scores(folder, points, 1)
        assert "read-only" not in caplog.text
        for path in (folder / "index").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o444)
        with caplog.at_level(logging.INFO), without_rights():
            check_scores(folder, points, 2)
        copy = re.search(r"is read-only; using a copy in (\S+)", caplog.text)
        assert copy
        assert not Path(copy[1]).exists(), "the copy goes with the store"
