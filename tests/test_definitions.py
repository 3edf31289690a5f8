"""Which questions ask for a definition, and which sentences give it."""

from __future__ import annotations

import pytest

from rag.definitions import definition


@pytest.mark.parametrize(
    "question",
    [
        "What is a closure?",
        "closures",
        "What’s a closure",
        "What are closures?",
        "what a closure is",
        "tell me about the closures",
        "Describe a closure",
        "give me a short overview of closures",
        "an introduction to closures",
        "What are closures good for?",
        "What's the point of closures?",
        "Was ist ein X?",
    ],
)
def test_questions_for_a_definition(question: str) -> None:
    assert definition(question) is not None


@pytest.mark.parametrize(
    "question",
    [
        "How do I write a closure?",
        "install",
        "What is the difference between a closure and a function?",
        "What is the best way to write closures?",
        "What is the right method for a slow network connection?",
        "What is the largest city on the northern coast of Spain?",
        "to be or not to be",
    ],
)
def test_other_questions(question: str) -> None:
    assert definition(question) is None


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What is a closure?", "Rust’s closures are anonymous functions you can save."),
        ("What is Ask the Book?", "Ask the Book is a service."),
        ("What is a struct?", "A struct, or structure, is a type that holds several values."),
        ("What is a smart pointer?", "Smart pointers, on the other hand, are data structures."),
        ("What is a reference?", "A reference is like a pointer to an address."),
        ("What is Cargo?", "Cargo is Rust’s build system."),
        ("What is a selector?", 'In short: a "selector function" is any function of the state.'),
        ("What does unwrap do?", "The `unwrap` method is a shortcut method like `match`."),
        ("What does combine do?", "`combine` turns many into one."),
        ("What is a mutex?", "Mutex is an abbreviation for mutual exclusion."),
        ("What are thunks?", "The word thunk means a piece of delayed work."),
        ("What is the Book of Kells?", "The Book of Kells is a manuscript of the gospels."),
        ("What is the admin token?", "| `ADMIN_TOKEN` | Opens the page. |"),
        ("Was ist ein Vektor?", "Ein Vektor ist eine Liste von Zahlen."),
        ("describe the mutex", "A mutex is a lock."),
        ("What are lifetimes for?", "Rather than types, lifetimes ensure that references hold."),
        ("What is the purpose of lifetimes?", "The aim of lifetimes is to prevent dangling."),
        ("What is the point of a mutex?", "A mutex allows one thread at a time."),
    ],
)
def test_sentences_that_say_what_something_is(question: str, text: str) -> None:
    defines = definition(question)
    assert defines is not None
    assert defines(text) == 1.0


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What is a closure?", "It is seen where the closure is defined."),
        ("What is a closure?", "A closure body is a block."),
        ("What is a selector?", "Selectors are also generally pure functions."),
        ("What is a selector?", "While selectors are a common pattern, many misuse them."),
        ("What is a reducer?", "Reducers are the most important concept."),
        ("What is ownership?", "Because ownership is a new concept, it takes time."),
        ("What does unwrap do?", "Using `unwrap_or_else` allows more."),
        ("What is Rust?", "Rust is ideal for many people."),
        ("What is Rust?", "Rust is for students."),
        ("What is a struct?", "Structs are similar to tuples."),
        ("What is a reducer?", "A slice of a reducer is a part."),
        ("What are lifetimes for?", "Lifetime annotations describe relations."),
        ("What are lifetimes for?", "There is no point in lifetimes here."),
        ("What is the syntax for closures?", "A syntax is a set of rules."),
    ],
)
def test_sentences_that_only_speak_of_it(question: str, text: str) -> None:
    defines = definition(question)
    assert defines is not None
    assert defines(text) == 0.0


def test_what_names_or_tells_counts_less() -> None:
    defines = definition("borrow checker")
    assert defines is not None
    degrees = [
        defines("A borrow checker is a part of the compiler."),
        defines("The compiler has a borrow checker that compares scopes."),
        defines("The borrow checker allows many readers."),
        defines("Many fear the borrow checker."),
    ]
    assert degrees == sorted(degrees, reverse=True)
    assert len(set(degrees)) == len(degrees)


@pytest.mark.parametrize(
    "run", ["a ", "a \n", "the un una ", "in in, ", "term ", "\n", "- ", "closures, "]
)
def test_monstrous_texts_end(run: str) -> None:
    defines = definition("What is a closure?")
    assert defines is not None
    assert defines(run * 700) == 0.0
