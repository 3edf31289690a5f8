"""Simulate readers who chat without pause, and check the history against a ledger.

A turn that was acknowledged (`done`, or the plain answer, with `saved`) must be in the history
exactly once, with the same content and session, unless the reader deleted it. An interrupted
turn may be there, but only once and complete. Nothing else may be there.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.postgres import query

ABOUT = ("How do I delete a conversation?", "Which port is used?", "How do I deploy on Lambda?")

UNLIMITED = {
    "RATE_PER_MINUTE": "1000000",
    "RATE_BURST": "1000000",
    "DAILY_TOKEN_BUDGET": "900000000",
    "DAILY_QUESTION_BUDGET": "900000000",
}
"""Settings for readers much faster than real ones."""


def unique(question: str, n: int) -> str:
    """Make the n-th variant of a question: different text, the same for search."""
    return question + f"{n:b}".replace("0", "!").replace("1", "?")


@dataclass(eq=False)
class Asked:
    """A question and its outcome."""

    question: str
    session_id: str | None
    """The id that was sent; None starts a conversation."""
    after: int = 0
    """The last turn of the session acknowledged before."""
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    seen: str | None = None
    """The session of an interrupted answer."""
    done: dict[str, Any] | None = None


class Kept(NamedTuple):
    """A row of the history."""

    session_id: str
    n: int
    question: str
    answer: str
    sources: list[dict[str, Any]]


class Ledger:
    """All questions, and the answers that readers received."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.deleted: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._last: dict[str, int] = {}

    def ask(self, about: str, session_id: str | None) -> Asked:
        after = self._last.get(session_id or "", 0)
        self.asked.append(Asked(unique(about, len(self.asked)), session_id, after))
        return self.asked[-1]

    def acknowledge(self, asked: Asked, done: dict[str, Any]) -> str:
        """Record an answer and return its session id."""
        asked.done = done
        self.counts["acknowledged"] += 1
        session_id: str = done["session_id"]
        self._last[session_id] = max(self._last.get(session_id, 0), done["metadata"]["turn"])
        return session_id

    @property
    def acknowledged(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.done]

    async def more(self, what: str, count: int = 10, seconds: float = 180) -> None:
        """Wait until `what` has been counted `count` more times."""
        wanted = self.counts[what] + count
        async with asyncio.timeout(seconds):
            while self.counts[what] < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def balance(self, database_url: str) -> list[str]:
        """Return every error in the history, one per line."""
        rows = [
            Kept(str(row[0]), *row[1:])
            for row in query(
                database_url,
                "SELECT session_id, n, question, answer, sources FROM book.turns "
                "ORDER BY session_id, n",
            )
        ]
        counted = query(database_url, "SELECT session_id, turns FROM book.sessions")
        return [
            *self._compare(rows),
            *_numbering(rows, {str(session_id): turns for session_id, turns in counted}),
        ]

    def _compare(self, rows: list[Kept]) -> list[str]:
        wrong = []
        kept: dict[str, list[Kept]] = defaultdict(list)
        for row in rows:
            kept[row.question].append(row)
            if row.session_id in self.deleted:
                wrong.append(f"not deleted: {row}")
        for asked in self.asked:
            found = kept.pop(asked.question, [])
            if len(found) > 1:
                wrong.append(f"doubled: {found}")
            if asked.done is None:
                whole = (".", "]", "\n```")  # ends of a sentence, a citation, quoted code
                wrong += [f"torn: {row}" for row in found if not row.answer.endswith(whole)]
                continue
            told = asked.done
            if not found:
                if told["session_id"] not in self.deleted:
                    wrong.append(f"lost: {asked}")
                continue
            row = found[0]
            if row.session_id == asked.session_id and row.n <= asked.after:
                wrong.append(f"out of order: {row} after turn {asked.after}")
            if (row.session_id, row.n) != (told["session_id"], told["metadata"]["turn"]):
                wrong.append(f"misplaced: {row} instead of {told}")
            if row.answer != told["message"] or row.sources != told["sources"]:
                wrong.append(f"torn: {row} instead of {told}")
        return wrong + [f"never asked: {rows}" for rows in kept.values()]


def _numbering(rows: list[Kept], sessions: dict[str, int]) -> list[str]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        numbers[row.session_id].append(row.n)
    return [
        f"session {session_id} counts {turns} turns and has {numbers.get(session_id)}"
        for session_id, turns in sessions.items()
        if numbers.get(session_id) != list(range(1, turns + 1))
    ]


@dataclass
class Habits:
    """Probabilities of a reader's actions, from 0 to 1."""

    streams: float = 0.75
    gives_up: float = 0.1
    """Gives up after an interrupted answer; otherwise repeats the request."""
    leaves: float = 0.0
    """Disconnects during an answer."""
    asks_twice_at_once: float = 0.15
    deletes: float = 0.0
    wanders: float = 0.0
    """Reads the history, searches, rates, sends invalid requests."""
    thinks: float = 0.0
    """Seconds between questions, on average."""


class Reader:
    """A simulated reader. `heard` is called for every event of every answer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        ledger: Ledger,
        seed: int,
        habits: Habits,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self.http = http
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.habits = habits
        self.heard = heard
        self.stopping = False

    async def read(self) -> None:
        """Chat until `stopping`."""
        while not self.stopping:
            await self.converse()

    async def converse(self) -> None:
        session: str | None = None
        for _ in range(self.chance.randint(1, 5)):
            if self.stopping:
                return
            about = self.chance.choice(ABOUT)
            await asyncio.sleep(self.chance.uniform(0, 2 * self.habits.thinks))
            if session and self._does(self.habits.asks_twice_at_once):
                both = (self.ask(about, session), self.ask(f"Also: {about}", session))
                session, _ = await asyncio.gather(*both)
            else:
                session = await self.ask(about, session)
            if session and self._does(self.habits.wanders):
                await self._wander(session)
        if session and self._does(self.habits.deletes):
            response = await self.http.delete(f"/chat/sessions/{session}")
            self.ledger.counts[f"delete {response.status_code}"] += 1
            if response.status_code == 200:
                self.ledger.deleted.add(session)

    async def ask(self, about: str, session_id: str | None) -> str | None:
        """Ask until an answer is saved or this reader gives up."""
        asked = self.ledger.ask(about, session_id)
        while True:
            done = await self._attempt(asked)
            if done and done["metadata"]["saved"]:
                return self.ledger.acknowledge(asked, done)
            if done:
                self.ledger.counts["not saved"] += 1
            if self.stopping or self._does(self.habits.gives_up):
                self.ledger.counts["given up"] += 1
                return asked.seen or session_id
            await asyncio.sleep(self.chance.uniform(0.01, 0.1))

    async def _attempt(self, asked: Asked) -> dict[str, Any] | None:
        body: dict[str, Any] = {"message": asked.question}
        if asked.session_id:
            body["session_id"] = asked.session_id
        headers = {"Idempotency-Key": asked.key}
        try:
            if self._does(self.habits.streams):
                return await self._stream(asked, body, headers)
            response = await self.http.post("/chat", json=body, headers=headers)
        except httpx.TransportError as error:
            self.ledger.counts[type(error).__name__] += 1
            return None
        self.heard()
        if response.status_code != 200:
            self.ledger.counts[f"status {response.status_code}"] += 1
            return None
        answer: dict[str, Any] = response.json()
        return answer

    async def _stream(
        self, asked: Asked, body: dict[str, Any], headers: dict[str, str]
    ) -> dict[str, Any] | None:
        headers |= {"Accept": "text/event-stream"}
        leave_after = self.chance.randint(1, 8) if self._does(self.habits.leaves) else 0
        async with self.http.stream("POST", "/chat", json=body, headers=headers) as response:
            if response.status_code != 200:
                self.ledger.counts[f"status {response.status_code}"] += 1
                return None
            name, events = "", 0
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                    events += 1
                    self.heard()
                elif line.startswith("data: "):
                    data: dict[str, Any] = json.loads(line[6:])
                    if name == "session":
                        asked.seen = data["session_id"]
                    if name == "done":
                        return data
                    if name == "error":
                        self.ledger.counts["error event"] += 1
                        return None
                    if events == leave_after:
                        self.ledger.counts["left"] += 1
                        return None
        self.ledger.counts["ended without done"] += 1
        return None

    async def _wander(self, session: str) -> None:
        path = f"/chat/sessions/{session}"
        response = await self.http.get(path, params={"limit": self.chance.randint(1, 3)})
        self.ledger.counts[f"history {response.status_code}"] += 1
        await self.http.post(f"{path}/turns/1/feedback", json={"rating": 1, "comment": "Thanks"})
        await self.http.post("/search", json={"query": self.chance.choice(ABOUT)})
        await self.http.post("/chat", content=b"{", headers={"Content-Type": "application/json"})
        await self.http.get("/config")

    def _does(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood


@asynccontextmanager
async def crowd(
    url: str,
    ledger: Ledger,
    size: int = 8,
    habits: Habits | None = None,
    heard: Callable[[], None] = lambda: None,
    seed: int = 1,
) -> AsyncIterator[None]:
    """Run readers who chat at `url` during the block; then let them finish."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        readers = [
            Reader(http, ledger, seed * 1000 + n, habits or Habits(), heard) for n in range(size)
        ]
        tasks = [asyncio.create_task(reader.read()) for reader in readers]
        try:
            yield
        finally:
            for reader in readers:
                reader.stopping = True
            await asyncio.wait_for(asyncio.gather(*tasks), 120)
