"""How much may be asked: a rate per reader and a budget per day, counted in PostgreSQL.

The rate is the generic cell rate algorithm (ITU-T I.371): one timestamp a key says when the
key will have paid for what it has used. A request is admitted while that lies no further in
the future than the burst allows. Time is the database's; whatever number of processes count
together, none admits one request too many.

Readers are counted under keyed hashes of their addresses that change every day.
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
    """What is allowed. None: without limit."""

    per_minute: float = 20.0
    """Requests that one key may make, in the long run."""
    burst: int = 40
    """Requests that one key may make at once after a pause. Two minutes' worth by default: 35
    within two minutes, in whatever pattern, are a lively reader whose page tries again."""
    daily_questions: int | None = None
    daily_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that is within the rate."""

    day: date
    """The day, in UTC, that it is booked on."""
    within_budget: bool
    """Whether `tokens` were set aside; otherwise the day's budget does not cover them."""
    tokens: int
    """How many were set aside."""
    upkeep_due: bool = False
    """Whether old rows should be deleted now; asked for about once an hour."""
    in_memory: bool = field(default=False, compare=False)
    """Whether it was counted by this process alone."""


def client_key(secret: str, address: str, today: date | None = None) -> str:
    """A key for a client's address: a hash under `secret` that is another one every day (UTC).

    An IPv6 address counts as its /64, the smallest net that one household has.
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
    """A key for a session, which its id cannot be told from."""
    return _key(secret, "session", session_id)


def _key(secret: str, *parts: str) -> str:
    message = "\0".join(parts).encode("utf-8", "replace")
    digest = hmac.digest(secret.encode("utf-8", "replace"), message, "sha256")
    return str(uuid.UUID(bytes=digest[:16]))


# Not beginning with SELECT: what is counted must not be counted again where its answer is lost.
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
    """Count one request under each of `keys` and set `tokens` of the day's budget aside.

    `questions` is 0 for a request that asks no question: it is counted against the rate only.
    Raises RateLimited, with the seconds to wait, where one of the keys is over its rate; the
    keys before it in the list are charged nevertheless. Over the budget nothing is booked and
    `within_budget` is False.
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
        # Others may have been charged since the statement began: the wait is at least a bit.
        raise RateLimited(retry_after=max(wait or interval, 0.1))
    within_budget = booked or not questions
    return Admission(day, within_budget, tokens if within_budget else 0, upkeep_due=due)


async def settle(db: Database, admission: Admission, tokens: int) -> None:
    """Replace what was set aside by the `tokens` that were really used."""
    if tokens != admission.tokens:
        await db.run(
            _SETTLE,
            more=tokens - admission.tokens,
            day=admission.day,
        )


async def used_today(db: Database) -> tuple[int, int]:
    """Questions and tokens booked on this day (UTC)."""
    rows = await db.run(
        "SELECT questions, tokens FROM book.days WHERE day = (now() AT TIME ZONE 'UTC')::date"
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


class MemoryLimits:
    """The same for one process without a database: what counts while PostgreSQL is down."""

    MAX_KEYS = 10_000

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}
        self._day = date.min
        self._questions = 0
        self._tokens = 0

    def admit(
        self, keys: Sequence[str], limits: Limits, *, questions: int = 1, tokens: int = 0
    ) -> Admission:
        """As the function `admit`."""
        now = time.monotonic()
        interval = 60.0 / limits.per_minute
        for key in dict.fromkeys(keys):
            free_at = max(self._free_at.get(key, now), now) + interval
            if free_at > now + interval * limits.burst + 1e-9:
                raise RateLimited(retry_after=free_at - now - interval * limits.burst)
            self._free_at[key] = free_at
            self._forget(now)
        return self._book(limits, questions, tokens)

    def settle(self, admission: Admission, tokens: int) -> None:
        """As the function `settle`."""
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

    def _forget(self, now: float) -> None:
        """Keep the table small: keys that have paid go first, then the oldest."""
        if len(self._free_at) <= self.MAX_KEYS:
            return
        self._free_at = {key: at for key, at in self._free_at.items() if at > now}
        while len(self._free_at) > self.MAX_KEYS:
            del self._free_at[next(iter(self._free_at))]
