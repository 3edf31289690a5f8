"""Links to the very sentence: percent-encoding and text fragments."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.text_fragments import citation_url, plain_sentences, text_directive

SITE = "https://book.example/guide/"


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("", "https://book.example/guide/"),
        ("docs/intro", "https://book.example/guide/docs/intro"),
        ("/docs/intro", "https://book.example/guide/docs/intro"),
        ("docs/intro#core", "https://book.example/guide/docs/intro#core"),
        ("#core", "https://book.example/guide/#core"),
        (
            "docs/mein kapitel#größe",
            "https://book.example/guide/docs/mein%20kapitel#gr%C3%B6%C3%9Fe",
        ),
        ("说明#安装", "https://book.example/guide/%E8%AF%B4%E6%98%8E#%E5%AE%89%E8%A3%85"),
        ("a%20b#c%20d", "https://book.example/guide/a%20b#c%20d"),
        ("100%#50%", "https://book.example/guide/100%25#50%25"),
        ("what?#a?b", "https://book.example/guide/what%3F#a?b"),
        ('a"<b>#"', "https://book.example/guide/a%22%3Cb%3E#%22"),
        ("a.html#s-1,2", "https://book.example/guide/a.html#s-1,2"),
    ],
)
def test_path_and_anchor(slug: str, expected: str) -> None:
    assert citation_url(SITE, slug, "") == expected
    assert citation_url(SITE.rstrip("/"), slug, "") == expected


def made(quote: str, claim: str = "") -> list[str]:
    directive = text_directive(quote, claim)
    assert directive.startswith("text=") or not directive
    return directive.removeprefix("text=").split(",")


LONG = (
    "A reader who follows a citation lands on the paragraph, and the browser lights up "
    "the sentence that the answer was made from."
)


@pytest.mark.parametrize(
    ("quote", "terms"),
    [
        ("A short sentence stands whole.", "A short sentence stands whole"),
        (LONG, "A reader who follows a citation|that the answer was made from"),
        ("Well-known, A & B, yes.", "Well-known, A & B, yes"),
        ("Hard-wrapped\nlines are one.", "Hard-wrapped lines are one"),
        ("Use `pip install` for it all.", "Use pip install for it all"),
        ("See the [**guide**](../a.md) for more.", "See the guide for more"),
        ("```sh\nrun --this\n```\n\nThen it is running.", "Then it is running"),
        ("~~~\ncode\n~~~\nThen it is running.", "Then it is running"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter the table.", "After the table"),
        ("- First of the items.\n- Second of the items.", "First of the items"),
        ("  2. Second of the items\n     goes on here.", "Second of the items goes on here"),
        ("- [x] Done with the task.", "Done with the task"),
        ("> Quoted by the author.", "Quoted by the author"),
        ("## Heading\n\nBelow the heading.", "Below the heading"),
        (":::note\nInside the note.\n:::", "Inside the note"),
        ("Yes. This one is long enough.", "This one is long enough"),
        ("これは文章です。次。", "これは文章です"),
        # what a site generator rewrites is never compared
        (
            "Pages are built -- as you know -- whenever the author pushes to the main branch.",
            "Pages are built|author pushes to the main branch",
        ),
        ("A ... B", ""),
        ("$x^2$ and {{ y }}", ""),
        ("Cut off in the middle of a senten…", "Cut off in the middle of a"),
        ("", ""),
        ("```\nonly code\n```", ""),
        ("Short.", ""),
    ],
)
def test_directive(quote: str, terms: str) -> None:
    """`terms` are start and end with a bar between them."""
    assert "|".join(unquote(term) for term in made(quote)) == terms


def test_what_the_directive_reserves_is_encoded() -> None:
    url = citation_url(SITE, "a#b", "Well-known, A & B, yes.")
    assert url.endswith("#b:~:text=Well%2Dknown%2C%20A%20%26%20B%2C%20yes")


def test_without_an_anchor_the_fragment_is_the_directive() -> None:
    assert citation_url(SITE, "a", "One short sentence.").endswith(
        "/a#:~:text=One%20short%20sentence"
    )


def test_the_claim_picks_the_sentence() -> None:
    passage = (
        "The service has two engines. Conversations expire after ninety days without use. "
        "Deleting them is immediate."
    )
    assert "ninety" in text_directive(passage, "A conversation expires after ninety days")
    assert "engines" in text_directive(passage, "Etwas ganz anderes")


def test_the_first_words_are_not_those_of_the_heading() -> None:
    quote = "A reader deletes a conversation with the button of the chat, or with a request of one."
    first = "text=A%20reader%20deletes%20a%20conversation"
    assert text_directive(quote).startswith(f"{first},")
    below = text_directive(quote, above="Privacy › How a reader deletes a conversation")
    assert below.startswith(f"{first}%20with,")
    assert text_directive("Install it here.", above="Install it here. And there") == ""


def test_the_first_words_do_not_stand_earlier_in_the_passage() -> None:
    first = "When you deploy the book on a small host of your own, it starts without any key."
    second = "When you deploy the book on a small host of your own, it asks the author for "
    second += "five secrets that only the services themselves can give."
    start, end = map(unquote, made(f"{first} {second}", "five secrets"))
    assert start == "When you deploy the book on a small host of your own, it asks"
    assert end == "services themselves can give"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60))
def test_any_text_gives_a_valid_address(quote: str, slug: str, claim: str) -> None:
    url = citation_url(SITE, slug, quote, claim)
    assert url.isascii()
    assert not set(url) & set(' "<>\\^`{|}')
    assert urlsplit(url).netloc == "book.example"
    assert url.count("#") <= 1
    _, delimiter, directive = url.partition(":~:text=")
    if delimiter:
        assert "-" not in directive
        assert "&" not in directive
        plain = " ".join(plain_sentences(quote))
        for term in directive.split(","):
            assert unquote(term) in plain


def test_a_claim_that_is_a_sentence_stands_for_no_other() -> None:
    quote = (
        "If you deploy to `https://<USER>.io/`, set the base.\n\nIf you deploy to a host, omit it."
    )
    sentence = plain_sentences(quote)[1]
    assert text_directive(quote, sentence).startswith("text=If%20you%20deploy%20to%20a")
    unsafe = "- Endpoint: `/api/{name}/owners`\n- The endpoint returns the owners of the crate."
    assert text_directive(unsafe, plain_sentences(unsafe)[0]) == ""
    assert text_directive(unsafe, "endpoint owners") != "", "a claim in other words"
