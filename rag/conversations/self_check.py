"""Check a database by doing what a question does: count, save, read back, rate and delete.

A server may answer and still save nothing, because it is read-only or full, or because the role
lacks a right.
"""

from __future__ import annotations

import uuid
from contextlib import suppress

from rag.conversations import migrations, rate_limits, store
from rag.conversations.rate_limit_keys import Key
from rag.conversations.rate_limits import NOTHING, Limits
from rag.errors import BookError, StatementRejected, UpstreamError
from rag.interfaces import Database
from rag.models import Turn

MARK = "This is a check by the doctor, not a question – ä 世 😀"
_DAYS = 36_500
"""Saving a turn also deletes conversations that have expired. The check must delete none."""


async def check(db: Database) -> None:
    """Write a marked conversation, read it and delete it, by the statements of a real one.

    Raises UpstreamError. Creates or upgrades the tables, as the first question would.
    """
    rows = await db.run(
        "SELECT has_function_privilege(:newest::text, 'execute')", newest=migrations.NEWEST
    )
    if rows != [(True,)]:
        said = f"permission denied for function {migrations.NEWEST}"
        raise StatementRejected(said, service="postgres", sqlstate="42501", reason="rights")
    session, reader = store.new_session_id(), Key(str(uuid.uuid4()))
    try:
        await rate_limits.admit(db, [reader], Limits(), NOTHING)
        await _converse(db, session, f"{MARK} {uuid.uuid4()}")
        # As deleting old rows does.
        await db.run("/* idempotent */ UPDATE book.upkeep SET done_at = done_at")
    except BookError:
        with suppress(BookError):
            await _clean(db, session, reader)
        raise
    await _clean(db, session, reader)
    if await store.recent(db, session, 1, retention_days=_DAYS) is not None:
        raise _wrong("was deleted but is still there")


async def _converse(db: Database, session: str, mark: str) -> None:
    embedding = store.QuestionEmbedding("check", mark, (0.5, -0.25))
    turn = Turn(mark, mark, metadata={"mark": mark})
    extras = store.Extras(embedding=embedding)
    if not await store.save(db, session, turn, new=True, retention_days=_DAYS, extras=extras):
        raise _wrong("was not saved")
    read = await store.recent(db, session, 1, retention_days=_DAYS)
    if not read or (read[0].question, read[0].metadata) != (mark, turn.metadata):
        raise _wrong("does not come back as it was saved")
    if await store.cached_embedding(db, "check", mark) != list(embedding.vector):
        raise _wrong("has lost its embedding")
    if not await store.rate(db, session, 1, 1):
        raise _wrong("could not be rated")


async def _clean(db: Database, session: str, reader: Key) -> None:
    await store.delete(db, session)
    await db.run("DELETE FROM book.rates WHERE key = :key", key=reader.name)


def _wrong(what: str) -> UpstreamError:
    return UpstreamError(f"a conversation {what}", service="postgres")
