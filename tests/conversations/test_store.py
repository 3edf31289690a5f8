"""The conversation store, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from rag.adapters.database.postgres import Postgres
from rag.conversations import store as conversations
from rag.conversations.store import Extras, QuestionEmbedding, Saved
from rag.errors import ConversationFull, UpstreamError
from rag.models import (
    Claim,
    RelatedSection,
    Source,
    Turn,
)
from tests.support.postgres import using

CLAIM = Claim("docs/install#linux", "Linux", "https://x/#a", "Run it.")
OTHER = Claim("docs/install#mac", "Mac", "https://x/#b", "Open it.")
SOURCE = Source(
    "c1",
    "Install",
    CLAIM.section,
    CLAIM.slug,
    CLAIM.url,
    CLAIM.snippet,
    0.91,
    "install.md",
    highlight="Run it.",
    claims=(CLAIM, OTHER),
)
RELATED = (RelatedSection("Install", "Trouble", "docs/install#trouble", "https://x/#c"),)
METADATA = {"model": "m", "tokens_used": 12}
TURN = Turn("How?", "Like this [1] or this [1].", (SOURCE,), METADATA, related=RELATED)
DAYS = 90


async def _save(db: Postgres, sid: str, question: str = "How?", **options: object) -> Saved | None:
    names = [name for name in ("key", "embedding", "max_turns") if name in options]
    extras = Extras(**{name: options.pop(name) for name in names})  # type: ignore[arg-type]
    options = {"new": False, "retention_days": DAYS, "extras": extras, **options}
    return await conversations.save(db, sid, replace(TURN, question=question), **options)  # type: ignore[arg-type]


async def _new(db: Postgres, *questions: str, **options: object) -> str:
    sid = conversations.new_session_id()
    for i, question in enumerate(questions or ("How?",)):
        assert await _save(db, sid, question, new=i == 0, **options)
    return sid


async def _texts(db: Postgres, sid: str) -> list[str] | None:
    found = await conversations.recent(db, sid, 1000, retention_days=DAYS)
    return None if found is None else [turn.question for turn in found]


async def _count(db: Postgres, table: str) -> int:
    return int((await db.run(f"SELECT count(*) FROM book.{table}"))[0][0])


def _place(saved: Saved | None) -> tuple[str, int]:
    assert saved
    return saved.session_id, saved.n


def test_a_turn_comes_back_as_it_was_saved(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db)
        (turn,) = await conversations.recent(db, sid, 10, retention_days=DAYS) or []
        assert turn.created_at is not None
        assert turn.created_at.utcoffset() is not None
        assert replace(turn, created_at=None) == replace(TURN, n=1)
        assert (turn.sources[0].claims, turn.related) == ((CLAIM, OTHER), RELATED)
        assert turn.metadata == METADATA, "related sections are not metadata"

    using(database_url, work)


def test_recent_gives_the_last_turns_oldest_first(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db, *"abcde")
        found = await conversations.recent(db, sid, 3, retention_days=DAYS)
        assert [(turn.n, turn.question) for turn in found or []] == [(3, "c"), (4, "d"), (5, "e")]
        assert await conversations.recent(db, sid, 0, retention_days=DAYS) == []

    using(database_url, work)


def test_history_is_paged(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db, *"abcde")
        seen, after = "", 0
        while True:
            history = await conversations.page(db, sid, after, 2, retention_days=DAYS)
            assert history is not None
            assert history.total == 5
            if not history.turns:
                break
            seen += "".join(turn.question for turn in history.turns)
            after = history.turns[-1].n
        assert seen == "abcde"

    using(database_url, work)


@pytest.mark.parametrize(
    "sid",
    [
        "",
        "session_1731_abc",
        "'; DROP TABLE book.turns; --",
        "not\0a\ud800uuid",
        "c232ab00-9414-11ec-b3c8-9f6bdeced846",  # version 1, from RFC 9562
        "1AC84CF5-F51E-4A23-9767-24FE8A9B60A6",
        "{263ca247-b33c-4640-826f-6dafb39d3b68}",
        "c5b7502c-05ac-4845-9284-5bd0a9603169\n",
        "af2cd875-667c-4655-b00a-d37988acaab1",
    ],
)
def test_an_id_that_was_not_made_here_is_unknown(database_url: str, sid: str) -> None:
    async def work(db: Postgres) -> None:
        assert await conversations.recent(db, sid, 10, retention_days=DAYS) is None
        assert await conversations.page(db, sid, 0, 10, retention_days=DAYS) is None
        assert await _save(db, sid) is None
        assert await conversations.delete(db, sid) == 0
        assert not await conversations.rate(db, sid, 1, 1)

    using(database_url, work)


def test_questions_at_once_in_one_session_neither_collide_nor_vanish(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db, "first")
        other = Postgres(database_url, connections=4)
        places = await asyncio.gather(
            *(_save(client, sid, f"q{i}") for i in range(20) for client in (db, other))
        )
        await other.close()
        assert sorted(place.n for place in places if place) == list(range(2, 42))
        found = await conversations.recent(db, sid, 1000, retention_days=DAYS) or []
        assert [turn.n for turn in found] == list(range(1, 42))
        assert len({turn.question for turn in found}) == 21
        times = [turn.created_at for turn in found if turn.created_at]
        assert times == sorted(times)

    using(database_url, work)


def test_a_deleted_session_is_not_resurrected(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db, "a", "b")
        assert await conversations.delete(db, sid) == 2
        assert await conversations.delete(db, sid) == 0
        assert await _save(db, sid, "c") is None
        assert await conversations.recent(db, sid, 10, retention_days=DAYS) is None
        assert await _count(db, "turns") == await _count(db, "sessions") == 0

    using(database_url, work)


def test_deleting_during_saves_leaves_nothing(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        for round_ in range(10):
            sid = await _new(db)
            text = f"only here {round_}"
            embedding = QuestionEmbedding("m", text, [0.5])
            await asyncio.gather(
                _save(db, sid, text, embedding=embedding),
                conversations.delete(db, sid),
                _save(db, sid, text, embedding=embedding),
            )
        assert await _count(db, "turns") == await _count(db, "sessions") == 0
        assert await _count(db, "embeddings") == 0

    using(database_url, work)


def test_the_same_request_makes_one_turn(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        key = conversations.request_key("client", "key", "How?")
        first, second = conversations.new_session_id(), conversations.new_session_id()
        assert await conversations.find_saved(db, key) is None
        assert _place(await _save(db, first, new=True, key=key)) == (first, 1)
        assert _place(await _save(db, first, "other")) == (first, 2)
        assert _place(await _save(db, first, key=key)) == (first, 1)
        assert _place(await _save(db, second, new=True, key=key)) == (first, 1)
        assert await conversations.recent(db, second, 1, retention_days=DAYS) is None
        assert await _texts(db, first) == ["How?", "other"]
        found = await conversations.find_saved(db, key)
        assert found is not None
        assert (found[0], found[1].n, found[1].sources) == (first, 1, (SOURCE,))

    using(database_url, work)


def test_the_same_request_at_once_makes_one_turn_and_no_gap(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db)
        key = conversations.request_key("k")
        places = await asyncio.gather(
            *(_save(db, sid, f"q{i}", key=key if i % 2 else "") for i in range(12))
        )
        assert len(set(map(_place, places))) == 7
        history = await conversations.page(db, sid, 0, 100, retention_days=DAYS)
        assert history is not None
        assert [turn.n for turn in history.turns] == list(range(1, 9))
        assert history.total == 8

    using(database_url, work)


def test_an_unused_session_expires(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        old, young = await _new(db, "old"), await _new(db, "young")
        await db.run(
            "UPDATE book.sessions SET used_at = now() - interval '91 days' WHERE session_id = :s",
            s=old,
        )
        assert await conversations.recent(db, old, 10, retention_days=DAYS) is None
        assert await conversations.page(db, old, 0, 10, retention_days=DAYS) is None
        assert await _save(db, old) is None
        assert await conversations.recent(db, old, 10, retention_days=92) is not None
        assert await conversations.expire(db, DAYS) == 1
        assert await conversations.expire(db, DAYS) == 0
        assert await conversations.recent(db, old, 10, retention_days=92) is None
        assert await _texts(db, young) == ["young"]

    using(database_url, work)


def test_retention_runs_by_itself_and_in_batches(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "EXPIRE_BATCH", 3)

    async def work(db: Postgres) -> None:
        for _ in range(5):
            await _new(db)
        await db.run("UPDATE book.sessions SET used_at = now() - interval '91 days'")
        sid = await _new(db)
        assert await _count(db, "sessions") == 6, "looked for within the hour"
        await db.run("UPDATE book.upkeep SET done_at = now() - interval '2 hours'")
        left = []
        for _ in range(3):
            await _save(db, sid)
            left.append(await _count(db, "sessions"))
        assert left == [3, 1, 1]
        await db.run("UPDATE book.sessions SET used_at = now() - interval '91 days'")
        await _new(db)
        assert await _count(db, "sessions") == 2, "done for this hour"

    using(database_url, work)


def test_embeddings_are_kept_with_their_turns(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        vector = [math.sin(i) / 22.6 for i in range(1024)]
        shared, own = QuestionEmbedding("m", "q", vector), QuestionEmbedding("m", "own", vector)
        assert await conversations.cached_embedding(db, "m", "q") is None
        one = await _new(db, "q", embedding=shared)
        await _save(db, one, "own", embedding=own)
        two = await _new(db, "q", embedding=shared)
        found = await conversations.cached_embedding(db, "m", "q")
        assert found == pytest.approx(vector, abs=2**-11 / 22.6)
        assert await conversations.cached_embedding(db, "other", "q") is None
        await conversations.delete(db, one)
        assert await conversations.cached_embedding(db, "m", "own") is None
        assert await conversations.cached_embedding(db, "m", "q") is not None
        await conversations.delete(db, two)
        assert await conversations.cached_embedding(db, "m", "q") is None

    using(database_url, work)


def test_of_two_deleted_at_once_one_takes_the_embedding(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        for i in range(10):
            embedding = QuestionEmbedding("m", f"q{i}", [1.0])
            ids = [await _new(db, f"q{i}", embedding=embedding) for _ in range(4)]
            await asyncio.gather(*(conversations.delete(db, sid) for sid in ids))
        assert await _count(db, "embeddings") == 0

    using(database_url, work)


def test_an_embedding_is_not_kept_without_its_turn(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        gone = conversations.new_session_id()
        assert await _save(db, gone, embedding=QuestionEmbedding("m", "q", [1.0])) is None
        assert await _count(db, "embeddings") == 0

    using(database_url, work)


def test_feedback_is_kept_with_the_turn(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db)
        assert await conversations.rate(db, sid, 1, -1, "wrong\0 \ud800 שלום")
        assert not await conversations.rate(db, sid, 2, 1)
        (row,) = await db.run("SELECT thumbs, comment FROM book.turns")
        assert row == (-1, "wrong\ufffd \ufffd שלום")
        assert await conversations.rate(db, sid, 1, 0)
        assert await db.run("SELECT thumbs, comment FROM book.turns") == [(None, None)]

    using(database_url, work)


@pytest.mark.parametrize(
    "text",
    [
        "\u202eRTL שלום \u2067عربى\u2069",
        "'; DROP TABLE book.turns; --",
        ":question $1 %s {} \\ \\u0000 <script>",
        "\x01\x1b\x7f\u2028\ufeff e\u0301 👩‍👩‍👧",
        "x" * 100_000,
        "",
    ],
)
def test_any_text_is_kept_exactly(database_url: str, text: str) -> None:
    async def work(db: Postgres) -> None:
        sid = conversations.new_session_id()
        claims = (replace(CLAIM, snippet=text),)
        source = replace(SOURCE, title=text, snippet=text, claims=claims)
        near = (RelatedSection(*[text] * 4),)
        turn = Turn(text, text, (source,), {text: [text, None]}, related=near)
        assert await conversations.save(db, sid, turn, new=True, retention_days=DAYS)
        (found,) = await conversations.recent(db, sid, 1, retention_days=DAYS) or []
        assert replace(found, created_at=None) == replace(turn, n=1)

    using(database_url, work)


def test_what_postgresql_cannot_hold_is_replaced(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        bad, good = "a\0b\ud800c\udfffd", "a\ufffdb\ufffdc\ufffdd"
        sid = conversations.new_session_id()
        source = replace(SOURCE, snippet=bad, claims=(replace(CLAIM, snippet=bad),))
        near = (RelatedSection(*[bad] * 4),)
        turn = Turn(bad, bad, (source,), {bad: {"deep": [bad]}}, related=near)
        embedding = QuestionEmbedding("m", bad, [1.0])
        saved = await conversations.save(
            db, sid, turn, new=True, retention_days=DAYS, extras=Extras(embedding=embedding)
        )
        assert saved
        (found,) = await conversations.recent(db, sid, 1, retention_days=DAYS) or []
        assert (found.question, found.answer, found.sources[0].snippet) == (good, good, good)
        assert found.sources[0].claims[0].snippet == good
        assert found.related == (RelatedSection(*[good] * 4),)
        assert found.metadata == {good: {"deep": [good]}}
        assert await conversations.cached_embedding(db, "m", bad) == [1.0]

    using(database_url, work)


def test_a_turn_of_another_version_can_be_read(database_url: str) -> None:
    """An older one has no claims and nothing related, a newer one knows more."""

    async def work(db: Postgres) -> None:
        sid = await _new(db)
        await db.run("""UPDATE book.turns SET metadata = metadata - 'related' || '{"old": 1}',
          sources = '[
            {"chunk_id": "c1", "title": "Install", "section": "Linux", "score": 0.91,
             "slug": "docs/install#linux", "url": "https://x/#a", "snippet": "Run it."},
            {"chunk_id": "c2", "title": "", "section": "", "slug": "", "url": "", "snippet": "",
             "score": 0, "new": 1, "claims": [{"slug": "s", "section": "", "url": "u",
             "snippet": "", "new": 1}]}]'""")
        (found,) = await conversations.recent(db, sid, 1, retention_days=DAYS) or []
        assert [source.claims for source in found.sources] == [
            (CLAIM,),
            (Claim("s", "", "u", ""),),
        ]
        old = replace(SOURCE, source_path="", highlight="", claims=(CLAIM,))
        assert (found.sources[0], found.related) == (old, ())
        assert found.metadata == {**METADATA, "old": 1}

    using(database_url, work)


def test_related_sections_of_another_version_can_be_read(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db)
        await db.run("""UPDATE book.turns SET metadata = jsonb_set(
            metadata, '{related,0,new}', '"x"')""")
        (found,) = await conversations.recent(db, sid, 1, retention_days=DAYS) or []
        assert (found.related, found.metadata) == (RELATED, METADATA)

    using(database_url, work)


def test_nothing_depends_on_the_number_of_stored_turns(database_url: str) -> None:
    """No table is ever read from end to end, among 20,000 turns."""

    async def work(db: Postgres) -> None:
        sid = await _new(db, "q", embedding=QuestionEmbedding("m", "q", [1.0]))
        await db.run("""
            INSERT INTO book.sessions
              SELECT gen_random_uuid(), 2, now() FROM generate_series(1, 10000);
            INSERT INTO book.embeddings SELECT gen_random_uuid(), '' FROM generate_series(1, 10000);
            INSERT INTO book.turns
              SELECT session_id, n, gen_random_uuid(), now(), 'q', 'a', '[]', '{}', NULL, NULL,
                gen_random_uuid()
              FROM book.sessions, generate_series(101, 102) n;
            ANALYZE book.sessions; ANALYZE book.turns; ANALYZE book.embeddings""")
        scans = """SELECT pg_stat_force_next_flush(), sum(seq_scan)::int FROM pg_stat_user_tables
            WHERE relname IN ('sessions', 'turns', 'embeddings')"""
        await db.run(scans)
        before = (await db.run(scans))[0][1]
        key = conversations.request_key("k")
        await conversations.recent(db, sid, 10, retention_days=DAYS)
        await _save(db, sid, key=key, embedding=QuestionEmbedding("m", "r", [1.0]))
        await conversations.find_saved(db, key)
        await conversations.page(db, sid, 0, 10, retention_days=DAYS)
        await conversations.cached_embedding(db, "m", "q")
        await conversations.rate(db, sid, 1, 1)
        await conversations.expire(db, DAYS)
        assert await conversations.delete(db, sid) == 4
        await db.run(scans)
        assert (await db.run(scans))[0][1] == before

    using(database_url, work, connections=1)


def test_a_failure_is_not_hidden(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db)
        await db.run("ALTER TABLE book.turns ADD CHECK (question <> 'no')")
        with pytest.raises(UpstreamError, match="23514"):
            await _save(db, sid, "no")
        assert await _texts(db, sid) == ["How?"]

    using(database_url, work)


def test_a_conversation_takes_no_more_turns_than_allowed(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        sid = await _new(db, max_turns=5)
        saving = (_save(db, sid, f"q{i}", max_turns=5) for i in range(12))
        found = await asyncio.gather(*saving, return_exceptions=True)
        assert sum(isinstance(each, ConversationFull) for each in found) == 8
        assert sorted(each.n for each in found if isinstance(each, Saved)) == [2, 3, 4, 5]
        assert await _count(db, "turns") == 5
        assert await _save(db, conversations.new_session_id(), max_turns=5) is None

    using(database_url, work)
