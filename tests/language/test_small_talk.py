"""Greetings, thanks and questions about the book itself, known by exact phrases."""

from __future__ import annotations

from time import process_time
from timeit import timeit
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language import small_talk as module
from rag.language.small_talk import (
    Key,
    SmallTalk,
    accepted_language,
    classify_small_talk,
    fixed_text,
    reply_language,
)

LANGUAGES = ["ar", "de", "en", "es", "fr", "he", "hi", "it", "ja", "nl", "pt", "ru", "ur", "zh"]
PHRASES: list[tuple[str, SmallTalk, str]] = [
    (" ".join(phrase.split()), kind, language)
    for language, kinds in module._PHRASES.items()
    for kind, phrases in zip(get_args(SmallTalk), kinds.split("/"), strict=True)
    for phrase in phrases.split("|")
]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("hi", "greeting"),
        ("Hello there!!", "greeting"),
        ("  GOOD\n morning ", "greeting"),
        ("Hi 👋🏽", "greeting"),
        ("Grüß Gott", "greeting"),
        ("Здравствуйте!", "greeting"),
        ("Buenos dias", "greeting"),  # accents left out
        ("أهلا", "greeting"),
        ("Thank you!", "thanks"),
        ("ok, thanks :-)", "thanks"),
        ("Hi! Thanks.", "thanks"),
        ("ありがとうございます。", "thanks"),
        ("What is this about?", "about"),
        ("What’s this?", "about"),
        ("whats this", "about"),
        ("HELP", "about"),
        ("Who are you?", "about"),
        ("Hi! What can I ask?", "about"),
        ("Hello, thanks, what is this?", "about"),
        ("Worum geht es in diesem Buch?", "about"),
        ("¿De qué trata este libro?", "about"),
        ("Qu’est-ce que c’est ?", "about"),
        ("यह क्या है?", "about"),
        ("你好，这本书讲什么？", "about"),
        ("???", "about"),
        ("👍", "about"),
        ("", "about"),
    ],
)
def test_known_phrases_are_small_talk(question: str, kind: SmallTalk) -> None:
    assert classify_small_talk(question) == kind


@pytest.mark.parametrize(
    "question",
    [
        "hi, how do I install it?",
        "Hello, world",
        "hi-res",
        "Thanks! And on Lambda?",
        "What is Vite about?",
        "What is this error about?",
        "What does the help command do?",
        "--help",
        "`help`",
        "/help",
        "help()",
        "this",
        "你好世界",
        "C++",
        "7",
    ],
)
def test_a_question_with_any_other_word_is_not(question: str) -> None:
    assert classify_small_talk(question) is None


@pytest.mark.parametrize(("phrase", "kind", "language"), PHRASES)
def test_every_phrase_is_known_in_its_language(phrase: str, kind: SmallTalk, language: str) -> None:
    assert classify_small_talk(f"{phrase.upper()}!") == kind
    assert reply_language(phrase, language) == language


def test_every_language_has_every_kind_and_every_text() -> None:
    assert {(kind, language) for _, kind, language in PHRASES} == {
        (kind, language) for kind in get_args(SmallTalk) for language in LANGUAGES
    }
    assert sorted(module._TEXTS) == LANGUAGES
    for key in get_args(Key):
        texts = [fixed_text(key, language) for language in LANGUAGES]
        assert all(texts)
        assert len(set(texts)) == len(LANGUAGES)
    assert all(len(lines.split("\n")) == 1 + len(get_args(Key)) for lines in module._TEXTS.values())


def test_texts_are_chosen_by_language_and_fall_back_to_english() -> None:
    for languages, expected in (
        (("en", "xx", ""), "Read on"),
        (("de", "de-AT", "DE_ch"), "Weiterlesen"),
    ):
        assert {fixed_text("read_on", language) for language in languages} == {expected}
    assert fixed_text("elsewhere", "en") == "Elsewhere in the book:"
    assert fixed_text("nothing", "fr").startswith("Le livre")


@pytest.mark.parametrize(
    ("question", "default", "language"),
    [
        ("hola", "en", "es"),
        ("السلام علیکم", "en", "ur"),
        ("Como funciona?", "pt-BR", "pt-BR"),  # said in Spanish too
        ("Como funciona?", "en", "es"),
        ("hi", "de", "en"),
        ("???", "de", "de"),
        ("vite", "de", "de"),
        ("Hi, wo finde ich die Konfiguration?", "en", "de"),
    ],
)
def test_a_reply_is_in_the_language_of_the_phrase(
    question: str, default: str, language: str
) -> None:
    assert reply_language(question, default) == language


@pytest.mark.parametrize(
    ("question", "book", "reader", "language"),
    [
        ("vite", "en", "nl", "nl"),
        ("vite", "en", "sv", "en"),  # there are no texts in it
        ("Como funciona?", "en", "pt-BR", "pt-BR"),
        ("Hoi!", "en", "de", "nl"),
        ("שלום", "en", "de", "he"),
        ("Where is the server?", "de", "fr", "en"),
        ("Como desativar o cache de testes?", "en", "pt", "pt"),
        ("所有権", "en", "ja", "ja"),
    ],
)
def test_the_readers_language_decides_where_the_question_does_not(
    question: str, book: str, reader: str, language: str
) -> None:
    assert reply_language(question, book, reader) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", ""),
        ("*", ""),
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("sv, nl;q=0.5, en;q=0.7", "en"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("de;q=x, ;;;, ja ; q=0.3", "ja"),
        ("de" * 5000, ""),
        (",".join(["xx"] * 5000), ""),
    ],
)
def test_accepted_language(header: str, language: str) -> None:
    assert accepted_language(header) == language


@given(st.text())
def test_any_header_is_read(header: str) -> None:
    assert accepted_language(header) == "" or accepted_language(header) in header


@given(st.text())
def test_any_text_is_judged(question: str) -> None:
    kind = classify_small_talk(question)
    assert kind is None or kind in get_args(SmallTalk)
    assert any(map(str.isalnum, question)) or kind == "about"
    assert reply_language(question, "xx")


@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4), st.sampled_from("!.?…,🎉"))
def test_phrases_one_after_the_other_are_the_weightiest(
    said: list[tuple[str, SmallTalk, str]], mark: str
) -> None:
    order = list(get_args(SmallTalk))
    together = f"{mark} ".join(phrase for phrase, _, _ in said)
    assert classify_small_talk(f"{together} zzz") is None
    kind = classify_small_talk(together)
    # "hi" and "there" after one another may be a longer phrase, of the same weight or more
    assert kind
    assert order.index(kind) >= max(order.index(kind) for _, kind, _ in said)


@pytest.mark.parametrize("part", ["hi ", "what is ", "help me", "👍", "?", "a", "é", "ﷺ", "- "])
def test_a_long_question_takes_no_longer_than_its_length_demands(part: str) -> None:
    classify_small_talk("")
    text = (part * 2000)[:2000]
    assert timeit(lambda: classify_small_talk(text), timer=process_time, number=1) < 0.25
    assert timeit(lambda: classify_small_talk(text + "z"), timer=process_time, number=1) < 0.25
