"""A fixed month of conversations for tests of the author's view."""

from __future__ import annotations

from rag.conversations import store as conversations
from rag.interfaces import Database
from rag.models import Source, Turn

DAYS = 90
INSTALL = Source("c1", "Install", "Linux", "docs/install#linux", "https://x/#a", "Run it.", 0.91)
CONFIGURE = Source("c2", "Configure", "", "docs/configure", "https://x/", "Write it.", 0.8)


async def converse(
    db: Database, *asked: str, sources: tuple[Source, ...] = (INSTALL,), **metadata: object
) -> str:
    """Save a conversation with these questions, answered from `sources`; return its id."""
    session = conversations.new_session_id()
    facts = {
        "response_time_ms": 900,
        "tokens_used": 1000,
        "answered": bool(sources),
        "answered_by": "gpt-6-luna",
        "fallback": None,
        "citations_reported": True,
        **metadata,
    }
    for n, question in enumerate(asked):
        turn = Turn(question, "Run the installer [1]." if sources else "No.", sources, facts)
        assert await conversations.save(db, session, turn, new=n == 0, retention_days=DAYS)
    return session


async def age(db: Database, session: str, days: float) -> None:
    """Move a conversation into the past."""
    await db.run(
        "UPDATE book.turns SET created_at = created_at - make_interval(secs => :seconds)"
        " WHERE session_id = :session",
        seconds=days * 86400,
        session=session,
    )
    await db.run(
        "UPDATE book.sessions SET used_at = used_at - make_interval(secs => :seconds)"
        " WHERE session_id = :session",
        seconds=days * 86400,
        session=session,
    )


async def month(db: Database) -> list[str]:
    """Save a few weeks of conversations about a small book; return their ids."""
    made: list[str] = []

    async def on(day: float, *asked: str, **facts: object) -> str:
        session = await converse(db, *asked, **facts)  # type: ignore[arg-type]
        await age(db, session, day)
        made.append(session)
        return session

    for day in range(0, 28, 2):
        for n in range((day * 7) % 5 // 2 + 1):
            await on(day, f"How do I install version {n} on Linux?", "And on a server?")
        if day % 3:
            await on(day, "Where do I set the port?", sources=(CONFIGURE, INSTALL))
    for day in (1, 4, 9):
        await on(day, "Can I export my notes as PDF?", sources=())
        await on(day + 1, "exporting notes to PDF", sources=())
    await on(2, "کیا کتاب اردو میں ہے؟", sources=())
    await on(6, "Is there a dark mode?", citations_reported=False)
    await on(7, "Does it need Python?", unsupported=2)
    for day, cause in ((3, "upstream_timeout"), (3, "upstream_rejected"), (8, "upstream_timeout")):
        await on(day, "How long does it take?", answered_by="extractive", fallback=cause)
    good = await on(0, "How do I remove it again?")
    assert await conversations.rate(db, good, 1, 1)
    bad = await on(5, "Why is it slow?", sources=(CONFIGURE,))
    assert await conversations.rate(db, bad, 1, -1, "It does not say <b>why</b>.")
    return made
