"""The question proper is what is left without the courtesies around it."""

from __future__ import annotations

import pytest

from rag.courtesy import plain
from rag.services.prompt import answer_messages
from rag.types import Brief, Turn


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("hi, what is ownership?", "what is ownership?"),
        ("hello how do I fly", "how do I fly"),
        ("Hi there! Please explain closures", "explain closures"),
        ("Thanks! And on Lambda?", "And on Lambda?"),
        ("Okay, thank you. And on Lambda?", "And on Lambda?"),
        ("Could you please tell me what ownership is?", "what ownership is?"),
        ("Can you explain ownership?", "explain ownership?"),
        ("I want to know how to install it", "how to install it"),
        ("I don’t understand what lifetimes are", "what lifetimes are"),
        ("Do you know how it works?", "how it works?"),
        ("How do I test, please?", "How do I test?"),
        ("How do I test please", "How do I test"),
        ("Explain ownership to me in simple terms, please", "Explain ownership"),
        ("explain that in more detail", "explain that"),
        ("How do I install it, step by step?", "How do I install it?"),
        ("Bonjour, pouvez-vous me dire comment installer ?", "comment installer ?"),
        ("Hallo! Kannst du mir sagen, wie es geht?", "wie es geht?"),
        ("¡Hola! ¿Puedes decirme cómo se instala?", "cómo se instala?"),
        ("你好，什么是所有权？", "什么是所有权？"),
    ],
)
def test_courtesies_around_a_question_go(asked: str, meant: str) -> None:
    assert plain(asked) == meant


@pytest.mark.parametrize(
    "asked",
    [
        "hi",
        "Thank you!",
        "please",
        "Hello, world in Rust",
        "hi-res images",
        "Do you know C++?",
        "What does the thanks command do?",
        "What is the please option?",
        "show me an example",
        "tell me about traits",
        "How do I install it?",
        "What is in short supply?",
        "What is written in plain text?",
    ],
)
def test_what_is_a_question_itself_stays(asked: str) -> None:
    assert plain(asked) == asked


@pytest.mark.parametrize(
    "run",
    [
        "hi, ",
        "please ",
        "can you ",
        "I want to know ",
        " , thanks",
        ", please",
        "  ,  to me  ",
        " ",
    ],
)
def test_monstrous_courtesies_end(run: str) -> None:
    """A pattern that tries all ways to read them would not, before the reader has left."""
    assert plain(run * 500)
    assert plain(f"a{run * 500}zzz").endswith("zzz")


def test_a_model_is_not_told_twice_what_is_asked() -> None:
    asked, meant = "Hi, how do I test it?", "how do I test it?"
    messages = answer_messages(Brief(asked, (), standalone=plain(asked)))
    assert meant == plain(asked)
    assert "probably" not in str(messages)
    history = (Turn("What is the server?", "It serves [1]."),)
    moved = answer_messages(Brief(asked, (), history, standalone="how do I test the server?"))
    assert "probably" in str(moved)
