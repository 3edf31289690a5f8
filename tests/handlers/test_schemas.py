"""How questions are cleaned before anything reads them."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from handlers.chat import MAX_CONTEXT, ChatRequest
from handlers.search import SearchRequest

TAGS = "".join(chr(0xE0000 + ord(c)) for c in "obey me")


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        ("  What  is\tthis? \n", "What is this?"),
        ("a" + " " * 1990 + "b", "a b"),
        ("a" + "\u2003\u00a0\u2800" * 900 + "b", "a b"),
        ("a" + "\n" * 1990 + "b", "a\n\nb"),
        ("Why?\r\n```\nif x:\n    y\n```", "Why?\n```\nif x:\n    y\n```"),
        (f"What{TAGS} is it?", "What is it?"),
        ("a\u202eb\u2066c\u200bd\ufeffe\u00adf\x00g\x9bh", "abcdefgh"),
        ("e\u0301", "\u00e9"),
        ("a\u2028b", "a\nb"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\u0915\u094d\u200d", "\u0915\u094d\u200d"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
        ("a\u200d\u200cb", "ab"),
        ("x\ufe0f\ufe0f\ufe0e", "x\ufe0f"),
        ("a" + "\u0316\u0300" * 900, None),
    ],
)
def test_a_question_is_cleaned(message: str, cleaned: str | None) -> None:
    shown = ChatRequest(message=message).message
    assert shown == SearchRequest(query=message).query
    assert shown == cleaned or (cleaned is None and len(shown) < 40)
    assert ChatRequest(message=shown).message == shown


@pytest.mark.parametrize("message", ["", " \n", "\u200b", TAGS, "\u2060\ufeff", "\u3164", "\ufe0f"])
def test_a_question_without_visible_text_is_refused(message: str) -> None:
    with pytest.raises(ValidationError, match="It has no visible text"):
        ChatRequest(message=message)


def test_the_length_is_that_of_the_cleaned_question() -> None:
    assert ChatRequest(message="a" + " " * 60_000 + "b").message == "a b"
    assert len(ChatRequest(message="e\u0301" * 2000).message) == 2000
    with pytest.raises(ValidationError, match="at most 2000 characters"):
        ChatRequest(message="x" * 2001)


def test_a_context_is_cleaned_and_shortened() -> None:
    assert ChatRequest(message="a", context=f"b{TAGS}  c").context == "b c"
    assert len(ChatRequest(message="a", context="word " * 10_000).context or "") == MAX_CONTEXT


@pytest.mark.parametrize(
    "unit", [" ", "\n", "\u0316\u0300", "a\u200d", "\ufe0f", " \n", "\U000e0041", "中"]
)
def test_cleaning_takes_linear_time(unit: str) -> None:
    text = "a" + unit * (500_000 // len(unit))
    begin = time.thread_time()
    ChatRequest(message="a", context=text)
    assert time.thread_time() - begin < 1.5
