"""What is said to a greeting, to thanks, and to a question about the book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.answering.claims import find_markers
from rag.answering.introduction import introduction
from rag.language.small_talk import SmallTalk, fixed_text
from rag.models import (
    Chunk,
    Highlights,
    IndexInfo,
    Usage,
)

FIRST = Chunk(
    "id",
    "# Welcome\n\n```sh\nx\n```\n\n"
    "This book is about cats and how they live [1]. It is short.\n\nMore of it.",
    "Home",
    "",
    "",
    "index.md",
    0,
)
INFO = IndexInfo("m", 1, 1, "The Cat Book", starters=("Why cats?", "1. What is `[1]`?"))


def said(
    kind: SmallTalk,
    info: IndexInfo = INFO,
    beginning: Sequence[Chunk] = (FIRST,),
    site: str = "",
    title: str = "",
) -> tuple[str, dict[int, str]]:
    *parts, usage = introduction(kind, "en", info, beginning, site, title)
    assert usage == Usage()
    message, *rest = parts
    assert isinstance(message, str)
    highlights = rest[0] if rest else Highlights({})
    assert isinstance(highlights, Highlights)
    return message, dict(highlights.sentences)


def test_the_book_introduces_itself() -> None:
    message, highlights = said("about")
    assert message == (
        "**The Cat Book**\n\n"
        "This book is about cats and how they live \\[1]. It is short. [1]\n\n"
        "You can ask about:\n\n- Why cats?\n- 1\\. What is \\`\\[1\\]\\`?"
    )
    assert highlights == {1: "This book is about cats and how they live [1]."}
    assert [marker.number for marker in find_markers(message)] == [1]


def test_a_greeting_is_answered_first() -> None:
    assert said("greeting")[0] == f"{fixed_text('welcome', 'en')}\n\n{said('about')[0]}"


def test_thanks_get_one_line() -> None:
    assert said("thanks") == (fixed_text("thanked", "en"), {})
    assert introduction("thanks", "de", INFO, [FIRST], "") == (fixed_text("thanked", "de"), Usage())


def test_the_title_leads_to_the_site() -> None:
    assert said("about", site="https://b.dev/docs")[0].startswith(
        "**[The Cat Book](https://b.dev/docs/)**\n\n"
    )
    assert said("about", title="1984", site="https://b.dev")[0].startswith("**[“1984”](")
    assert said("about", title="A*B*C")[0].startswith("**A\\*B\\*C**\n\n")


def test_an_empty_book_says_what_there_is() -> None:
    empty = IndexInfo("m", 1)
    assert said("about", empty, ()) == (fixed_text("welcome", "en"), {})
    assert said("greeting", empty, ()) == (fixed_text("welcome", "en"), {})
    code = Chunk("id", "```sh\nx\n```\n\n- a list", "Home", "", "", "index.md", 0)
    assert said("about", INFO, [code])[1] == {}
    assert "[1]" not in said("about", IndexInfo("m", 1, 1, "Title"), [code])[0]


def test_a_book_without_starters_names_no_topics() -> None:
    assert said("about", IndexInfo("m", 1, 1, "Title"))[0] == (
        "**Title**\n\nThis book is about cats and how they live \\[1]. It is short. [1]"
    )


def test_a_logo_and_a_lead_in_are_no_introduction() -> None:
    logo = replace(
        FIRST, text="Logo\n\nTests passing\n\nEverything there is to say about it is this:"
    )
    second = replace(FIRST, text="Cats are animals that live with people and sleep a lot.")
    message, highlights = said("about", beginning=(logo, second))
    assert "a lot. [2]" in message
    assert list(highlights) == [2]
