"""A conversation as a file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from markdown_it import MarkdownIt

from rag.conversations.export import as_json, as_markdown
from rag.models import Claim, Source, Turn

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=5)))
SOURCE = Source("c", "Set [up]", "a*b*", "docs/a", "https://x/a_(b)#c:~:text=d>e", "s", 0.9)
TURN = Turn("Why?\n\n# and how?", "Like *this* [1].", (SOURCE,), {}, 1, AT, 1)


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
