"""Quoted answers of the real service in a real browser: each chip links to its sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser.conftest import Reader
from tests.support.service import Service

QUESTIONS = (
    "How do I delete a conversation?",
    "Which secrets does a host need?",
    "What happens when the day's budget is used up?",
    "How is the chat put on a Docusaurus site?",
    "Where are conversations kept, and for how long?",
    "Can it read a live site?",
    "What does it cost?",
    "How do I see which questions the book failed?",
)


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def directive(url: str) -> list[str]:
    """Return the first and last words that the browser highlights at an address."""
    _, _, found = urlsplit(url).fragment.partition(":~:text=")
    return [unquote(term) for term in found.split(",") if term]


def open_page(readers: Callable[..., Reader], service: Service) -> Reader:
    reader = readers()
    reader.page.goto(f"{service.url}/")
    reader.field.wait_for()
    return reader


def chips(reader: Reader) -> list[dict[str, Any]]:
    """Return each chip on the page with its address and block."""
    found: list[dict[str, Any]] = reader.page.locator(".answer .cite").evaluate_all(
        """chips => chips.map(chip => ({
          number: chip.textContent, url: chip.href,
          block: chip.closest('p, li, td, h3').textContent,
          marked: [...chip.closest('.prose').querySelectorAll('mark')].map(m => m.textContent),
        }))"""
    )
    return found


@pytest.fixture
def passages(service: Service) -> Callable[[str], dict[str, str]]:
    """Return the passages found for a question, by page and anchor."""

    def find(question: str) -> dict[str, str]:
        with service.client() as http:
            found = http.post("/search", json={"query": question, "top_k": 20}).json()["results"]
        return {result["chunk_id"]: letters(result["text"]) for result in found}

    return find


@pytest.mark.parametrize("question", QUESTIONS)
def test_chips_marks_and_cards_agree(
    readers: Callable[..., Reader],
    service: Service,
    passages: Callable[[str], dict[str, str]],
    question: str,
) -> None:
    reader = open_page(readers, service)
    reader.ask(question)
    shown = chips(reader)
    assert shown
    session = reader.page.evaluate("Object.values(localStorage).join(' ')")
    session_id = re.search(r"[0-9a-f-]{36}", session)
    assert session_id
    with service.client() as http:
        (turn,) = http.get(f"/chat/sessions/{session_id[0]}").json()["turns"]
    cards = reader.page.locator(".sources li a").evaluate_all("links => links.map(a => a.href)")
    assert cards == [source["url"] for source in turn["sources"]]
    texts = passages(question)
    for chip in shown:
        source = turn["sources"][int(chip["number"]) - 1]
        assert chip["url"] == source["url"] == source["claims"][0]["url"]
        if not source["highlight"]:
            continue
        assert letters(source["highlight"]) in texts[source["chunk_id"]]
        assert letters(source["highlight"]) in letters(chip["block"])
        assert letters(source["highlight"]) in letters("".join(chip["marked"]))
        for term in directive(chip["url"]):
            assert letters(term) in letters(chip["block"])
    reader.page.reload()
    reader.page.locator(".answer .actions").wait_for()
    assert chips(reader) == shown
    related = reader.page.locator(".related a").evaluate_all("links => links.map(a => a.href)")
    assert related == [section["url"] for section in turn["related"]]


def test_a_citation_links_to_the_exact_sentence(
    readers: Callable[..., Reader], service: Service
) -> None:
    reader = open_page(readers, service)
    reader.ask(QUESTIONS[0])
    first = chips(reader)[0]
    assert directive(first["url"])
    reader.page.goto(first["url"])
    page = letters(reader.page.locator("body").inner_text())
    assert all(letters(term) in page for term in directive(first["url"]))
