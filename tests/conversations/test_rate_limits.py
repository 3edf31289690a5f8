"""Rates and budgets, counted in a real PostgreSQL and in memory by the same tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations.rate_limit_keys import Key, client_keys, session_key
from rag.conversations.rate_limits import (
    Admission,
    Cost,
    Exceeded,
    Limits,
    MemoryLimits,
    admit,
    reserve,
    settle,
    used_today,
)
from rag.errors import RateLimited
from tests.support.postgres import query, using

ROOT = Path(__file__).parents[2]
SLOW = Limits(per_minute=1 / 60, burst=5)
ONE = Cost(questions=1)


class Counter:
    """Both limiters under one name."""

    def __init__(self, where: Postgres | MemoryLimits) -> None:
        self.where = where

    async def admit(self, keys: Sequence[Key], limits: Limits, cost: Cost = ONE) -> Admission:
        if isinstance(self.where, MemoryLimits):
            return self.where.admit(keys, limits, cost)
        return await admit(self.where, keys, limits, cost)

    async def reserve(self, admission: Admission, limits: Limits, tokens: int) -> Admission:
        if isinstance(self.where, MemoryLimits):
            return self.where.reserve(admission, limits, tokens)
        return await reserve(self.where, admission, limits, tokens)

    async def settle(self, admission: Admission, used: Cost) -> None:
        if isinstance(self.where, MemoryLimits):
            self.where.settle(admission, used)
        else:
            await settle(self.where, admission, used)

    async def admitted(self, keys: Sequence[Key], limits: Limits, tries: int) -> int:
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


def _key(weight: int = 1) -> Key:
    return Key(str(uuid.uuid4()), weight)


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
        assert not (await counter.admit([_key()], rules, Cost(1, 1001))).within_budget
        first = await counter.admit([_key()], rules, Cost(1, 600))
        assert first == Admission(datetime.now(UTC).date(), Cost(1, 600))
        second = await counter.admit([_key()], rules, Cost(1, 600))
        assert (second.model, second.reserved) == (Exceeded.DAY, Cost())
        await counter.settle(first, Cost(1, 300))
        assert (await counter.admit([_key()], rules, Cost(1, 700))).within_budget
        assert not (await counter.admit([_key()], rules, Cost(1, 1))).within_budget
        await counter.settle(second, Cost())

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
        assert (await counter.admit([key], rules, Cost())).within_budget
        assert (await counter.admit([_key()], rules, Cost(1, 10))).within_budget
        assert (await counter.admit([key], rules, Cost())).within_budget
        with pytest.raises(RateLimited):
            await counter.admit([key], rules, Cost())
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
            memory.admit([Key("reader")], rules)


def test_a_program_does_not_pass() -> None:
    """One request a second: after the burst, one of three."""
    memory, rules, admitted, waits = MemoryLimits(), Limits(), [], []
    with pytest.MonkeyPatch.context() as patch:
        for at in range(600):
            patch.setattr(time, "monotonic", lambda at=at: 1000.0 + at)
            try:
                memory.admit([Key("program")], rules)
                admitted.append(at)
            except RateLimited as refusal:
                waits.append(refusal.retry_after)
    assert 0 < min(waits) <= max(waits) <= 3
    assert 40 + 600 / 3 - 2 <= len(admitted) <= 40 + 600 / 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLimits, "MAX_KEYS", 50)
    memory = MemoryLimits()
    for i in range(500):
        memory.admit([Key(f"k{i}")], SLOW)
    assert len(memory._rows) == 50
    memory.admit([Key("k499")] * 9, SLOW)


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
        await db.run("SELECT book.keep_up(90, 10)")
        assert await db.run("SELECT count(*)::int FROM book.rates") == [(1,)]

    using(database_url, test)


def test_old_rows_are_noticed_and_the_day_is_told(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        assert await used_today(db) == Cost()
        assert not (await admit(db, [_key()], Limits(), Cost(1, 7))).upkeep_due
        await db.run("UPDATE book.upkeep SET done_at = now() - interval '61 minutes'")
        assert (await admit(db, [_key()], Limits(), Cost(1, 7))).upkeep_due
        assert await used_today(db) == Cost(2, 14)

    using(database_url, test)


def test_counting_reads_no_table_from_end_to_end(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        key = _key()
        await admit(db, [key], Limits(), Cost(1, 5))
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
            admission = await admit(db, [key, _key()], Limits(daily_tokens=10**6), Cost(1, 5))
            await settle(db, admission, Cost(1, 3))
        await Counter(db).admitted([key], Limits(burst=1), 2)
        await db.run(scans)
        assert (await db.run(scans))[0][1] == before

    using(database_url, test, connections=1)


_CLIENTS = """
import asyncio, json, sys
from rag.conversations import migrations
from rag.conversations.rate_limit_keys import Key
from rag.conversations.rate_limits import Cost, Limits, admit
from rag.adapters.database.postgres import Postgres
from rag.errors import RateLimited

async def main(url, key, clients):
    db = Postgres(url, schema=migrations.SCRIPT, connections=6, statement_timeout=60)
    rules = Limits(per_minute=1 / 600, burst=150, daily_questions=100, daily_tokens=10**9)
    async def client():
        try:
            return (await admit(db, [Key(key)], rules, Cost(1, 7))).within_budget
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
            [sys.executable, "-c", _CLIENTS, database_url, key.name, str(clients)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for clients in (67, 67, 66)
    ]
    found = [json.loads(process.communicate(timeout=100)[0]) for process in processes]
    within, over, refused = (sum(column) for column in zip(*found, strict=True))
    assert (within, over, refused) == (100, 50, 50)
    assert query(database_url, "SELECT questions, tokens FROM book.days") == [(100, 700)]


def first_key(secret: str, address: str, today: date) -> str:
    return client_keys(secret, address, today)[0].name


def test_client_keys_tell_nothing_and_change_every_day() -> None:
    monday, tuesday = date(2030, 1, 7), date(2030, 1, 8)
    key = first_key("secret", "203.0.113.9", monday)
    assert uuid.UUID(key)
    assert key == first_key("secret", " 203.0.113.9 ", monday)
    assert key == first_key("secret", "::ffff:203.0.113.9", monday)
    others = {
        first_key("secret", "203.0.113.9", tuesday),
        first_key("other", "203.0.113.9", monday),
        first_key("secret", "203.0.113.10", monday),
        first_key("secret", "2001:db8:1:2::9", monday),
        first_key("secret", "unknown\ud800", monday),
        session_key("secret", "203.0.113.9"),
    }
    assert len({key, *others}) == 7


def test_ipv6_counts_by_its_64_bit_net() -> None:
    one = first_key("s", "2001:db8:1:2::1", date.min)
    assert one == first_key("s", "2001:db8:1:2:ffff:ffff:ffff:ffff", date.min)
    assert one == first_key("s", "2001:db8:1:2::1%eth0", date.min)
    assert one != first_key("s", "2001:db8:1:3::1", date.min)


def test_the_default_is_a_day_in_utc() -> None:
    before = datetime.now(UTC).date()
    keys = client_keys("s", "::1")
    assert keys in [client_keys("s", "::1", day) for day in (before, datetime.now(UTC).date())]


# ---------------------------------------------------------------- shares


def test_a_share_is_a_part_of_every_budget(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(
            daily_questions=100,
            daily_tokens=1000,
            daily_calls=100,
            daily_bytes=1000,
            share=0.1,
        )
        key, cost = _key(), Cost(1, 50, 1, 50)
        for _ in range(2):
            assert (await counter.admit([key], rules, cost)).reserved == cost
        over = await counter.admit([key], rules, cost)
        assert (over.model, over.calls, over.bytes) == (
            Exceeded.SHARE,
            Exceeded.NOTHING,
            Exceeded.SHARE,
        )
        assert over.reserved == Cost(calls=1)
        assert (await counter.admit([_key()], rules, cost)).reserved == cost

    run(test)


def test_calls_have_a_share_and_a_budget_of_their_own(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key, cost = Limits(daily_calls=10, share=0.4), _key(), Cost(1, 5, 2)
        found = [(await counter.admit([key], rules, cost)).calls for _ in range(3)]
        assert found == [Exceeded.NOTHING, Exceeded.NOTHING, Exceeded.SHARE]
        found = [(await counter.admit([_key()], rules, cost)).calls for _ in range(4)]
        assert found == [Exceeded.NOTHING] * 3 + [Exceeded.DAY]

    run(test)


def test_a_tiny_share_is_still_one_question(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key = Limits(daily_tokens=2000, share=0.05), _key()
        first = await counter.admit([key], rules, Cost(1, 900))
        assert first.within_budget
        assert (await counter.admit([key], rules, Cost(1, 900))).model is Exceeded.SHARE
        await counter.settle(first, Cost(1, 300))
        assert (await counter.admit([key], rules, Cost(1, 900))).model is Exceeded.SHARE
        assert (await counter.admit([_key()], rules, Cost(1, 900))).within_budget

    run(test)


def test_without_a_budget_there_is_no_share(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key = Limits(share=0.05), _key(4)
        for _ in range(30):
            assert (await counter.admit([key], rules, Cost(1, 10**6, 9, 10**6))).within_budget

    run(test)


def test_what_is_over_one_share_is_charged_to_nobody(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(daily_tokens=1000, share=0.1)
        mine, shared = _key(), _key()
        assert (await counter.admit([shared], rules, Cost(1, 60))).within_budget
        assert (await counter.admit([mine, shared], rules, Cost(1, 60))).model is Exceeded.SHARE
        assert (await counter.admit([mine], rules, Cost(1, 60))).within_budget
        for _ in range(8):
            assert (await counter.admit([_key()], rules, Cost(1, 100))).within_budget
        assert (await counter.admit([_key()], rules, Cost(1, 100))).model is Exceeded.DAY

    run(test)


def test_settling_gives_back_to_the_share(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key = Limits(daily_tokens=1000, daily_bytes=1000, share=0.1), _key()
        first = await counter.admit([key], rules, Cost(1, 90, bytes=90))
        await counter.settle(first, Cost(1, 10, bytes=20))
        second = await counter.admit([key], rules, Cost(1, 90, bytes=90))
        assert (second.model, second.bytes) == (Exceeded.NOTHING, Exceeded.SHARE)

    run(test)


def test_a_refused_request_takes_nothing_from_any_share(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(per_minute=1 / 60, burst=2, daily_tokens=1000, share=0.1)
        busy, mine = _key(), _key()
        assert await counter.admitted([busy], rules, 3) == 2
        for _ in range(5):
            with pytest.raises(RateLimited):
                await counter.admit([mine, busy], rules, Cost(1, 50))
        assert [(await counter.admit([mine], rules, Cost(1, 50))).model for _ in range(2)] == [
            Exceeded.NOTHING
        ] * 2

    run(test)


def test_a_weight_multiplies_rate_and_share(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(per_minute=1 / 60, burst=5, daily_tokens=1000, share=0.1)
        assert await counter.admitted([_key(4)], rules, 30) == 20
        key = _key(2)
        found = [(await counter.admit([key], rules, Cost(1, 50))).model for _ in range(5)]
        assert found == [Exceeded.NOTHING] * 4 + [Exceeded.SHARE]

    run(test)


def test_a_reservation_is_raised_to_what_is_needed(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key = Limits(per_minute=1 / 60, burst=1, daily_tokens=1000, share=0.5), _key()
        first = await counter.admit([key], rules, Cost(1, 100))
        assert await counter.reserve(first, rules, 90) == first
        first = await counter.reserve(first, rules, 450)
        assert first.reserved == Cost(1, 450)
        assert (await counter.admit([_key()], rules, Cost(1, 551))).model is Exceeded.DAY
        failed = await counter.reserve(first, rules, 501 + 50)
        assert failed.within_budget, "one question passes, even if it needs more than the share"
        failed = await counter.reserve(failed, rules, 1001)
        assert (failed.model, failed.reserved) == (Exceeded.DAY, Cost(1, 551))
        await counter.settle(failed, Cost(1, 0))
        assert (await counter.admit([_key()], rules, Cost(1, 1000))).within_budget

    run(test)


def test_an_estimate_that_was_too_high_gets_another_try(run: Run) -> None:
    async def test(counter: Counter) -> None:
        rules, key = Limits(daily_tokens=1000, share=0.2), _key()
        assert (await counter.admit([key], rules, Cost(1, 150))).within_budget
        second = await counter.admit([key], rules, Cost(1, 90))
        assert second.model is Exceeded.SHARE
        second = await counter.reserve(second, rules, 50)
        assert (second.model, second.reserved) == (Exceeded.NOTHING, Cost(1, 50))

    run(test)


def test_the_share_begins_anew_the_next_day(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        rules, key = Limits(daily_tokens=1000, share=0.1), _key()
        old = await admit(db, [key], rules, Cost(1, 100))
        assert (await admit(db, [key], rules, Cost(1, 100))).model is Exceeded.SHARE
        await db.run("UPDATE book.rates SET day = day - 1")
        new = await admit(db, [key], rules, Cost(1, 100))
        assert new.within_budget
        # A question of yesterday does not give back to today's share.
        await settle(db, replace(old, day=old.day - timedelta(days=1)), Cost())
        assert (await admit(db, [key], rules, Cost(1, 100))).model is Exceeded.SHARE
        # And one that was admitted just before midnight does not begin the day again.
        await db.run("UPDATE book.rates SET day = day + 1")
        assert (await admit(db, [key], rules, Cost(1, 100))).model is Exceeded.SHARE

    using(database_url, test)


def test_no_row_is_left_of_addresses_in_a_network_over_its_rate(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        network = _key(2)
        assert await Counter(db).admitted([network], SLOW, 12) == 10
        for _ in range(5):
            with pytest.raises(RateLimited):
                await admit(db, [_key(), network], SLOW)
        assert await db.run("SELECT count(*)::int FROM book.rates") == [(1,)]

    using(database_url, test)


def test_the_shares_survive_a_host_that_sleeps(database_url: str) -> None:
    async def test(db: Postgres) -> None:
        await admit(db, [_key()], Limits())
        kind = "SELECT relpersistence::text FROM pg_class WHERE oid = 'book.rates'::regclass"
        assert await db.run(kind) == [("p",)]

    using(database_url, test)


_READERS = """
import asyncio, json, random, sys
from rag.conversations import migrations
from rag.conversations.rate_limit_keys import Key
from rag.conversations.rate_limits import Cost, Limits, admit, reserve, settle
from rag.adapters.database.postgres import Postgres

async def main(url, keys, clients):
    db = Postgres(url, schema=migrations.SCRIPT, connections=6, statement_timeout=60)
    rules = Limits(10**6, 10**6, 10**6, 10_000, 10**6, 10**6, share=0.1)
    names, used = json.loads(keys), {}
    async def client():
        chosen = [Key(random.choice(names[0])), Key(random.choice(names[1]), 2)]
        admission = await admit(db, chosen, rules, Cost(1, 70, 1, 10))
        if random.random() < 0.5:
            admission = await reserve(db, admission, rules, 110)
        spent = admission.reserved._replace(tokens=admission.reserved.tokens // 2)
        await settle(db, admission, spent)
        return [[key.name for key in chosen], spent]
    found = await asyncio.gather(*(client() for _ in range(clients)))
    await db.close()
    print(json.dumps(found))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def test_shares_are_exact_under_8_processes(database_url: str) -> None:
    """Reserving, raising and settling in any order: no count is lost, and nothing deadlocks."""
    names = [[str(uuid.uuid4()) for _ in range(count)] for count in (6, 2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _READERS, database_url, json.dumps(names), "60"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for _ in range(8)
    ]
    found = [
        row for process in processes for row in json.loads(process.communicate(timeout=200)[0])
    ]
    assert len(found) == 480
    for name in (*names[0], *names[1]):
        spent = [cost for keys, cost in found if name in keys]
        columns = "SELECT questions, tokens, calls, bytes FROM book.rates WHERE key = :name"
        (counted,) = query(database_url, columns, name=name)
        assert [*counted] == [sum(column) for column in zip(*spent, strict=True)]
        assert counted[1] <= 1000 * (1 if name in names[0] else 2)
    (day,) = query(database_url, "SELECT questions, tokens, calls, bytes FROM book.days")
    assert [*day] == [sum(column) for column in zip(*(cost for _, cost in found), strict=True)]


def test_ipv6_counts_by_networks_of_three_sizes() -> None:
    def keys(address: str) -> list[Key]:
        return client_keys("s", address, date.min)

    one = keys("2001:db8:1:2::1")
    assert [key.weight for key in one] == [1, 2, 4]
    assert len({key.name for key in one}) == 3
    assert one[0].name == first_key("s", "2001:db8:1:2::1", date.min)
    assert keys("2001:db8:1:2:ffff::9%eth0") == one
    assert keys("2001:db8:1:ff::1")[1:] == one[1:]
    assert keys("2001:db8:1:102::1")[1:] != one[1:]
    assert keys("2001:db8:1:ff00::1")[2:] == one[2:]
    assert not {key.name for key in keys("2001:db8:2:2::1")} & {key.name for key in one}
    assert (
        keys("::ffff:203.0.113.9")
        == keys("203.0.113.9")
        == [Key(first_key("s", "203.0.113.9", date.min))]
    )
    assert keys("unknown") == [Key(first_key("s", "unknown", date.min))]


@pytest.mark.parametrize(("step", "most"), [(1, 5), (1 << 64, 10), (1 << 72, 20)])
def test_addresses_of_one_network_used_in_turn_do_not_all_pass(
    run: Run, step: int, most: int
) -> None:
    async def test(counter: Counter) -> None:
        rules = Limits(per_minute=1 / 60, burst=5, daily_tokens=1000, share=0.05)
        passed = model = 0
        for n in range(60):
            address = IPv6Address((0x20010DB8 << 96) + n * step)
            with suppress(RateLimited):
                admission = await counter.admit(client_keys("s", str(address)), rules, Cost(1, 10))
                passed += 1
                model += admission.within_budget
        assert (passed, model) == (most, most)

    run(test)
