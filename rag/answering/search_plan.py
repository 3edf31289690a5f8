"""Ask the chat model where to look further, when the first search was weak.

The model sees the question, the conversation and the headings of the book, the most promising
ones within a token budget. It returns searches in the book's own words, and sections to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from rag.answering.prompt import count_tokens
from rag.answering.sources import split_by_heading
from rag.models import Passage

MAX_SEARCHES, MAX_SECTIONS = 3, 5
REPLY_TOKENS = 200
"""Enough for the longest plan."""
_CONTENTS_TOKENS = 2500
_LONGEST_HEADING = 150
"""In characters."""
_LONGEST_SEARCH = 200
"""In characters."""
RESPONSE_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "second_look",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "searches": {"type": "array", "items": {"type": "string"}},
                "sections": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["searches", "sections"],
            "additionalProperties": False,
        },
    },
}
"""The form of the reply, for servers that can enforce one."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The headings that a model may choose from."""

    text: str
    """One line per heading, with its number, below the title of its page."""
    passages: tuple[Passage, ...]
    """The n-th is the passage below heading n, from 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look further."""

    searches: tuple[str, ...] = ()
    sections: tuple[Passage, ...] = ()


def contents(passages: Sequence[Passage], tokens: int = _CONTENTS_TOKENS) -> Contents:
    """List the headings of passages, which come best first, until `tokens` are used.

    The list is in the book's order, so that the model sees how the headings belong together.
    """
    kept: dict[tuple[str, str], Passage] = {}
    left = tokens
    for passage in passages:
        chunk = passage.chunk
        for part in split_by_heading(chunk):
            place = (chunk.title, part.section)
            cost = count_tokens(part.section or chunk.title) + 5
            if place not in kept and cost <= left:
                kept[place] = passage
                left -= cost
    in_order = sorted(kept.items(), key=lambda item: item[1].chunk.order_index)
    lines: list[str] = []
    page = ""
    for number, ((title, section), _) in enumerate(in_order, 1):
        if title != page or not lines:
            lines.append(f"# {title[:_LONGEST_HEADING]}")
            page = title
        lines.append(f"{number} {section[:_LONGEST_HEADING] or '(beginning of the page)'}")
    return Contents("\n".join(lines), tuple(passage for _, passage in in_order))


def read_plan(reply: str, listed: Contents) -> Plan:
    """Read the model's reply, leniently. What is unusable in it is left out."""
    begin, end = reply.find("{"), reply.rfind("}")
    try:
        data = from_json(reply[begin : end + 1]) if 0 <= begin < end else None
    except ValueError:
        return Plan()
    if not isinstance(data, dict):
        return Plan()
    texts = [" ".join(text.split()) for text in _list(data, "searches") if isinstance(text, str)]
    searches = [text[:_LONGEST_SEARCH] for text in texts if any(map(str.isalnum, text))]
    numbers = [int(n) for n in map(str, _list(data, "sections")) if n.isdecimal() and len(n) < 10]
    chosen = {
        listed.passages[n - 1].chunk.chunk_id: listed.passages[n - 1]
        for n in numbers
        if 0 < n <= len(listed.passages)
    }
    return Plan(
        tuple(dict.fromkeys(searches))[:MAX_SEARCHES], tuple(chosen.values())[:MAX_SECTIONS]
    )


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    return value if isinstance(value, list) else []
