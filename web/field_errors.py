"""Say in plain sentences what is wrong with a request's fields, without repeating their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

NO_OBJECT = "The body must be a JSON object, sent as application/json."
_PLACES = ("body", "query", "path", "header")
_NAMES = {
    "message": "The question",
    "query": "The question",
    "context": "The highlighted text",
    "comment": "The comment",
}
"""What a reader calls a field that the chat page fills in."""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_RULES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "empty": lambda _: "has no visible text",
    "string_type": lambda _: "must be text",
    "string_unicode": lambda _: "must be text in UTF-8",
    "string_too_short": lambda ctx: f"must have at least {_count(ctx['min_length'], 'character')}",
    "string_too_long": lambda ctx: f"may have at most {_count(ctx['max_length'], 'character')}",
    "greater_than_equal": lambda ctx: f"must be {ctx['ge']:,} or more",
    "less_than_equal": lambda ctx: f"must be {ctx['le']:,} or less",
    "finite_number": lambda _: "must be a whole number",
    "list_type": lambda _: "must be a list",
    "too_short": lambda ctx: f"must have at least {_count(ctx['min_length'], 'part')}",
    "too_long": lambda ctx: f"may have at most {_count(ctx['max_length'], 'part')}",
    "literal_error": lambda ctx: f"must be one of {str(ctx['expected']).replace(' or ', ', ')}",
}
"""The rest of the sentence by pydantic's type of error,
https://docs.pydantic.dev/latest/errors/validation_errors/."""
_KINDS = {"int": "must be a whole number", "bool": "must be true or false", "value": ""}
_OBJECTS = ("model_type", "model_attributes_type", "dict_type", "json_invalid", "json_type")


def sentences(problems: Sequence[Mapping[str, Any]], most: int = 5) -> str:
    """Return a sentence for each of the first problems, without repetitions."""
    return " ".join(dict.fromkeys(_sentence(problem) for problem in problems[:most]))


def _sentence(problem: Mapping[str, Any]) -> str:
    place, *inner = problem["loc"] or ("",)
    names = [str(part) for part in (inner if place in _PLACES else (place, *inner))]
    if not names or names[-1].isdigit():
        return NO_OBJECT
    name = _NAMES.get(names[-1], f"The field “{names[-1]}”")
    return f"{name} {rest_of_sentence(problem)}."


def rest_of_sentence(problem: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, to be put behind its name."""
    kind = problem["type"]
    if rule := _RULES.get(kind):
        return rule(problem.get("ctx") or {})
    if kind in _OBJECTS:
        return "must be a JSON object"
    return _KINDS.get(kind.partition("_")[0]) or "is not of the documented form"
