"""The index in a Qdrant server: whoever writes it may be killed, or refused, at any moment."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from rag.errors import UpstreamError
from rag.models import IndexInfo
from tests.adapters.test_edge_processes import output, wait_for, worker
from tests.support.index_worker import open_index, read, write
from tests.upstreams import Upstreams
from tests.upstreams.qdrant import Qdrant
from tests.upstreams.qdrant_server import QDRANTS, Forwarded, qdrant

COUNT = 150
"""Chunks of a book: two calls."""


class World(Upstreams):
    def __init__(self, qdrant: Qdrant | Forwarded) -> None:
        super().__init__(qdrant=qdrant)
        self.name = f"book-{uuid4().hex}"
        """Of the collection."""

    @property
    def where(self) -> str:
        return f"{self.qdrant.url}#{self.name}"

    def info(self) -> IndexInfo | None:
        async def look() -> IndexInfo | None:
            store, writer = open_index(self.where)
            found = await store.info()
            await store.close()
            await writer.close()
            return found

        return asyncio.run(look())

    def collections(self) -> list[str]:
        headers = {"api-key": self.qdrant.key}
        found = httpx.get(f"{self.qdrant.url}/collections", headers=headers).json()["result"]
        names = [collection["name"] for collection in found["collections"]]
        return [name for name in names if name.startswith(self.name)]


@pytest.fixture(params=QDRANTS)
def up(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(qdrant(request.param)) as up:
        yield up


@pytest.mark.parametrize("model", ["hash", "other"])
def test_killed_at_any_moment(up: World, model: str) -> None:
    """Each time the old index or the new one serves; another model gets a collection beside."""
    rng = random.Random(model)
    url = up.where
    asyncio.run(write(url, "m0", COUNT, 0))
    for _ in range(2):
        with worker("write", url, "m1", COUNT, 0.02, model) as process:
            wait_for(process, "started")
            time.sleep(rng.uniform(0, 1.5))  # from the first request to the end of publishing
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        asyncio.run(read(url))
        serving = up.info()
        assert serving is not None
        assert serving.book_title in ("m0", "m1")
    asyncio.run(write(url, "m1", COUNT, 0, model))
    asyncio.run(read(url, "m1"))
    assert len(up.collections()) == 1, "nothing is left of the old index and of attempts"


def test_what_was_staged_before_a_kill_is_found_again(up: World) -> None:
    with worker("write", up.where, "m1", 400, 0.3) as process:
        wait_for(process, "embedded")
        wait_for(process, "embedded")
        wait_for(process, "embedded")  # so the first has been staged: two are under way at most
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert up.info() is None
    with worker("write", up.where, "m1", 400, 0) as process:
        lines = output(process)
    embedded = [int(line.split()[1]) for line in lines if line.startswith("embedded")]
    assert 0 < sum(embedded) <= 400 - 96


def test_a_full_cluster_leaves_the_old_index_serving(up: World) -> None:
    """Refused while staging, and again while publishing."""
    url = up.where
    asyncio.run(write(url, "m0", COUNT, 0))
    before = up.info()
    collection = f"/collections/{up.collections()[0]}/points"
    full = {"status": {"error": "Wrong input: the storage quota of this cluster is used up"}}
    for path in (f"{collection}$", f"{collection}/batch"):
        up.qdrant.fail(400, path=path, times=99, body=full)
        with pytest.raises(UpstreamError, match="quota"):
            asyncio.run(write(url, "m1", COUNT, 0))
        up.qdrant.heal()
        asyncio.run(read(url, "m0"))
        assert up.info() == before
    asyncio.run(write(url, "m1", COUNT, 0))
    asyncio.run(read(url, "m1"))
