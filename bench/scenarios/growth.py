"""Database time by size of the history: a thousand, a hundred thousand and a million turns.

Conversations of ten turns each are inserted into PostgreSQL; then `GET /chat/sessions/{id}`,
`DELETE /chat/sessions/{id}` and a whole chat are timed, forty of each. The ratio compares the
median at a million turns with that at a thousand.
"""

from __future__ import annotations

import asyncio
import http.client
import statistics
import time
from typing import TYPE_CHECKING

from bench.load import chats
from bench.processes import Server, serving, upstreams
from bench.report import Row
from bench.upstreams import Latencies
from rag.adapters.database.postgres import Postgres
from tests.support.postgres import new_database, query, using

if TYPE_CHECKING:
    from bench.__main__ import Bench

SIZES = (1_000, 100_000, 1_000_000)
TIMES = 40
BATCH = 2_000
"""Conversations per statement."""

_FILL = """
/* idempotent */
WITH new AS (
  INSERT INTO book.sessions (session_id, turns)
  SELECT gen_random_uuid(), 10 FROM generate_series(1, :conversations) RETURNING session_id
)
INSERT INTO book.turns
  (session_id, n, request_key, created_at, question, answer, sources, metadata)
SELECT session_id, n, gen_random_uuid(), now(), 'How do I do ' || n || '?',
  repeat('It is done like this. ', 10), '[]', '{"tokens_used": 900}'
FROM new, generate_series(1, 10) n
"""


def run(bench: Bench) -> list[Row]:
    spent: dict[tuple[str, int], float] = {}
    with new_database(bench.database_url) as url, upstreams(Latencies()) as up:
        settings = bench.settings(up) | {"DATABASE_URL": url}
        with serving("service", settings) as server:
            asyncio.run(chats(server, 1, 20))  # creates the tables
            stored = 0
            for size in SIZES:
                using(url, lambda db, more=size - stored: _fill(db, more))  # type: ignore[misc]
                query(url, "ANALYZE book.turns")
                stored = size
                ids = [
                    row[0]
                    for row in query(
                        url,
                        "SELECT session_id FROM book.sessions WHERE turns = 10 "
                        "ORDER BY random() LIMIT :count",
                        count=TIMES,
                    )
                ]
                spent["history", size] = _timed(server, "GET", ids)
                spent["chat", size] = asyncio.run(chats(server, 1, TIMES)).p50()
                spent["delete", size] = _timed(server, "DELETE", ids)
    least, *_, most = SIZES
    return [
        Row(what, spent[name, most], "ms", "a thousand turns", spent[name, least], goal)
        for what, name, goal in (
            ("history with a million turns", "history", 1.5),
            ("delete with a million turns", "delete", 1.5),
            ("chat with a million turns", "chat", None),
        )
    ] + [
        Row("history with a hundred thousand", spent["history", SIZES[1]]),
        Row("delete with a hundred thousand", spent["delete", SIZES[1]]),
    ]


async def _fill(db: Postgres, turns: int) -> None:
    conversations = turns // 10
    while conversations > 0:
        await db.run(_FILL, conversations=min(BATCH, conversations))
        conversations -= BATCH


def _timed(server: Server, method: str, ids: list[str]) -> float:
    """Return the median milliseconds of a request per conversation."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    times = []
    for session_id in ids:
        began = time.perf_counter()
        connection.request(method, f"/chat/sessions/{session_id}")
        response = connection.getresponse()
        response.read()
        times.append((time.perf_counter() - began) * 1000)
        assert response.status == 200, response.status
    connection.close()
    return statistics.median(times)
