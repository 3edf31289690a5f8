"""Rate limits, daily budgets, and each reader's share of them, counted in PostgreSQL.

Rates use the generic cell rate algorithm (ITU-T I.371). Each key has one timestamp, the time when
its past requests are paid off. A request is admitted if this time is not too far in the future for
the burst. The clock is the database's, so the limits are exact for any number of processes.

Each key also has a share of the day's budgets. A request that is within its rate but over its share
is answered without what it would have cost, and other readers keep the rest of the budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import NamedTuple

from rag.conversations.migrations import UPKEEP_DUE
from rag.conversations.rate_limit_keys import Key
from rag.errors import RateLimited
from rag.interfaces import Database

_UNLIMITED = 2**50


class Cost(NamedTuple):
    """What a request may cost, or has cost."""

    questions: int = 0
    """Questions and searches that may use a paid model."""
    tokens: int = 0
    """Tokens of the chat model."""
    calls: int = 0
    """Paid calls for embeddings and reranking."""
    bytes: int = 0
    """Size of the saved turn."""


NOTHING = Cost()
QUESTION = Cost(questions=1)


class Exceeded(IntEnum):
    """Which limit keeps a cost from being reserved."""

    NOTHING = 0
    SHARE = 1
    """The share of the reader or of the conversation."""
    DAY = 2
    """The day's budget of all readers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits to apply. None means unlimited."""

    per_minute: float = 20.0
    """Sustained requests per minute and key."""
    burst: int = 40
    """Requests per key that may arrive at once. The default is two minutes' worth: an active reader
    whose page retries may send 35 requests in two minutes, in any pattern."""
    daily_questions: int | None = None
    daily_tokens: int | None = None
    daily_calls: int | None = None
    daily_bytes: int | None = None
    share: float = 1.0
    """Part of each daily limit that one key may use. One request passes even if it needs more."""

    def daily(self) -> Cost:
        """Return the daily limits."""
        limits = (self.daily_questions, self.daily_tokens, self.daily_calls, self.daily_bytes)
        return Cost(*(_UNLIMITED if limit is None else limit for limit in limits))

    def shares(self, cost: Cost) -> Cost:
        """Return the share of a key of weight 1, which is never less than one request's `cost`."""
        both = zip(self.daily(), cost, strict=True)
        return Cost(*(max(int(limit * self.share), least) for limit, least in both))


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted request, and what has been reserved for it."""

    day: date
    """The day (UTC) that it is charged to."""
    reserved: Cost = NOTHING
    """Without the parts that are over a limit."""
    model: Exceeded = Exceeded.NOTHING
    """Whether questions and tokens are over a limit. If so, neither has been reserved."""
    calls: Exceeded = Exceeded.NOTHING
    bytes: Exceeded = Exceeded.NOTHING
    keys: tuple[Key, ...] = field(default=(), compare=False)
    """What it was counted under."""
    upkeep_due: bool = False
    """Whether expired rows should be deleted now. True about once an hour."""
    in_memory: bool = field(default=False, compare=False)
    """Whether it was counted only in this process."""

    @property
    def within_budget(self) -> bool:
        """Whether the chat model and the reranker may be used."""
        return self.model is Exceeded.NOTHING


# The comment keeps this from being retried like a SELECT: a request must not be counted twice.
_ADMIT = f"""
/* once */ SELECT today, model, calls, bytes, refused, wait, {UPKEEP_DUE} FROM book.admit(
  :keys::uuid[], :weights::integer[], :tick::interval, :burst::interval, :day::date,
  :cost::bigint[], :daily::bigint[], :share::bigint[]
)
"""  # noqa: S608 (a constant)

_SETTLE = "/* once */ SELECT book.charge(:keys::uuid[], :day::date, :more::bigint[])"


async def admit(
    db: Database, keys: Sequence[Key], limits: Limits, cost: Cost = QUESTION
) -> Admission:
    """Count one request under each of `keys` and reserve its `cost`.

    Keys must come in the same order everywhere: addresses, networks from small to large, sessions.
    Raises RateLimited, with the seconds to wait, if a key is over its rate; nothing is charged
    then. What is over a share or a daily limit is not reserved, and the result says so.
    """
    interval = 60.0 / limits.per_minute
    admission, refused, wait = await _run(db, keys, limits, cost, limits.shares(cost))
    if refused:
        # Concurrent requests may have changed the timestamp, so the wait may not be positive.
        raise RateLimited(retry_after=max(wait or interval, 0.1))
    return admission


async def reserve(db: Database, admission: Admission, limits: Limits, tokens: int) -> Admission:
    """Raise the reservation of an admitted question to `tokens`. Charges no rate.

    If that many are not left, the result is over a limit, and keeps its earlier reservation.
    """
    cost = _lacking(admission, tokens)
    if not any(cost):
        return admission
    share = limits.shares(Cost(1, tokens))
    more, _, _ = await _run(db, admission.keys, limits, cost, share, admission.day)
    return _extended(admission, more)


def _lacking(admission: Admission, tokens: int) -> Cost:
    """Return what the reservation lacks for one question with `tokens`."""
    reserved = admission.reserved
    return Cost(max(0, 1 - reserved.questions), max(0, tokens - reserved.tokens))


def _extended(admission: Admission, more: Admission) -> Admission:
    reserved = Cost(*map(sum, zip(admission.reserved, more.reserved, strict=True)))
    return replace(admission, model=more.model, reserved=reserved)


async def _run(
    db: Database,
    keys: Iterable[Key],
    limits: Limits,
    cost: Cost,
    share: Cost,
    day: date | None = None,
) -> tuple[Admission, bool, float | None]:
    """Return the admission, whether the rate is exceeded, and the seconds to wait.

    With a `day`, the cost is added to one that has been admitted on that day.
    """
    keys, interval = tuple(dict.fromkeys(keys)), 60.0 / limits.per_minute
    (row,) = await db.run(
        _ADMIT,
        keys=[key.name for key in keys],
        weights=[key.weight for key in keys],
        tick=f"{0.0 if day else interval:.6f} seconds",
        burst=f"{interval * limits.burst:.6f} seconds",
        day=day,
        cost=list(cost),
        daily=list(limits.daily()),
        share=list(share),
    )
    today, model, calls, size, refused, wait, due = row
    over = Exceeded(model), Exceeded(calls), Exceeded(size)
    return replace(_admission(today, cost, over, keys), upkeep_due=due), refused, wait


def _admission(
    day: date,
    cost: Cost,
    over: tuple[Exceeded, Exceeded, Exceeded],
    keys: tuple[Key, ...],
) -> Admission:
    model, calls, size = over
    reserved = Cost(
        0 if model else cost.questions,
        0 if model else cost.tokens,
        0 if calls else cost.calls,
        0 if size else cost.bytes,
    )
    return Admission(day, reserved, model, calls, size, keys)


async def settle(db: Database, admission: Admission, used: Cost) -> None:
    """Replace what was reserved by what was actually used."""
    more = _difference(used, admission.reserved)
    if any(more):
        names = [key.name for key in admission.keys]
        await db.run(_SETTLE, keys=names, day=admission.day, more=more)


def _difference(used: Cost, reserved: Cost) -> list[int]:
    return [a - b for a, b in zip(used, reserved, strict=True)]


async def used_today(db: Database) -> Cost:
    """Return what has been charged today (UTC)."""
    rows = await db.run(
        "SELECT questions, tokens, calls, bytes FROM book.days"
        " WHERE day = (now() AT TIME ZONE 'UTC')::date"
    )
    return Cost(*map(int, rows[0])) if rows else NOTHING


@dataclass(slots=True)
class _Row:
    """What is counted under one key, or for all readers together."""

    free_at: float = 0.0
    day: date = date.min
    used: Cost = NOTHING


class MemoryLimits:
    """The same limits in the memory of one process, for use while PostgreSQL is unavailable."""

    MAX_KEYS = 10_000

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._all = _Row()

    def admit(self, keys: Sequence[Key], limits: Limits, cost: Cost = QUESTION) -> Admission:
        """Like the function `admit`."""
        now, keys = time.monotonic(), tuple(dict.fromkeys(keys))
        interval = 60.0 / limits.per_minute
        latest = now + interval * limits.burst
        free = {}
        for key in keys:
            row = self._rows.get(key.name)
            free[key.name] = max(row.free_at if row else now, now) + interval / key.weight
            if free[key.name] > latest + 1e-9:
                raise RateLimited(retry_after=free[key.name] - latest)
        for name, free_at in free.items():
            self._rows.setdefault(name, _Row()).free_at = free_at
            self._prune(now)
        return self._book(keys, limits, cost, limits.shares(cost))

    def reserve(self, admission: Admission, limits: Limits, tokens: int) -> Admission:
        """Like the function `reserve`."""
        cost, share = _lacking(admission, tokens), limits.shares(Cost(1, tokens))
        if not any(cost):
            return admission
        return _extended(admission, self._book(admission.keys, limits, cost, share))

    def settle(self, admission: Admission, used: Cost) -> None:
        """Like the function `settle`."""
        self._charge(admission.keys, admission.day, _difference(used, admission.reserved))

    def _book(self, keys: tuple[Key, ...], limits: Limits, cost: Cost, share: Cost) -> Admission:
        today, counted = datetime.now(UTC).date(), self._counted(keys)
        for row, _ in counted:
            if row.day != today:
                row.day, row.used = today, NOTHING
        self._charge(keys, today, cost)
        daily = limits.daily()

        def exceeded(n: int) -> Exceeded:
            if cost[n] and self._all.used[n] > daily[n]:
                return Exceeded.DAY
            over = cost[n] and any(row.used[n] > share[n] * by for row, by in counted if by)
            return Exceeded.SHARE if over else Exceeded.NOTHING

        groups = max(exceeded(0), exceeded(1)), exceeded(2), exceeded(3)
        booked = _admission(today, cost, groups, keys)
        self._charge(keys, today, _difference(booked.reserved, cost))
        return replace(booked, in_memory=True)

    def _counted(self, keys: Iterable[Key]) -> list[tuple[_Row, int]]:
        """Return the row of all readers, with weight 0, and those of `keys`, with their weights."""
        rows = ((self._rows.get(key.name), key.weight) for key in keys)
        return [(self._all, 0), *((row, weight) for row, weight in rows if row)]

    def _charge(self, keys: Iterable[Key], day: date, more: Sequence[int]) -> None:
        for row, _ in self._counted(keys):
            if row.day == day:
                row.used = Cost(*(max(0, a + b) for a, b in zip(row.used, more, strict=True)))

    def _prune(self, now: float) -> None:
        """Limit the number of keys: drop those that are paid off, then the oldest."""
        if len(self._rows) <= self.MAX_KEYS:
            return
        today = datetime.now(UTC).date()
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if row.free_at > now or (row.day == today and any(row.used))
        }
        while len(self._rows) > self.MAX_KEYS:
            del self._rows[next(iter(self._rows))]
