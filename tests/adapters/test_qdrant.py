"""The Qdrant adapters, through the real client against an imitated server.

Where QDRANT_TEST_URL names a real one, they run against that as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid4, uuid5

import httpx
import pytest

from rag.adapters.vector_store import qdrant_updates, qdrant_writer
from rag.adapters.vector_store.qdrant import BUCKETS, RECORD, QdrantStore
from rag.adapters.vector_store.qdrant_rest import base_url, headers_for
from rag.adapters.vector_store.qdrant_writer import QdrantWriter
from rag.errors import (
    ConfigurationError,
    IndexMismatch,
    IndexMissing,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.models import (
    Candidates,
    Chunk,
    IndexInfo,
    Point,
    SparseVector,
)
from tests.upstreams import Upstreams
from tests.upstreams.qdrant import Qdrant
from tests.upstreams.qdrant_server import QDRANTS, Forwarded, qdrant

T = TypeVar("T")

INFO = IndexInfo("model-a", 4, 3, "A Book", "en", "fingerprint")
TERMS = {"port": 7, "host": 519, "key": 4_000_000_000}  # 7 and 519 share a bucket


def chunk(name: str, order: int) -> Chunk:
    chunk_id = str(uuid5(NAMESPACE_URL, name))
    return Chunk(chunk_id, f"Text of {name}", "Title", "A › B", f"docs/{name}#a", "a.md", order)


def point(name: str, order: int, dense: Sequence[float], **terms: float) -> Point:
    found = sorted((TERMS[term], value) for term, value in terms.items())
    sparse = SparseVector(tuple(i for i, _ in found), tuple(v for _, v in found))
    return Point(chunk(name, order), dense, sparse)


POINTS = [
    point("one", 0, [1, 0, 0, 0], port=2.0),
    point("two", 1, [0.8, 0.6, 0, 0], host=1.0),
    point("three", 2, [0, 0, 1, 0], port=1.0, key=1.0),
]
FREQUENCIES = {TERMS["port"]: 2, TERMS["host"]: 1, TERMS["key"]: 1}
ALL_TERMS = SparseVector(tuple(sorted(TERMS.values())), (1.0, 1.0, 1.0))


class World(Upstreams):
    def __init__(self, qdrant: Qdrant | Forwarded) -> None:
        super().__init__(qdrant=qdrant)
        self.runner = asyncio.Runner()
        self.shared = a_name()
        self.made: list[QdrantStore | QdrantWriter] = []
        self.collection = ""
        self.finders: dict[str, QdrantStore] = {}

    def run(self, what: Awaitable[T]) -> T:
        return self.runner.run(_run(what))

    def store(self, **options: Any) -> QdrantStore:
        store = QdrantStore(self.qdrant.url, self.qdrant.key, self.collection, **options)
        self.made.append(store)
        return store

    def writer(self) -> QdrantWriter:
        writer = QdrantWriter(self.qdrant.url, self.qdrant.key, self.collection)
        self.made.append(writer)
        return writer

    def publish(self, points: Sequence[Point] = POINTS, info: IndexInfo = INFO) -> QdrantWriter:
        async def run() -> QdrantWriter:
            writer = self.writer()
            there = await writer.open(info)
            await writer.stage([p for p in points if p.chunk.chunk_id not in there])
            await writer.publish(info, [p.chunk for p in points], FREQUENCIES)
            return writer

        return self.run(run())

    def find(self, dense: Sequence[float] = (1, 0, 0, 0), limit: int = 5) -> Candidates:
        if self.collection not in self.finders:
            self.finders[self.collection] = self.store()
        return self.run(self.finders[self.collection].candidates(dense, ALL_TERMS, limit))

    @contextmanager
    def client(self) -> Iterator[Callable[..., Any]]:
        """What asks the server past the adapter."""
        headers = {"api-key": self.qdrant.key}
        with httpx.Client(base_url=self.qdrant.url, headers=headers) as http:

            def ask(method: str, path: str, **body: Any) -> Any:
                answer = http.request(method, path, json=body or None)
                return answer.raise_for_status().json()["result"]

            yield ask

    def names(self) -> set[str]:
        with self.client() as ask:
            found = [collection["name"] for collection in ask("GET", "/collections")["collections"]]
        return {name for name in found if name.startswith(self.collection)}


async def _run(what: Awaitable[T]) -> T:
    return await what


def operations(up: World) -> list[list[str]]:
    """The kinds of updates that were sent, by request."""
    sent = [r.json() for r in up.qdrant.requests if r.path.endswith("/points/batch")]
    return [[kind for operation in body["operations"] for kind in operation] for body in sent]


def a_name() -> str:
    """Of a collection that no other test has, and no other run on the same server."""
    return f"book-{uuid4().hex}"


@pytest.fixture(scope="module", params=QDRANTS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(qdrant(request.param)) as world:
        yield world
        for made in world.made:
            world.run(made.close())
        world.runner.close()


@pytest.fixture
def up(world: World) -> World:
    world.heal()
    world.collection = a_name()
    return world


# ---------------------------------------------------------------- reading


def test_one_round_trip_brings_everything(up: World) -> None:
    up.publish()
    up.qdrant.forget()
    found = up.find()
    assert len(up.qdrant.requests) == 1
    assert found.info == INFO
    assert found.total == 3
    assert found.document_frequencies == FREQUENCIES
    by_name = {hit.chunk.slug: hit for hit in found.hits}
    assert by_name["docs/one#a"].chunk == POINTS[0].chunk
    assert by_name["docs/one#a"].dense == pytest.approx(1)
    assert by_name["docs/two#a"].dense == pytest.approx(0.8)
    assert by_name["docs/three#a"].dense == pytest.approx(0)
    # ln((N - n + 0.5) / (n + 0.5) + 1), times the weight
    assert by_name["docs/one#a"].sparse == pytest.approx(2 * 0.4700, abs=1e-3)
    assert by_name["docs/two#a"].sparse == pytest.approx(0.9808, abs=1e-3)


def test_hits_of_one_vector_only_have_both_scores(up: World) -> None:
    up.publish()
    found = up.run(
        up.store().candidates([1, 0, 0, 0], SparseVector((TERMS["key"],), (1.0,)), limit=1)
    )
    assert {(hit.chunk.slug, round(hit.dense, 3), hit.sparse > 0) for hit in found.hits} == {
        ("docs/one#a", 1.0, False),
        ("docs/three#a", 0.0, True),
    }
    assert found.document_frequencies == {TERMS["key"]: 1}


def test_a_question_without_terms_is_searched_by_meaning(up: World) -> None:
    up.publish()
    found = up.run(up.store().candidates([0, 0, 1, 0], SparseVector(), 1))
    assert [(hit.chunk.slug, hit.sparse) for hit in found.hits] == [("docs/three#a", 0.0)]
    assert found.document_frequencies == {}


def test_over_plain_http_nothing_is_compressed(up: World) -> None:
    """The last piece of a compressed answer would wait for a delayed acknowledgement."""
    up.qdrant.forget()
    up.publish()
    up.find()
    assert {r.headers["accept-encoding"] for r in up.qdrant.requests} == {"identity"}
    assert "Accept-Encoding" not in headers_for("https://x.cloud.qdrant.io:443", "key")


def test_neighbours_are_in_the_books_order(up: World) -> None:
    up.publish()
    store = up.store()
    assert [c.order_index for c in up.run(store.neighbours(1, 1))] == [0, 1, 2]
    assert [c.order_index for c in up.run(store.neighbours(2, 1))] == [1, 2]


def test_info_is_remembered_for_a_while(up: World) -> None:
    up.publish()
    store = up.store()
    up.qdrant.forget()
    assert up.run(store.info()) == INFO
    assert up.run(store.info()) == INFO
    assert len(up.qdrant.requests) == 1


def test_nothing_indexed_yet(up: World) -> None:
    store = up.store()
    assert up.run(store.info()) is None
    with pytest.raises(IndexMissing, match=r"ingest\.py PATH"):
        up.find()
    with pytest.raises(IndexMissing):
        up.run(store.neighbours(0, 1))


def test_a_vector_of_another_length_says_what_to_run(up: World) -> None:
    up.publish()
    with pytest.raises(IndexMismatch, match=r"2 dimensions: run `python ingest.py PATH`"):
        up.find([1.0, 0.0])


# ---------------------------------------------------------------- an older layout


def older(up: World) -> None:
    payload = {
        "chunk_id": "c1",
        "text": "Old text",
        "source_path": "docs/a.md",
        "slug": "docs/a#b",
        "title": "A",
        "order_index": 3,
    }
    points = [
        {"id": 1, "vector": [1, 0, 0, 0], "payload": payload},
        {"id": 2, "vector": [0, 1, 0, 0], "payload": payload | {"chunk_id": "c2"}},
    ]
    with up.client() as ask:
        ask("PUT", f"/collections/{up.collection}", vectors={"size": 4, "distance": "Cosine"})
        ask("PUT", f"/collections/{up.collection}/points?wait=true", points=points)


def test_an_older_layout_is_searched_as_it_is(up: World, caplog: pytest.LogCaptureFixture) -> None:
    older(up)
    store = up.store()

    async def run() -> None:
        found = await store.candidates([1, 0, 0, 0], ALL_TERMS, 2)
        assert [hit.chunk.chunk_id for hit in found.hits] == ["c1", "c2"]
        assert found.hits[0].dense == pytest.approx(1)
        assert found.hits[0].sparse == 0
        assert found.hits[0].chunk.slug == "docs/a#b"
        assert (found.total, found.info) == (2, IndexInfo("", 4, 2))
        up.qdrant.forget()
        await store.candidates([1, 0, 0, 0], ALL_TERMS, 2)
        assert len(up.qdrant.requests) == 1
        assert await store.neighbours(3, 1) == ()
        with pytest.raises(IndexMismatch):
            await store.candidates([1, 0], ALL_TERMS, 2)

    up.run(run())
    assert caplog.text.count("older layout") == 1
    assert up.run(up.store().info()) == IndexInfo("", 4, 2)


def test_an_older_layout_is_not_written_over(up: World) -> None:
    older(up)
    with pytest.raises(ConfigurationError, match="set another name"):
        up.run(up.writer().open(INFO))


def test_a_strangers_collection_is_not_taken_for_ours(up: World) -> None:
    vectors = {"text": {"size": 4, "distance": "Cosine"}}
    with up.client() as ask:
        ask("PUT", f"/collections/{up.collection}", vectors=vectors)
    assert up.run(up.store().info()) is None
    with pytest.raises(UpstreamRejected):
        up.find()


# ---------------------------------------------------------------- writing


def test_what_is_staged_is_seen_by_nobody(up: World) -> None:
    up.publish(POINTS[:2])
    writer = up.writer()
    up.run(writer.open(INFO))
    up.run(writer.stage(POINTS[2:]))
    assert {hit.chunk.slug for hit in up.find().hits} == {"docs/one#a", "docs/two#a"}
    assert len(up.run(up.store().neighbours(1, 5))) == 2


def test_opening_writes_nothing(up: World) -> None:
    """So a dry run leaves no trace."""
    up.qdrant.forget()
    assert up.run(up.writer().open(INFO)) == {}
    assert {request.method for request in up.qdrant.requests} == {"GET"}
    assert up.names() == set()


def test_an_interrupted_run_is_taken_up_again(up: World) -> None:
    first = up.writer()
    assert up.run(first.open(INFO)) == {}
    up.run(first.stage(POINTS[:2]))
    second = up.writer()
    there = up.run(second.open(INFO))
    assert there == {p.chunk.chunk_id: p.chunk.place for p in POINTS[:2]}
    assert up.run(up.store().info()) is None
    with pytest.raises(IndexMissing):
        up.find()
    up.run(second.stage(POINTS[2:]))
    up.run(second.publish(INFO, [p.chunk for p in POINTS], FREQUENCIES))
    assert len(up.find().hits) == 3


def test_ingesting_twice_changes_nothing(up: World) -> None:
    up.publish()
    before = up.find()
    up.qdrant.forget()
    up.publish()
    assert up.find() == before
    assert not [r for r in up.qdrant.requests if r.path.endswith("/points") and r.method == "PUT"]


def test_edits_moves_and_removals(up: World) -> None:
    up.publish()
    moved = replace(POINTS[0], chunk=replace(POINTS[0].chunk, order_index=9, title="Moved"))
    new = point("four", 0, [0, 0, 0, 1])
    info = replace(INFO, chunks=2, fingerprint="next")
    up.qdrant.forget()
    up.publish([moved, new], info)
    upserts = [r for r in up.qdrant.requests if r.method == "PUT" and r.path.endswith("/points")]
    assert [len(r.json()["points"]) for r in upserts] == [1]  # only the new one is embedded
    found = up.find()
    assert {hit.chunk for hit in found.hits} == {moved.chunk, new.chunk}
    assert found.info == info


def test_a_live_chunk_staged_again_stays_live(up: World) -> None:
    writer = up.publish()
    up.run(writer.stage(POINTS[:1]))
    assert len(up.find().hits) == 3


def test_document_frequencies_are_replaced(up: World) -> None:
    writer = up.publish()
    up.run(writer.publish(INFO, [p.chunk for p in POINTS], {TERMS["host"]: 3}))
    assert up.find().document_frequencies == {TERMS["host"]: 3}


def test_sparse_vectors_are_replaced_without_touching_the_dense(up: World) -> None:
    writer = up.publish()
    before = {hit.chunk.chunk_id: hit for hit in up.find().hits}
    changed = POINTS[0].chunk.chunk_id
    sparse = {changed: replace(POINTS[0].sparse, values=(7.0,) * len(POINTS[0].sparse.values))}
    up.qdrant.forget()
    up.run(writer.publish(INFO, [p.chunk for p in POINTS], FREQUENCIES, sparse))
    assert not [r for r in up.qdrant.requests if r.path.endswith("/points") and r.method == "PUT"]
    after = {hit.chunk.chunk_id: hit for hit in up.find().hits}
    assert after[changed].sparse > before[changed].sparse
    assert replace(after[changed], sparse=before[changed].sparse) == before[changed]
    assert {k: v for k, v in after.items() if k != changed} == {
        k: v for k, v in before.items() if k != changed
    }


def test_publishing_what_was_never_staged_is_an_error(up: World) -> None:
    writer = up.writer()
    up.run(writer.open(INFO))
    with pytest.raises(ValueError, match="not staged"):
        up.run(writer.publish(INFO, [POINTS[0].chunk], {}))


def test_a_collection_has_one_shard(up: World) -> None:
    """On a cluster as well: the server weighs words by shard. Replicas are the operator's."""
    up.qdrant.forget()
    up.publish()
    (made,) = [r.json() for r in up.qdrant.requests if r.path.count("/") == 2 and r.method == "PUT"]
    assert made["shard_number"] == 1
    assert "replication_factor" not in made


def test_a_new_model_is_built_beside_the_old_and_switched_to(up: World) -> None:
    up.publish()
    (old,) = up.names()
    info = replace(INFO, embedding_model="model-b", dimensions=2)
    points = [replace(p, dense=[1.0, 0.5]) for p in POINTS]
    writer = up.writer()
    assert up.run(writer.open(info)) == {}
    up.run(writer.stage(points))
    assert up.find().info == INFO
    assert len(up.names()) == 2
    up.run(writer.publish(info, [p.chunk for p in points], FREQUENCIES))
    assert up.find([1, 0]).info == info
    assert len(up.names()) == 1
    assert old not in up.names()


def test_a_first_publication_is_the_switch_of_the_alias(up: World) -> None:
    up.qdrant.forget()
    up.publish()
    assert operations(up) == [["upsert", "delete"]]  # of document frequencies and the record
    assert len(up.find().hits) == 3


def test_what_an_operators_alias_leads_to_is_served(up: World) -> None:
    """Somebody may read by it."""
    up.publish(POINTS[:2])
    (name,) = up.names()
    alias = f"{up.collection}-too"
    made = {"create_alias": {"alias_name": alias, "collection_name": name}}
    gone = {"delete_alias": {"alias_name": up.collection}}
    with up.client() as ask:
        ask("POST", "/collections/aliases", actions=[made, gone])
    writer = up.writer()
    up.run(writer.open(INFO))
    up.run(writer.stage(POINTS[2:]))
    store = QdrantStore(up.qdrant.url, up.qdrant.key, alias)
    up.made.append(store)
    assert len(up.run(store.candidates([1, 0, 0, 0], ALL_TERMS, 5)).hits) == 2


def test_chunks_that_were_staged_unseen_are_shown(up: World) -> None:
    """Before readers are led to a collection, its chunks may be hidden."""
    first = up.writer()
    up.run(first.open(INFO))
    up.run(first.stage(POINTS))
    (name,) = up.names()
    hidden = {"payload": {"live": False}, "points": [POINTS[0].chunk.chunk_id]}
    with up.client() as ask:
        ask("POST", f"/collections/{name}/points/payload?wait=true", **hidden)
    up.publish()
    assert len(up.find().hits) == 3


def test_opening_reads_no_texts(up: World) -> None:
    up.publish()
    up.qdrant.forget()
    up.run(up.writer().open(INFO))
    (read,) = [r.json() for r in up.qdrant.requests if r.path.endswith("/scroll")]
    marks = {"live", "gone", "switching"}
    assert {*read["with_payload"]} == {"place", "order_index"} | marks


def test_many_chunks_are_published_in_steps(up: World) -> None:
    points = [point(f"n{n}", n, [1, n, 0, 0], port=1.0) for n in range(600)]
    up.publish(points)
    moved = [
        replace(p, chunk=replace(p.chunk, order_index=p.chunk.order_index + 1)) for p in points
    ]
    up.qdrant.forget()
    up.publish(moved[:-1])
    # 599 moved, the last one marked, frequencies and the record, unused buckets; then the last
    # one deleted and the end of the switch
    assert [len(request) for request in operations(up)] == [500, 102, 2]
    store = up.store()
    assert [c.order_index for c in up.run(store.neighbours(599, 3))] == [596, 597, 598, 599]


OLD = [point(f"old{n}", n, [1, n, 0, 0], port=1.0) for n in range(70)]
NEW = [*OLD[:5], *(point(f"new{n}", n, [1, n, 0, 0], port=1.0) for n in range(5, 120))]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_updates, "POINTS", 50)


@pytest.mark.usefixtures("small_steps")
def test_a_request_names_a_bounded_number_of_points(up: World) -> None:
    up.publish(OLD)
    up.qdrant.forget()
    up.publish(NEW)
    # 65 to mark as gone, a bucket and the record, as many buckets as no term uses to delete;
    # 115 to mark as live, 65 to delete, the record
    assert BUCKETS == 512
    assert operations(up) == [
        ["set_payload"],
        ["set_payload", "upsert"],
        *[["delete"]] * 11,
        *[["set_payload"]] * 3,
        *[["delete"]],
        ["delete", "set_payload"],
    ]
    assert len(up.run(up.store().neighbours(60, 100))) == 120


def interrupted(up: World, after: int) -> bool:
    """Publish NEW until `after` updates are done. Return whether it came to an end."""
    writer = up.writer()
    send, done = writer._update, 0

    async def update(*changes: Any) -> None:
        nonlocal done
        for operations in qdrant_updates.requests(chain.from_iterable(changes)):
            if done == after:
                raise KeyboardInterrupt
            done += 1
            await send([(1, 1, operation) for operation in operations])

    async def run() -> bool:
        there = await writer.open(INFO)
        await writer.stage([p for p in NEW if p.chunk.chunk_id not in there])
        writer._update = update  # type: ignore[method-assign]
        try:
            await writer.publish(replace(INFO, chunks=120), [p.chunk for p in NEW], FREQUENCIES)
        except KeyboardInterrupt:
            return False
        return True

    return up.run(run())


@pytest.mark.usefixtures("small_steps")
def test_readers_see_the_old_index_or_the_new_one_at_every_step(
    up: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader from before, and one that starts then."""
    monkeypatch.setattr(qdrant_writer, "BUCKETS", 0)  # saves deleting those that no term uses
    both = [{p.chunk.slug for p in points} for points in (OLD, NEW)]
    seen, after = [], 0
    while True:
        up.collection = a_name()
        up.publish(OLD)
        store = up.store()
        assert len(up.run(store.neighbours(60, 100))) == 70
        ended = interrupted(up, after)
        for reader in (store, up.store()):
            found = up.run(reader.candidates([1, 50, 0, 0], ALL_TERMS, 200))
            near = up.run(reader.neighbours(60, 100))
            slugs = {hit.chunk.slug for hit in found.hits}
            assert slugs in both, after
            assert slugs == {chunk.slug for chunk in near}
            assert found.total == (len(slugs) if slugs == both[1] else INFO.chunks)
        seen.append(both.index(slugs))
        if ended:
            break
        up.publish(OLD[:60])  # completes or takes back what was interrupted
        assert len(up.run(store.neighbours(60, 100))) == 60
        after += 1
    assert seen == sorted(seen)
    assert seen.count(0) >= 2, "before the switch"
    assert seen.count(1) > 3, "after it"


@pytest.mark.usefixtures("small_steps")
def test_what_is_staged_after_an_interrupted_switch_is_seen_by_nobody(up: World) -> None:
    up.publish(OLD)
    assert not interrupted(up, 4)
    store = up.store()
    writer = up.writer()
    up.run(writer.open(INFO))
    up.run(writer.stage(POINTS))
    found = up.run(store.candidates([1, 0, 0, 0], ALL_TERMS, 200))
    assert {hit.chunk.slug for hit in found.hits} == {p.chunk.slug for p in NEW}


def test_an_index_of_an_older_release_is_read_and_published_again(up: World) -> None:
    """Its payloads have no hash of their place, and its record no state."""
    up.publish()
    (name,) = up.names()
    ids = [p.chunk.chunk_id for p in POINTS]
    with up.client() as ask:
        path = f"/collections/{name}/points/payload/delete?wait=true"
        ask("POST", path, keys=["place", "gone"], points=ids)
        ask("POST", path, keys=["switching"], points=[RECORD])
    assert len(up.find().hits) == 3
    writer = up.writer()
    assert up.run(writer.open(INFO)) == dict.fromkeys(ids, "")
    moved = replace(POINTS[0].chunk, slug="moved")
    up.run(writer.publish(INFO, [moved, *(p.chunk for p in POINTS[1:])], FREQUENCIES))
    assert {hit.chunk.slug for hit in up.find().hits} == {"moved", "docs/two#a", "docs/three#a"}


def test_a_request_over_32_mb_breaks_the_connection(up: World) -> None:
    with up.client() as ask, pytest.raises(httpx.TransportError):
        ask("PUT", "/collections/x/points", points="x" * (32 * 2**20))


# ---------------------------------------------------------------- faults


@pytest.fixture
def published(up: World) -> World:
    """A collection that these tests share, because they only read it."""
    up.collection = up.shared
    if not up.names():
        up.publish()
    return up


@pytest.mark.parametrize("fault", [429, 500, 502, 503, "reset", "malformed", "shape", "cut"])
def test_a_passing_fault_is_survived(published: World, fault: Any) -> None:
    published.qdrant.fail(fault)
    assert len(published.find().hits) == 3


@pytest.mark.parametrize("path", ["/collections", "/collections/aliases", "/aliases"])
def test_writing_survives_faults_at_every_step(up: World, path: str) -> None:
    for fault in (500, "reset", "cut"):
        up.qdrant.fail(fault, path=path)
    up.publish(POINTS[:2])
    assert len(up.find().hits) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (429, UpstreamOverloaded),
        (500, UpstreamError),
        (503, UpstreamOverloaded),
        ("reset", UpstreamError),
        ("malformed", UpstreamError),
        ("hang", UpstreamTimeout),
        ("drip", UpstreamTimeout),
    ],
)
def test_lasting_faults_have_a_name(up: World, fault: Any, error: type[UpstreamError]) -> None:
    slow = fault in ("hang", "drip")
    store = up.store(seconds=2.0, attempt_seconds=0.9) if slow else up.store()
    up.qdrant.fail(fault, times=99)
    with pytest.raises(UpstreamError) as caught:
        up.run(store.candidates([1, 0, 0, 0], ALL_TERMS, 5))
    assert type(caught.value) is error
    assert caught.value.service == "qdrant"
    with pytest.raises(UpstreamError):
        up.run(store.info())


def test_retry_after_is_kept(published: World) -> None:
    up = published
    up.qdrant.fail(429, retry_after=1)
    assert len(up.find().hits) == 3
    up.qdrant.fail(429, retry_after="soon")
    assert len(up.find().hits) == 3
    up.qdrant.fail(429, retry_after=60, times=9)
    with pytest.raises(UpstreamOverloaded) as caught:
        up.find()
    assert caught.value.retry_after == 60


def test_a_refused_key_is_final_and_stays_secret(up: World) -> None:
    if not up.qdrant.asks_for_a_key:
        pytest.skip("the server asks for no key")
    store = QdrantStore(up.qdrant.url, "wrong-key-12345", up.collection)
    up.made.append(store)
    with pytest.raises(UpstreamRejected, match="key was refused") as caught:
        up.run(store.info())
    assert "wrong-key-12345" not in f"{caught.value}"


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://x.cloud.qdrant.io", "https://x.cloud.qdrant.io:443"),
        ("https://x.cloud.qdrant.io:6333", "https://x.cloud.qdrant.io:6333"),
        ("http://qdrant", "http://qdrant:6333"),
        ("https://x.example/qdrant", "https://x.example:443/qdrant"),
    ],
)
def test_the_port_that_an_address_means(url: str, uri: str) -> None:
    assert base_url(url) == uri
