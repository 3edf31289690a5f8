"""A conversation as a file."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import psutil
import pytest
from markdown_it import MarkdownIt

from rag.adapters.database.postgres import Postgres
from rag.conversations import export, store
from rag.conversations.export import FORMATS
from rag.errors import NotFound, UpstreamError
from rag.models import Claim, Source, Turn
from tests.support.postgres import using
from tests.support.service import Service, serving

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=5)))
SOURCE = Source("c", "Set [up]", "a*b*", "docs/a", "https://x/a_(b)#c:~:text=d>e", "s", 0.9)
TURN = Turn("Why?\n\n# and how?", "Like *this* [1].", (SOURCE,), {}, 1, AT, 1)


def as_markdown(turns: Sequence[Turn], title: str) -> str:
    return written("markdown", turns, title)


def as_json(turns: Sequence[Turn], title: str) -> str:
    return written("json", turns, title)


def written(name: str, turns: Sequence[Turn], title: str) -> str:
    how = FORMATS[name]
    return how.begin(title) + how.between.join(map(how.turn, turns)) + how.end("")


def test_markdown_can_be_read_and_followed() -> None:
    text = as_markdown([TURN, Turn("And then?", "No.", n=2)], "My <Book>")
    assert text.startswith(
        "# My \\<Book\\>\n\n## 1 · 2026-05-01 07:30 UTC\n\n> Why?\n>\n> # and how?"
    )
    html = MarkdownIt().render(text)
    assert "<h1>My &lt;Book&gt;</h1>" in html
    assert "<blockquote>\n<p>Why?</p>\n<h1>and how?</h1>\n</blockquote>" in html
    assert '<a href="https://x/a_(b)#c:~:text=d%3Ee">Set [up] › a*b*</a>' in html
    assert "<h2>2</h2>" in html


@pytest.mark.parametrize("html", ["<!-- open", "- <SCRIPT>", "> <pre>", "  <?php", "1. <!X"])
def test_open_html_does_not_hide_what_follows(html: str) -> None:
    turn = Turn(f"Why?\n{html}", f"Because:\n\n{html}\n\nLike this [1].", (SOURCE,), n=1)
    text = as_markdown([turn, Turn("And then?", "```\n<!--\n```", n=2)], "Book")
    shown = MarkdownIt().render(text)
    assert "<h2>2</h2>" in shown
    assert shown.count('<a href="https://x/') == 2
    assert "&lt;!--\n</code>" in shown


def test_each_marker_leads_to_its_own_sentence() -> None:
    claims = (Claim("a", "", "https://x/#1", "s"), Claim("a", "", "https://x/#<2>", "t"))
    other = replace(SOURCE, url="https://y/")
    answer = "One [1], two [1][2]. Three [1].\n\n- `a[1]` and x[1]\n\n```\n[1]\n```\n"
    turn = replace(TURN, answer=answer, sources=(replace(SOURCE, claims=claims), other))
    text = as_markdown([turn], "")
    assert (
        "One [\\[1\\]](<https://x/#1>), two [\\[1\\]](<https://x/#%3C2%3E>)[\\[2\\]](<https://y/>)."
        in text
    )
    assert "Three [\\[1\\]](<https://x/#%3C2%3E>)." in text
    assert "- `a[1]` and x[1]\n\n```\n[1]\n```" in text
    assert json.loads(as_json([turn], ""))["turns"][0]["sources"][0]["claims"][1]["snippet"] == "t"


def test_links_relative_to_the_service_are_left_out() -> None:
    """They lead nowhere from a file. Links that the book or the model wrote stay."""
    place = Claim("x (1)#a", "A", "book/x%20(1)#a:~:text=b", "s")
    source = replace(SOURCE, url=place.url, claims=(place,))
    answer = (
        "**[Page › A \\[b\\]](book/x%20%281%29#a)**\n\nIt is [so](other/page) and "
        "[there](https://x/y). [1]\n\n[Read on](book/x%20%281%29#c)"
    )
    text = as_markdown([Turn("Why?", answer, (source,), n=1)], "Book")
    assert "**Page › A \\[b\\]**" in text
    assert "[so](other/page) and [there](https://x/y). [1]" in text
    assert text.rstrip().endswith("Read on\n\n1. Set \\[up\\] › a\\*b\\*")


def test_json_holds_the_same() -> None:
    document = json.loads(as_json([TURN], "My Book"))
    assert document["book"] == "My Book"
    (turn,) = document["turns"]
    assert turn["asked_at"] == AT.isoformat()
    assert (turn["question"], turn["answer"], turn["rating"]) == (TURN.question, TURN.answer, 1)
    assert turn["sources"][0]["url"] == SOURCE.url


def test_a_conversation_without_turns_is_a_file_too() -> None:
    assert as_markdown([], "") == "# The book\n"
    assert json.loads(as_json([], ""))["turns"] == []


# ---------------------------------------------------------------- in pages, from PostgreSQL

DAYS = 90
FILL = """
INSERT INTO book.turns
  (session_id, n, question, answer, sources, metadata, request_key, created_at)
SELECT :session_id::uuid, n, 'Question ' || n, repeat('An answer of some length [1]. ', 60),
  :sources::jsonb, '{}'::jsonb, gen_random_uuid(), now()
FROM generate_series(:first::integer, :last::integer) AS n
"""


async def fill(db: Postgres, turns: int, passages: int = 1) -> str:
    """A conversation with so many turns, each of so many sources."""
    session = store.new_session_id()
    found = tuple(replace(SOURCE, snippet="What it says. " * 30) for _ in range(passages))
    turn = Turn("Question 1", "An answer [1].", found)
    await store.save(db, session, turn, new=True, retention_days=DAYS)
    sources = (await db.run("SELECT sources::text FROM book.turns"))[0][0]
    for first in range(2, turns + 1, 1000):
        last = min(first + 999, turns)
        await db.run(FILL, session_id=session, first=first, last=last, sources=sources)
    await db.run("UPDATE book.sessions SET turns = :n WHERE session_id = :s", n=turns, s=session)
    return session


async def pieces(db: Postgres, session: str, name: str = "json") -> AsyncGenerator[str]:
    return await export.export(db, session, FORMATS[name], "My Book", retention_days=DAYS)


@pytest.mark.parametrize("turns", [1, 49, 50, 51, 100, 120])
def test_every_turn_is_there_once_and_in_order(database_url: str, turns: int) -> None:
    async def work(db: Postgres) -> None:
        session = await fill(db, turns)
        document = json.loads("".join([piece async for piece in await pieces(db, session)]))
        assert [turn["n"] for turn in document["turns"]] == list(range(1, turns + 1))
        assert document.keys() == {"book", "turns"}
        text = "".join([piece async for piece in await pieces(db, session, "markdown")])
        assert text.count("\n## ") == turns

    using(database_url, work)


def test_who_is_not_there_has_no_file(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        await fill(db, 1)
        for session in (store.new_session_id(), "../etc/passwd"):
            with pytest.raises(NotFound):
                await pieces(db, session)

    using(database_url, work)


@pytest.mark.parametrize("name", ["json", "markdown"])
@pytest.mark.parametrize("why", ["deleted", "down"])
def test_a_file_that_breaks_off_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise UpstreamError("secret", service="postgres")

    async def work(db: Postgres) -> None:
        session = await fill(db, 120)
        reading = await pieces(db, session, name)
        text = await anext(reading) + await anext(reading)
        if why == "deleted":
            await store.delete(db, session)
        else:
            monkeypatch.setattr(store, "page", down)
        text += "".join([piece async for piece in reading])
        sentence = "has been deleted." if why == "deleted" else "is not responding."
        assert "This file ends after turn 50 of 120." in text
        assert sentence in text
        assert "secret" not in text
        if name == "json":
            document = json.loads(text)
            assert len(document["turns"]) == 50
            assert document["incomplete"].startswith("This file ends")

    using(database_url, work)


def test_turns_that_are_added_meanwhile_do_not_keep_it_going(database_url: str) -> None:
    async def work(db: Postgres) -> None:
        session = await fill(db, 60)
        reading = await pieces(db, session)
        text = await anext(reading)
        for _ in range(3):
            await store.save(db, session, TURN, new=False, retention_days=DAYS)
        text += "".join([piece async for piece in reading])
        assert len(json.loads(text)["turns"]) == 60

    using(database_url, work)


@pytest.fixture
def busy(handbook: Path, database_url: str, tmp_path: Path) -> Iterator[tuple[Service, str]]:
    """A service, and a conversation of 2,000 turns in its database."""
    session = using(database_url, lambda db: fill(db, 2000, 8))
    shutil.copytree(handbook / "index", tmp_path / "data" / "index")
    variables = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url}
    with serving(tmp_path / "log", **variables) as service:
        yield service, session


def test_a_long_conversation_takes_little_memory(busy: tuple[Service, str]) -> None:
    service, session = busy
    process, done, peak = psutil.Process(service.process.pid), threading.Event(), 0

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    with service.client() as client:
        client.post("/chat", json={"message": "How do I delete a conversation?"})
        client.get(f"/chat/sessions/{session}", params={"limit": 100})
        before = process.memory_info().rss
        watching = threading.Thread(target=watch)
        watching.start()
        for name in FORMATS:
            path, params, size = f"/chat/sessions/{session}/export", {"format": name}, 0
            with client.stream("GET", path, params=params) as response:
                assert response.status_code == 200
                for n, piece in enumerate(response.iter_raw()):
                    size += len(piece)
                    if n % 200 == 0:  # others are served meanwhile
                        assert client.get("/health").elapsed.total_seconds() < 5
            assert size > 5_000_000
        done.set()
        watching.join()
    assert peak - before < 30_000_000


def test_a_reader_who_stops_reading_stops_the_queries(busy: tuple[Service, str]) -> None:
    service, session = busy
    url = f"{service.url}/chat/sessions/{session}/export"
    with httpx.stream("GET", url, timeout=60) as response:
        next(response.iter_bytes())
    deadline = time.monotonic() + 5
    while not any("export" in line["path"] for line in service.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "Traceback" not in service.log
