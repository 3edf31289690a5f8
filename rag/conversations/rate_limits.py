"""Rate limits per reader and daily budgets, counted in PostgreSQL.

Rates use the generic cell rate algorithm (ITU-T I.371). Each key has one timestamp, the time when
its past requests are paid off. A request is admitted if this time is not too far in the future for
the burst. The clock is the database's, so the limits are exact for any number of processes.

Readers are counted by keyed hashes of their addresses, which change every day.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from rag.errors import RateLimited
from rag.interfaces import Database


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


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted request."""

    day: date
    """The day (UTC) that it is charged to."""
    within_budget: bool
    """Whether the tokens were within the daily budget and have been reserved."""
    tokens: int
    """Number of reserved tokens."""
    upkeep_due: bool = False
    """Whether expired rows should be deleted now. True about once an hour."""
    in_memory: bool = field(default=False, compare=False)
    """Whether it was counted only in this process."""


def client_key(secret: str, address: str, today: date | None = None) -> str:
    """Return the key of a client's address: a keyed hash that changes every day (UTC).

    An IPv6 address is reduced to its /64 network, the smallest that a household gets.
    """
    try:
        ip = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        net = address
    else:
        if isinstance(ip, ipaddress.IPv6Address):
            mapped = ip.ipv4_mapped
            ip = mapped or ipaddress.IPv6Network((ip, 64), strict=False).network_address
        net = str(ip)
    return _key(secret, "client", str(today or datetime.now(UTC).date()), net)


def session_key(secret: str, session_id: str) -> str:
    """Return the key of a session, a keyed hash of its id."""
    return _key(secret, "session", session_id)


def _key(secret: str, *parts: str) -> str:
    message = "\0".join(parts).encode("utf-8", "replace")
    digest = hmac.digest(secret.encode("utf-8", "replace"), message, "sha256")
    return str(uuid.UUID(bytes=digest[:16]))


# The comment keeps this from being retried like a SELECT: a request must not be counted twice.
_ADMIT = """
/* once */ SELECT today, booked, refused, wait, upkeep_due FROM book.admit(
  :keys::uuid[], :interval::interval, :burst::interval, :questions::bigint, :tokens::bigint,
  :daily_questions::bigint, :daily_tokens::bigint
)
"""

_SETTLE = """
UPDATE book.days SET tokens = greatest(0, tokens + :more::bigint)
FROM set_config('synchronous_commit', 'off', true)
WHERE day = :day
"""


async def admit(
    db: Database, keys: Sequence[str], limits: Limits, *, questions: int = 1, tokens: int = 0
) -> Admission:
    """Count one request under each of `keys` and reserve `tokens` of the daily budget.

    With `questions=0`, only the rate is checked. Raises RateLimited, with the seconds to wait, if a
    key is over its rate; the keys before it have been charged. If the budget is used up, nothing is
    reserved and `within_budget` is False.
    """
    interval = 60.0 / limits.per_minute
    (row,) = await db.run(
        _ADMIT,
        keys=list(dict.fromkeys(keys)),
        interval=f"{interval:.6f} seconds",
        burst=f"{interval * limits.burst:.6f} seconds",
        questions=questions,
        tokens=tokens,
        daily_questions=limits.daily_questions,
        daily_tokens=limits.daily_tokens,
    )
    day, booked, refused, wait, due = row
    if refused:
        # Concurrent requests may have changed the timestamp, so the wait may not be positive.
        raise RateLimited(retry_after=max(wait or interval, 0.1))
    within_budget = booked or not questions
    return Admission(day, within_budget, tokens if within_budget else 0, upkeep_due=due)


async def settle(db: Database, admission: Admission, tokens: int) -> None:
    """Replace the reserved tokens by the number actually used."""
    if tokens != admission.tokens:
        await db.run(
            _SETTLE,
            more=tokens - admission.tokens,
            day=admission.day,
        )


async def used_today(db: Database) -> tuple[int, int]:
    """Return the questions and tokens charged today (UTC)."""
    rows = await db.run(
        "SELECT questions, tokens FROM book.days WHERE day = (now() AT TIME ZONE 'UTC')::date"
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


class MemoryLimits:
    """Rate limits in the memory of one process, for use while PostgreSQL is unavailable."""

    MAX_KEYS = 10_000

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}
        self._day = date.min
        self._questions = 0
        self._tokens = 0

    def admit(
        self, keys: Sequence[str], limits: Limits, *, questions: int = 1, tokens: int = 0
    ) -> Admission:
        """Like the function `admit`."""
        now = time.monotonic()
        interval = 60.0 / limits.per_minute
        for key in dict.fromkeys(keys):
            free_at = max(self._free_at.get(key, now), now) + interval
            if free_at > now + interval * limits.burst + 1e-9:
                raise RateLimited(retry_after=free_at - now - interval * limits.burst)
            self._free_at[key] = free_at
            self._prune(now)
        return self._book(limits, questions, tokens)

    def settle(self, admission: Admission, tokens: int) -> None:
        """Like the function `settle`."""
        if admission.day == self._day:
            self._tokens = max(0, self._tokens + tokens - admission.tokens)

    def _book(self, limits: Limits, questions: int, tokens: int) -> Admission:
        today = datetime.now(UTC).date()
        if today != self._day:
            self._day, self._questions, self._tokens = today, 0, 0
        asked, used = self._questions + questions, self._tokens + tokens
        if questions and (
            (limits.daily_questions is not None and asked > limits.daily_questions)
            or (limits.daily_tokens is not None and used > limits.daily_tokens)
        ):
            return Admission(today, False, 0, in_memory=True)
        self._questions, self._tokens = asked, used
        return Admission(today, True, tokens, in_memory=True)

    def _prune(self, now: float) -> None:
        """Limit the number of keys: drop those that are paid off, then the oldest."""
        if len(self._free_at) <= self.MAX_KEYS:
            return
        self._free_at = {key: at for key, at in self._free_at.items() if at > now}
        while len(self._free_at) > self.MAX_KEYS:
            del self._free_at[next(iter(self._free_at))]
