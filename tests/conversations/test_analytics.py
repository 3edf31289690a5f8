"""What the author sees of the conversations, on a real PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import store as conversations
from rag.conversations.analytics import (
    TABLES,
    AskedQuestion,
    TableView,
    as_csv,
    group_questions,
)
from tests.support.postgres import using
from tests.support.readers import CONFIGURE, DAYS, age, converse, month

NOW = datetime(2026, 5, 1, tzinfo=UTC)


async def _table(db: Postgres, name: str, **view: Any) -> list[dict[str, Any]]:
    return await TABLES[name](db, TableView(**{"retention_days": DAYS, "limit": 400, **view}))


def test_days_add_up(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await converse(db, "a", "b")
        await converse(db, "c", sources=(), tokens_used=0)
        old = await converse(db, "d", fallback="upstream_timeout")
        await age(db, old, 3)
        await db.run(
            "INSERT INTO book.days VALUES ((now() AT TIME ZONE 'UTC')::date, 5, 7000),"
            " ((now() AT TIME ZONE 'UTC')::date - 1, 2, 900)"
        )
        rows = await _table(db, "days", days=7, token_price=2.0)
        assert len(rows) == 7
        today, yesterday, third = rows[-1], rows[-2], rows[-4]
        assert rows[0]["day"] < today["day"]
        # Two of the five questions of today are deleted; their tokens were spent all the same.
        assert (today["questions"], today["tokens"], today["cost"]) == (5, 7000, 0.014)
        assert (today["conversations"], today["unanswered"]) == (2, 1)
        assert (yesterday["questions"], yesterday["tokens"]) == (2, 900)
        assert (third["questions"], third["fallbacks"], third["tokens"]) == (1, 1, 1000)
        assert (await _table(db, "days", days=1))[0]["cost"] is None

    using(database_url, work)


def test_unsupported_statements_are_counted(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await converse(db, "a", unsupported=2)
        await converse(db, "b", unsupported=1)
        await converse(db, "c")  # saved by a version that did not count them
        assert [row["unsupported"] for row in await _table(db, "days", days=2)] == [0, 3]
        counted = {row["question"]: row["unsupported"] for row in await _table(db, "questions")}
        assert counted == {"a": 2, "b": 1, "c": 0}

    using(database_url, work)


def test_questions_count_for_the_section_that_answered(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        one = await converse(db, "a", "b", "c", "d")
        await conversations.rate(db, one, 1, 1)
        await conversations.rate(db, one, 2, -1)
        await converse(db, "e")
        await converse(db, "f", sources=(CONFIGURE,))
        await converse(db, "unknown", sources=())
        await converse(db, "unsure", citations_reported=False)
        install, configure = await _table(db, "sections", book_url="https://book.example/")
        assert install == {
            "title": "Install",
            "section": "Linux",
            "url": "https://book.example/docs/install#linux",
            "questions": 5,
            "readers": 2,
            "up": 1,
            "down": 1,
            "examples": ["e", "d", "c"],
        }
        assert (configure["title"], configure["questions"]) == ("Configure", 1)

    using(database_url, work)


def test_what_the_book_could_not_answer_is_ranked_by_readers(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await converse(db, *["Is it free?"] * 5, sources=())
        await converse(db, "Can I export my notes as PDF?", sources=())
        await converse(db, "exporting notes to PDF", citations_reported=False)
        await converse(db, "How do I install it?")
        rows = await _table(db, "unanswered")
        assert [(row["question"], row["readers"], row["asked"]) for row in rows] == [
            ("exporting notes to PDF", 2, 2),
            ("Is it free?", 1, 5),
        ]
        assert rows[0]["examples"] == ["Can I export my notes as PDF?"]
        assert await _table(db, "unanswered", offset=1, limit=1) == rows[1:]

    using(database_url, work)


def test_nothing_of_a_session_shows_nor_of_a_deleted_one(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        kept = await month(db)
        gone, expired = kept.pop(), await converse(db, "zanzibar", sources=())
        await age(db, expired, 15)
        shown = "".join(
            [
                json.dumps(await _table(db, name, days=90), default=str, ensure_ascii=False)
                for name in TABLES
            ]
        )
        assert "Why is it slow?" in shown
        assert "zanzibar" in shown
        assert not any(session[:8] in shown for session in [*kept, gone, expired])
        await conversations.delete(db, gone)
        for name in TABLES:
            rows = await _table(db, name, days=90, retention_days=14)
            assert "Why is it slow?" not in str(rows)
            assert "zanzibar" not in str(rows)

    using(database_url, work)


def test_ratings_have_comments_and_fallbacks_causes(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await month(db)
        good, bad = await _table(db, "ratings")
        assert (good["rating"], good["comment"], good["title"]) == (1, None, "Install")
        assert (bad["rating"], bad["comment"]) == (-1, "It does not say <b>why</b>.")
        assert bad["question"] == "Why is it slow?"
        rows = await _table(db, "answerers", token_price=1.0)
        assert rows[0]["answered_by"] == "gpt-6-luna"
        assert rows[0]["cost"] == rows[0]["tokens"] / 1e6
        causes = {row["fallback"]: row["questions"] for row in rows}
        assert (causes["upstream_timeout"], causes["upstream_rejected"]) == (2, 1)

    using(database_url, work)


def test_tables_are_paged_and_know_their_period(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        paged = [name for name in TABLES if name != "retention"]
        for name in paged:
            empty = await _table(db, name, days=7)
            assert len(empty) == 7 if name == "days" else empty == []
        await month(db)
        for name in paged:
            rows = await _table(db, name)
            assert len(rows) > 1
            page = len(rows) // 2
            first = await _table(db, name, limit=page)
            assert first + await _table(db, name, offset=page) == rows
        times = [row["asked_at"] for row in await _table(db, "questions")]
        assert times == sorted(times, reverse=True)
        assert len(await _table(db, "questions", days=2)) < len(times)

    using(database_url, work)


def test_retention_is_shown(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        (row,) = await _table(db, "retention", retention_days=14)
        assert (row["retention_days"], row["conversations"]) == (14, 0)
        assert row["longest_unused_at"] is row["oldest_question_at"] is None
        old, _ = await converse(db, "a"), await converse(db, "b")
        await age(db, old, 10)
        await db.run("UPDATE book.upkeep SET done_at = now() - interval '2 hours'")
        await conversations.expire(db, 14)
        (row,) = await _table(db, "retention", retention_days=14)
        assert row["conversations"] == 2
        now = datetime.now(UTC)
        assert now - row["last_run_at"] < timedelta(minutes=1)
        assert timedelta(days=9) < now - row["longest_unused_at"] < timedelta(days=11)

    using(database_url, work)


def test_a_turn_without_facts_breaks_nothing(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await converse(db, "a")
        await db.run("UPDATE book.turns SET metadata = '{}', sources = '[]'")
        for name in TABLES:
            await _table(db, name, token_price=1.0)

    using(database_url, work)


@pytest.mark.parametrize("name", ["_DAYS", "_SECTIONS", "_UNANSWERED_QUESTIONS", "_RATINGS"])
def test_statements_read_by_the_index_of_time(database_url: str, name: str) -> None:
    """Whatever else a database holds, a week costs what a week's turns cost."""
    from rag.conversations import analytics

    async def work(db: Postgres) -> None:
        session = await converse(db, "a")
        await db.run(
            "INSERT INTO book.turns (session_id, n, request_key, created_at, question, answer,"
            " sources, metadata) SELECT :s::uuid, i, gen_random_uuid(), now() - i * interval '1 h',"
            " 'q', 'a', '[]', '{}' FROM generate_series(2, 2000) AS i",
            s=session,
        )
        await db.run("ANALYZE book.turns")
        sql = getattr(analytics, name)
        paging = {"limit": 50, "offset": 0} if ":limit" in sql else {}
        plan = await db.run(f"EXPLAIN {sql}", days=2, retention_days=DAYS, **paging)
        assert "turns_created_at_idx" in str(plan)

    using(database_url, work)


# ---------------------------------------------------------------- questions that ask the same


def _questions(*asked: str) -> list[list[str]]:
    """How these questions, each by its own reader, are put together."""
    rows = group_questions(
        [AskedQuestion(question, str(n), NOW) for n, question in enumerate(asked)]
    )
    return [[row["question"], *row["examples"]] for row in rows]


def test_the_same_in_other_words_is_one_gap() -> None:
    assert _questions(
        "How do I install it on Windows?",
        "windows installation",
        "Installing on Windows",
        "What does it cost?",
    ) == [
        ["How do I install it on Windows?", "windows installation", "Installing on Windows"],
        ["What does it cost?"],
    ]


def test_courtesies_make_no_gap_of_their_own() -> None:
    assert len(_questions("Hello! Can it fly, please?", "Can it fly?", "explain it to me")) == 2
    assert len(_questions("Hi, could you please tell me the price? Thanks!", "price")) == 1
    assert len(_questions("Hallo! Was kostet das bitte? Danke!", "Was kostet das denn?")) == 1


def test_another_object_or_verb_is_another_gap() -> None:
    assert len(_questions("delete my account data", "export my account data")) == 2
    assert len(_questions("How do I install on Linux?", "How do I install on Windows?")) == 2


def test_any_script_and_no_word_at_all() -> None:
    together = _questions("کتاب اردو میں", "کیا کتاب اردو میں ہے؟", "?", "???", "到", "?")
    assert ["کتاب اردو میں", "کیا کتاب اردو میں ہے؟"] in together
    assert ["?"] in together
    assert sum(map(len, together)) == 5
    assert group_questions([]) == []


def test_many_questions_of_the_same_words_are_quick() -> None:
    asked = [f"How do I install the widget number {n % 500}?" for n in range(2000)]
    rows = group_questions(
        [AskedQuestion(question, str(n), NOW) for n, question in enumerate(asked)]
    )
    assert len(rows) == 500
    assert {row["asked"] for row in rows} == {4}


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    "text",
    [
        "=HYPERLINK(...)",
        "+1",
        "-1+2",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\n=1",
        "＝1",
        "＠x",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    sheet = as_csv([{"question": text, "rating": -1}])
    (_, row) = csv.reader(io.StringIO(sheet.removeprefix("\ufeff"), newline=""))
    assert row == [f"'{text}", "-1"]


def test_a_sheet_says_what_the_rows_say() -> None:
    rows = [
        {"question": 'a "b",\nc;d', "examples": ["x", "y"], "at": NOW, "url": None, "cost": 0.5},
        {"question": "کتاب", "examples": [], "at": NOW, "url": "https://x/", "cost": None},
    ]
    sheet = as_csv(rows)
    read = list(csv.reader(io.StringIO(sheet.removeprefix("\ufeff"), newline="")))
    assert read == [
        ["question", "examples", "at", "url", "cost"],
        ['a "b",\nc;d', "x | y", "2026-05-01T00:00:00+00:00", "", "0.5"],
        ["کتاب", "", "2026-05-01T00:00:00+00:00", "https://x/", ""],
    ]
    assert sheet.count('"') % 2 == 0
    assert as_csv([]) == ""
