"""Where citations link to, and what is named beside them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.adapters.vector_store.edge import EdgeStore
from rag.answering.sources import (
    citation_base,
    make_source,
    nearest_part,
    related_sections,
    split_by_heading,
)
from rag.models import (
    Chunk,
    Claim,
    IndexInfo,
    Passage,
    RelatedSection,
    Source,
)
from rag.retrieval.relevance import NOTHING
from rag.settings import Settings
from tests.support.points import INFO, point, run, write

BOOK = "https://book.dev/docs"
PREVIEW = "http://localhost:7860/book"


async def site(folder: Path, settings: Settings, info: IndexInfo | None) -> str:
    if info:
        await write(folder, [point(0)], info)
    store = EdgeStore(folder)
    found = await citation_base(settings, store)
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
        ({"platform": "VERCEL"}, None, "book"),
        ({"host": "0.0.0.0"}, "", "book"),
        ({"qdrant_url": "https://q.dev"}, "", ""),
        ({"routes": ("chat",)}, "", ""),
        ({"platform": "VERCEL", "site_url": "https://set.dev"}, BOOK, "https://set.dev"),
        ({"site_url": "https://set.dev"}, BOOK, "https://set.dev"),
    ],
)
def test_where_citations_link_to(
    tmp_path: Path, settings: dict[str, Any], named: str | None, expected: str
) -> None:
    info = None if named is None else replace(INFO, site_url=named)
    assert run(site(tmp_path, Settings(**settings), info)) == expected


def chunk(text: str, section: str = "", anchors: tuple[str, ...] = (), slug: str = "p#d") -> Chunk:
    return Chunk("id", text, "Privacy", section, slug, "p.md", 0, anchors=anchors)


SEVERAL = chunk(
    "Nothing is kept for long.\n\n### By hand\n\nA reader deletes a conversation with a button."
    "\n\n```sh\n# no heading\n```\n\n### By age\n\nAfter some days it is deleted by itself."
    "\n\n# Log\n\nA log has no names.",
    "Data › Deleting",
    ("hand", "age", "log"),
)


def test_a_chunk_is_divided_at_the_headings_within_it() -> None:
    found = split_by_heading(SEVERAL)
    assert [(part.slug, part.section, part.heading) for part in found] == [
        ("p#d", "Data › Deleting", "Deleting"),
        ("p#hand", "Data › By hand", "By hand"),
        ("p#age", "Data › By age", "By age"),
        ("p#log", "Log", "Log"),
    ]
    lines = SEVERAL.text.split("\n")
    for part in found:
        text = part.text.split("\n")
        assert text == lines[part.line : part.line + len(text)]
    assert "# no heading" in found[1].text


def test_headings_without_text_or_anchor_of_their_own() -> None:
    def slugs(of: Chunk) -> list[str]:
        return [part.slug for part in split_by_heading(of)]

    assert slugs(chunk("## A\n\n## B\n\nText.", "", ("a", "b"))) == ["p#b"]
    assert slugs(chunk("One.\n\n## A\n\nTwo.", "", ("",))) == ["p#d", "p"]
    assert slugs(chunk("## A\n\nTwo.")) == ["p#d"], "an older layout"
    assert [part.text for part in split_by_heading(chunk(""))] == [""]


def test_the_nearest_part_has_most_of_a_claims_words() -> None:
    assert nearest_part(SEVERAL, "deleted after some days").slug == "p#age"
    assert nearest_part(SEVERAL, "by hand").slug == "p#hand"
    assert nearest_part(SEVERAL, "zebra").slug == "p#d"


def test_what_is_lit_up_is_the_sentence_and_not_the_heading_above() -> None:
    text = "A reader deletes a conversation with the button of the chat, or with a request of one."
    below = chunk(text, "How a reader deletes a conversation")
    url = make_source(Passage(below, 0.9), BOOK, ["delete a conversation"]).url
    assert "text=A%20reader%20deletes%20a%20conversation%20with," in url


def test_each_claim_leads_to_its_own_sentence() -> None:
    passage = Passage(SEVERAL, 0.91234)
    about = ["deleted after some days", "a reader deletes with a button", "zebra"]
    found = make_source(passage, BOOK, about, "By itself.")
    assert [(claim.slug, claim.section) for claim in found.claims] == [
        ("p#age", "Data › By age"),
        ("p#hand", "Data › By hand"),
        ("p#d", "Data › Deleting"),
    ]
    assert [claim.snippet.split(".")[0] for claim in found.claims] == [
        "After some days it is deleted by itself",
        "A reader deletes a conversation with a button",
        "Nothing is kept for long",
    ]
    assert [claim.url.split(":~:")[0] for claim in found.claims] == [
        f"{BOOK}/p#{anchor}" for anchor in ("age", "hand", "d")
    ]
    first = found.claims[0]
    assert Claim(found.slug, found.section, found.url, found.snippet) == first
    assert (found.chunk_id, found.title, found.score) == ("id", "Privacy", 0.912)
    assert (found.source_path, found.highlight) == ("p.md", "By itself.")


def near(n: int, title: str, section: str = "", score: float = 0.5) -> Passage:
    text = f"Text {n}."
    return Passage(Chunk(f"id-{n}", text, title, section, f"{title}#{n}", f"{title}.md", n), score)


def cited(title: str, *sections: str) -> Source:
    claims = tuple(Claim(f"{title}#x", section, "", "") for section in sections)
    return Source("id", title, sections[0], "", "", "", 0.9, claims=claims)


NEAR = [
    near(1, "Privacy", "Deleting"),
    near(2, "Privacy", "Deleting"),
    near(3, "Install"),
    near(4, "Privacy", "The log"),
    near(5, "Install", "Deleting"),
    near(6, "Trouble"),
    near(7, "Far", score=NOTHING - 0.01),
]


def test_related_are_the_other_sections_that_were_found_each_once() -> None:
    def names(*sources: Source, count: int = 3) -> list[tuple[str, str]]:
        found = related_sections(NEAR, sources, BOOK, count)
        return [(item.title, item.section) for item in found]

    assert names() == [("Privacy", "Deleting"), ("Install", ""), ("Privacy", "The log")]
    assert names(cited("Privacy", "Deleting")) == [
        ("Install", ""),
        ("Privacy", "The log"),
        ("Install", "Deleting"),
    ]
    assert names(cited("Privacy", "Deleting", "The log"), cited("Install", ""), count=9) == [
        ("Install", "Deleting"),
        ("Trouble", ""),
    ]
    assert related_sections([], [], BOOK) == ()


def test_a_related_section_is_linked() -> None:
    (first, *_) = related_sections(NEAR, [], BOOK)
    assert first == RelatedSection("Privacy", "Deleting", "Privacy#1", f"{BOOK}/Privacy#1")


@pytest.mark.parametrize("unit", ["`", '"', "[", "![", "# ", "- ", "|", "a`", "_", ". "])
def test_a_passage_of_signs_takes_no_long_time(unit: str) -> None:
    text = ("x" + unit * 4000)[:4000] + "x"
    begin = time.thread_time()
    make_source(Passage(chunk(text), 0.9), BOOK, [text])
    assert time.thread_time() - begin < 0.5
