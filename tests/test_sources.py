"""Where citations link to, and what is offered beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.embedded.qdrant import EdgeStore
from rag.settings import Settings
from rag.sources import site_of, source, suggestions
from rag.types import Chunk, IndexInfo, Passage, Source
from tests.points import INFO, point, run, write

BOOK = "https://book.dev/docs"
PREVIEW = "http://localhost:7860/book"


async def site(folder: Path, settings: Settings, info: IndexInfo | None) -> str:
    if info:
        await write(folder, [point(0)], info)
    store = EdgeStore(folder)
    found = await site_of(settings, store)
    await store.close()
    return found


@pytest.mark.parametrize(
    ("settings", "named", "expected"),
    [
        ({}, BOOK, PREVIEW),
        ({"host": "0.0.0.0"}, BOOK, BOOK),
        ({"platform": "VERCEL"}, BOOK, BOOK),
        ({"qdrant_url": "https://q.dev"}, BOOK, BOOK),
        ({"platform": "SPACE_ID", "space_host": "a.hf.space"}, BOOK, BOOK),
        ({"platform": "SPACE_ID", "space_host": "a.hf.space"}, "", "https://a.hf.space/book"),
        ({"platform": "VERCEL"}, None, PREVIEW),
        ({"platform": "VERCEL", "site_url": "https://set.dev"}, BOOK, "https://set.dev"),
        ({"site_url": "https://set.dev"}, BOOK, "https://set.dev"),
    ],
)
def test_where_citations_link_to(
    tmp_path: Path, settings: dict[str, Any], named: str | None, expected: str
) -> None:
    info = None if named is None else replace(INFO, site_url=named)
    assert run(site(tmp_path, Settings(**settings), info)) == expected


def chunk(order: int, title: str, section: str = "") -> Chunk:
    return Chunk(f"id-{order}", "Text.", title, section, "", f"{title}.md", order)


def test_what_is_lit_up_is_the_sentence_and_not_the_heading_above() -> None:
    text = "A reader deletes a conversation with the button of the chat, or with a request of one."
    below = Chunk("id", text, "Privacy", "How a reader deletes a conversation", "p#d", "p.md", 0)
    url = source(Passage(below, 0.9), BOOK, "delete a conversation").url
    assert "text=A%20reader%20deletes%20a%20conversation%20with," in url


def cited(title: str, section: str) -> Source:
    return Source("id", title, section, "", "", "", 0.9)


NEAR = [
    chunk(1, "Install", "Upgrading"),
    chunk(2, "Privacy"),
    chunk(3, "Privacy", "What is kept"),
    chunk(4, "Privacy", "Deleting"),
    chunk(5, "Privacy", "Deleting › By hand"),
    chunk(6, "Privacy", "The log"),
    chunk(7, "Trouble", "Error 17"),
]


def test_suggestions_are_the_sections_around_that_the_answer_does_not_cite() -> None:
    best = NEAR[3]
    assert suggestions(NEAR, best, [cited("Privacy", "Deleting")]) == (
        "What is kept",
        "By hand",
        "The log",
    )
    more = [cited("Privacy", "Deleting"), cited("Privacy", "What is kept")]
    assert suggestions(NEAR, best, more) == ("By hand", "The log", "Install")


def test_a_page_beside_is_suggested_by_its_title() -> None:
    """A heading torn from another page often says nothing, and the page itself was just read."""
    assert suggestions(NEAR, NEAR[1], [cited("Privacy", "")], 9)[-2:] == ("Install", "Trouble")
    assert suggestions([], NEAR[1], []) == ()
