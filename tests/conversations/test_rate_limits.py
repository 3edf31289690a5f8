"""Rates and budgets, counted in a real PostgreSQL and in memory by the same tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import rate_limits
from rag.conversations.rate_limits import (
    Admission,
    Limits,
    MemoryLimits,
    admit,
    client_key,
    session_key,
    settle,
    used_today,
)
from rag.errors import RateLimited
from tests.support.postgres import query, using

ROOT = Path(__file__).parents[2]
SLOW = Limits(per_minute=1 / 60, burst=5)


class Counter:
    """Both limiters under one name."""

    def __init__(self, where: Postgres | MemoryLimits) -> None:
        self.where = where

    async def admit(
        self, keys: Sequence[str], limits: Limits, *, questions: int = 1, tokens: int = 0
    ) -> Admission:
        if isinstance(self.where, MemoryLimits):
            return self.where.admit(keys, limits, questions=questions, tokens=tokens)
        return await admit(self.where, keys, limits, questions=questions, tokens=tokens)

    async def settle(self, admission: Admission, tokens: int) -> None:
        if isinstance(self.where, MemoryLimits):
            self.where.settle(admission, tokens)
        else:
            await settle(self.where, admission, tokens)

    async def admitted(self, keys: Sequence[str], limits: Limits, tries: int) -> int:
        count = 0
        for _ in range(tries):
            try:
                await self.admit(keys, limits)
            except RateLimited:
                continue
            count += 1
        return count


Run = Callable[[Callable[[Counter], object]], None]


@pytest.fixture(params=["postgres", "memory"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "memory":
        return lambda test: asyncio.run(test(Counter(MemoryLimits())))  # type: ignore[arg-type]
    url = request.getfixturevalue("database_url")
    return lambda test: using(url, lambda db: test(Counter(db)))  # type: ignore[arg-type,return-value]


def _key() -> str:
    return str(uuid.uuid4())


def test_a_burst_and_no_more(run: Run) -> None:
    async def test(counter: Counter) -> None:
        key = _key()
        assert await counter.admitted([key], SLOW, 12) == 5
        assert await counter.admitted([_key()], SLOW, 12) == 5
        with pytest.raises(RateLimited) as refusal:
            await counter.admit([key], SLOW)
        assert 3590 < refusal.value.retry_after <= 3600

    run(test)


def test_the_rate_comes_back_and_refusals_cost_nothing(run: Run) -> None:
    async def test(counter: Counter) -> None:
        key, fast = _key(), Limits(per_minute=60, burst=2)
        assert await counter.admitted([key], fast, 2) == 2
        waits = []
        for _ in range(30):
            try:
                await counter.admit([key], fast)
                break
            except RateLimited as refusal:
                waits.append(refusal.retry_after)
                await asyncio.sleep(refusal.retry_after / 2)
        assert 0 < len(waits) < 30
        assert all(0 < wait <= 1 for wait in waits)

    run(test)


def test_one_request_counts_under_all_its_keys(run: Run) -> None:
    async def test(counter: Counter) -> None:
        one, two = _key(), _key()
        assert await counter.admitted([one, two, one], SLOW, 3) == 3
        assert await counter.admitted([one], SLOW, 9) == 2
        with pytest.raises(RateLimited):
            await counter.admit([two, one], SLOW)

    run(test)


def test_the_budget_of_questions_is_exact(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(daily_questions=3)
        found = [(await counter.admit([_key()], rules)).within_budget for _ in range(5)]
        assert found == [True] * 3 + [False] * 2
        assert not (await counter.admit([_key()], Limits(daily_questions=0))).within_budget

    run(test)


def test_the_budget_of_tokens_is_set_aside_and_settled(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(daily_tokens=1000)
        assert not (await counter.admit([_key()], rules, tokens=1001)).within_budget
        first = await counter.admit([_key()], rules, tokens=600)
        assert first == Admission(datetime.now(UTC).date(), True, 600)
        second = await counter.admit([_key()], rules, tokens=600)
        assert (second.within_budget, second.tokens) == (False, 0)
        await counter.settle(first, 300)
        assert (await counter.admit([_key()], rules, tokens=700)).within_budget
        assert not (await counter.admit([_key()], rules, tokens=1)).within_budget
        await counter.settle(second, 0)

    run(test)


def test_a_refused_request_takes_nothing_from_the_budget(run: Run) -> None:
    async def test(counter: Counter) -> None:
        key, rules = _key(), Limits(per_minute=1 / 60, burst=1, daily_questions=2)
        assert await counter.admitted([key], rules, 5) == 1
        assert (await counter.admit([_key()], rules)).within_budget
        assert not (await counter.admit([_key()], rules)).within_budget

    run(test)


def test_a_key_behind_a_refused_one_is_not_charged(run: Run) -> None:
    async def test(counter: Counter) -> None:
        reader, conversation = _key(), _key()
        assert await counter.admitted([reader], SLOW, 5) == 5
        assert await counter.admitted([reader, conversation], SLOW, 3) == 0
        assert await counter.admitted([conversation], SLOW, 9) == 5

    run(test)


def test_what_is_no_question_is_not_in_the_budget(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(per_minute=1 / 60, burst=2, daily_questions=1, daily_tokens=10)
        key = _key()
        assert (await counter.admit([key], rules, questions=0)).within_budget
        assert (await counter.admit([_key()], rules, tokens=10)).within_budget
        assert (await counter.admit([key], rules, questions=0)).within_budget
        with pytest.raises(RateLimited):
            await counter.admit([key], rules, questions=0)
        assert not (await counter.admit([_key()], rules)).within_budget

    run(test)


PATTERNS = {
    "at once": [0.0] * 35,
    "even": [i * 120 / 35 for i in range(35)],
    "lively at first": [i * 0.5 for i in range(20)] + [10 + i * 7 for i in range(15)],
    "silent, then all": [0.0, *(119 + i / 50 for i in range(34))],
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_a_lively_reader_passes(pattern: list[float]) -> None:
    """35 requests within two minutes, in whatever pattern."""
    memory, rules = MemoryLimits(), Limits()
    with pytest.MonkeyPatch.context() as patch:
        for at in pattern:
            patch.setattr(time, "monotonic", lambda at=at: 1000.0 + at)
            memory.admit(["reader"], rules)


def test_a_program_does_not_pass() -> None:
    """One request a second: after the burst, one of three."""
    memory, rules, admitted, waits = MemoryLimits(), Limits(), [], []
    with pytest.MonkeyPatch.context() as patch:
        for at in range(600):
            patch.setattr(time, "monotonic", lambda at=at: 1000.0 + at)
            try:
                memory.admit(["program"], rules)
                admitted.append(at)
            except RateLimited as refusal:
                waits.append(refusal.retry_after)
    assert 0 < min(waits) <= max(waits) <= 3
    assert 40 + 600 / 3 - 2 <= len(admitted) <= 40 + 600 / 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLimits, "MAX_KEYS", 50)
    memory = MemoryLimits()
    for i in range(500):
        memory.admit([f"k{i}"], SLOW)
    assert len(memory._free_at) == 50
    memory.admit(["k499"] * 9, SLOW)


def test_a_jump_of_the_clock_locks_nobody_out(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        key = _key()
        await admit(db, [key], SLOW)
        await db.run("UPDATE book.rates SET free_at = now() + interval '10 years'")
        assert await Counter(db).admitted([key], SLOW, 9) == 5

    using(database_url, test)


def test_rows_go_away_by_themselves(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        await admit(db, [_key(), _key()], Limits())
        await db.run("""UPDATE book.rates SET free_at = now() - interval '25 hours'
            WHERE key = (SELECT min(key::text)::uuid FROM book.rates)""")
        await db.run("SELECT book.expire(90, 10)")
        assert await db.run("SELECT count(*)::int FROM book.rates") == [(1,)]

    using(database_url, test)


def test_old_rows_are_noticed_and_the_day_is_told(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        assert await used_today(db) == (0, 0)
        assert not (await admit(db, [_key()], Limits(), tokens=7)).upkeep_due
        await db.run("UPDATE book.upkeep SET done_at = now() - interval '61 minutes'")
        assert (await admit(db, [_key()], Limits(), tokens=7)).upkeep_due
        assert await used_today(db) == (2, 14)

    using(database_url, test)


def test_counting_reads_no_table_from_end_to_end(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        key = _key()
        await admit(db, [key], Limits(), tokens=5)
        await db.run("""
            INSERT INTO book.rates SELECT gen_random_uuid(), now() FROM generate_series(1, 20000);
            INSERT INTO book.days
              SELECT '2000-01-01'::date + n, 1, 1 FROM generate_series(1, 5000) n;
            ANALYZE book.rates; ANALYZE book.days""")
        scans = """SELECT pg_stat_force_next_flush(), sum(seq_scan)::int FROM pg_stat_user_tables
            WHERE relname IN ('rates', 'days')"""
        await db.run(scans)
        before = (await db.run(scans))[0][1]
        for _ in range(3):
            admission = await admit(db, [key, _key()], Limits(daily_tokens=10**6), tokens=5)
            await settle(db, admission, 3)
        await Counter(db).admitted([key], Limits(burst=1), 2)
        await db.run(scans)
        assert (await db.run(scans))[0][1] == before

    using(database_url, test, connections=1)


_CLIENTS = """
import asyncio, json, sys
from rag.conversations import migrations
from rag.conversations.rate_limits import Limits, admit
from rag.adapters.database.postgres import Postgres
from rag.errors import RateLimited

async def main(url, key, clients):
    db = Postgres(url, schema=migrations.SCRIPT, connections=6, statement_timeout=60)
    rules = Limits(per_minute=1 / 600, burst=150, daily_questions=100, daily_tokens=10**9)
    async def client():
        try:
            return (await admit(db, [key], rules, tokens=7)).within_budget
        except RateLimited:
            return None
    found = await asyncio.gather(*(client() for _ in range(clients)))
    await db.close()
    print(json.dumps([found.count(True), found.count(False), found.count(None)]))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def test_limits_are_exact_under_200_clients_in_3_processes(database_url: str) -> None:
    """Also the tables are created by all three at once."""
    key = _key()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CLIENTS, database_url, key, str(clients)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for clients in (67, 67, 66)
    ]
    found = [json.loads(process.communicate(timeout=100)[0]) for process in processes]
    within, over, refused = (sum(column) for column in zip(*found, strict=True))
    assert (within, over, refused) == (100, 50, 50)
    assert query(database_url, "SELECT questions, tokens FROM book.days") == [(100, 700)]


def test_client_keys_tell_nothing_and_change_every_day() -> None:
    monday, tuesday = date(2030, 1, 7), date(2030, 1, 8)
    key = client_key("secret", "203.0.113.9", monday)
    assert uuid.UUID(key)
    assert key == client_key("secret", " 203.0.113.9 ", monday)
    assert key == client_key("secret", "::ffff:203.0.113.9", monday)
    others = {
        client_key("secret", "203.0.113.9", tuesday),
        client_key("other", "203.0.113.9", monday),
        client_key("secret", "203.0.113.10", monday),
        client_key("secret", "2001:db8:1:2::9", monday),
        client_key("secret", "unknown\ud800", monday),
        session_key("secret", "203.0.113.9"),
    }
    assert len({key, *others}) == 7


def test_ipv6_counts_by_its_64_bit_net() -> None:
    one = client_key("s", "2001:db8:1:2::1", date.min)
    assert one == client_key("s", "2001:db8:1:2:ffff:ffff:ffff:ffff", date.min)
    assert one == client_key("s", "2001:db8:1:2::1%eth0", date.min)
    assert one != client_key("s", "2001:db8:1:3::1", date.min)


def test_the_default_is_a_day_in_utc() -> None:
    assert rate_limits.client_key("s", "::1") in {
        client_key("s", "::1", datetime.now(UTC).date()),
    }
