"""Follow-ups without a model: what a question leans on, by rule."""

from __future__ import annotations

import pytest

from rag.embedded.followups import standalone
from rag.types import Turn


@pytest.mark.parametrize(
    ("earlier", "question", "meant"),
    [
        ("How do I run it on AWS?", "And on a Mac?", "How do I run it on a Mac?"),
        (
            "How do I deploy to AWS Lambda?",
            "and on Hugging Face?",
            "How do I deploy on Hugging Face?",
        ),
        ("How do I learn to test?", "and on Lambda?", "How do I learn to test on Lambda?"),
        ("What does the ? operator do?", "in main?", "What does the ? operator do in main?"),
    ],
)
def test_a_follow_up_replaces_the_place(earlier: str, question: str, meant: str) -> None:
    assert standalone(question, [Turn(earlier, "")]) == meant


@pytest.mark.parametrize(
    ("earlier", "question", "meant"),
    [
        ("What is ownership?", "and what about borrowing?", "What is borrowing?"),
        ("What is ownership?", "And lifetimes?", "What is lifetimes?"),
        ("Do you know what a trait is?", "what about structs?", "what structs is?"),
        ("Hi! Tell me about Lambda", "and Hugging Face?", "Tell me about Hugging Face?"),
        ("What does unwrap do?", "and expect?", "What does expect do?"),
        ("What are closures good for?", "what about traits?", "What are traits good for?"),
        ("What should I use?", "and Lambda?", "and Lambda? (use)"),
        ("What is the rule of borrowing?", "and lifetimes?", "and lifetimes? (rule borrowing)"),
        ("What is Cargo?", "then install it", "then install it (Cargo)"),
        ("What is ownership?", "and the rules?", "and the rules? (ownership)"),
        ("What is ownership?", "and why?", "and why? (ownership)"),
        ("How do I deploy to AWS?", "What about Vercel?", "How do I deploy to Vercel?"),
        ("How do I deploy to AWS?", "and testing?", "and testing? (deploy AWS)"),
    ],
)
def test_a_follow_up_names_another_subject(earlier: str, question: str, meant: str) -> None:
    assert standalone(question, [Turn(earlier, "")]) == meant


def test_another_subject_goes_through_a_conversation() -> None:
    history = [Turn("What is ownership?", ""), Turn("Why does it matter?", "")]
    assert standalone("and borrowing?", history) == "Why does it matter? (borrowing)"
    history += [Turn("and borrowing?", "")]
    assert standalone("and lifetimes?", history) == "Why does it matter? (lifetimes)"


def test_thanks_are_no_subject() -> None:
    history = [Turn("What is ownership?", ""), Turn("Thanks!", "")]
    assert standalone("Any limits?", history) == "Any limits? (ownership)"


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("How does it work?", "How does it work? (Docusaurus)"),
        ("What are the alternatives?", "What are the alternatives? (Docusaurus)"),
        ("Any limits?", "Any limits? (Docusaurus)"),
        ("and why?", "and why? (Docusaurus)"),
        ("Why does it matter?", "Why does it matter? (Docusaurus)"),
        ("Is it safe?", "Is it safe? (Docusaurus)"),
        ("Is it safe to export pages?", "Is it safe to export pages?"),
        ("Give me an example", "Give me an example (Docusaurus)"),
        ("Can you explain?", "Can you explain? (Docusaurus)"),
        ("What should I use instead?", "What should I use instead? (Docusaurus)"),
        ("Show me how to export pages", "Show me how to export pages"),
        ("What can I use instead of pages?", "What can I use instead of pages?"),
        ("What are the alternatives to mdBook?", "What are the alternatives to mdBook?"),
        ("Is it possible to export pages?", "Is it possible to export pages?"),
        ("How do I export pages?", "How do I export pages?"),
    ],
)
def test_only_a_question_that_leans_takes_words_of_the_last(question: str, meant: str) -> None:
    assert standalone(question, [Turn("What is Docusaurus?", "")]) == meant


def test_a_question_leans_on_the_last_one_that_stands_alone() -> None:
    history = [Turn("What is mdBook?", ""), Turn("What is Docusaurus?", ""), Turn("and why?", "")]
    assert standalone("Any limits?", history) == "Any limits? (Docusaurus)"


def test_a_place_is_replaced_in_the_question_that_the_last_one_leans_on() -> None:
    history = [Turn("How do I deploy to a Hugging Face Space?", ""), Turn("What does it cost?", "")]
    assert standalone("and on Lambda?", history) == "What does it cost? (deploy Lambda)"
    history.append(Turn("and on Lambda?", ""))
    assert standalone("and on Vercel?", history) == "What does it cost? (deploy Vercel)"
