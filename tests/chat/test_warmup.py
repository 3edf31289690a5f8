"""The question that the service asks itself: it makes ready, costs nothing, harms nothing."""

from __future__ import annotations

import asyncio

from rag.chat.warmup import warm_up
from rag.environment import load_settings
from rag.providers import Clients
from tests.support.postgres import query
from tests.upstreams import Upstreams


def warm_up_once(environ: dict[str, str]) -> None:
    async def body() -> None:
        clients = Clients(load_settings(environ))
        try:
            await warm_up(clients)
        finally:
            await clients.close()

    asyncio.run(body())


def test_it_searches_and_makes_the_tables_but_pays_for_nothing(
    upstreams: Upstreams, database_url: str
) -> None:
    for up in (upstreams.cohere, upstreams.openai, upstreams.qdrant):
        up.requests.clear()
    warm_up_once(upstreams.environ() | {"DATABASE_URL": database_url, "RERANK": "on"})
    assert upstreams.qdrant.requests[-1].path.endswith("/points/query/batch")
    assert query(database_url, "SELECT count(*) FROM book.days") == [(0,)]
    assert not upstreams.cohere.requests
    assert not upstreams.openai.requests


def test_what_fails_is_left_for_the_first_question(
    upstreams: Upstreams, unused_tcp_port: int
) -> None:
    upstreams.qdrant.fail(403, times=99)
    nowhere = f"postgresql://book@127.0.0.1:{unused_tcp_port}/book"
    warm_up_once(upstreams.environ() | {"DATABASE_URL": nowhere})
    assert upstreams.qdrant.requests
