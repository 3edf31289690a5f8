"""Export a conversation as a file, in Markdown or JSON.

The session id is left out, so that sharing the file does not give access to the conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import quote

from rag.answering.citation_filter import link_markers
from rag.models import Source, Turn

_ENDS_TARGET = re.compile(r"[<>\\\s\x00-\x1f]")
_LINK_TEXT = re.compile(r"([\\\[\]<>*_`])")


def as_json(turns: Sequence[Turn], title: str) -> str:
    """Return `{"book", "turns": [{n, asked_at, question, answer, sources, rating}]}`."""
    document = {
        "book": title,
        "turns": [
            {
                "n": turn.n,
                "asked_at": turn.created_at.isoformat() if turn.created_at else None,
                "question": turn.question,
                "answer": turn.answer,
                "sources": [asdict(source) for source in turn.sources],
                "rating": turn.rating,
            }
            for turn in turns
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_markdown(turns: Sequence[Turn], title: str) -> str:
    """Return each turn as a block quote of the question, the answer, and its numbered sources."""
    parts = [f"# {_plain(title or 'The book')}"]
    for turn in turns:
        parts.append(f"## {turn.n}{_when(turn.created_at)}")
        parts.append("\n".join(f"> {line}".rstrip() for line in turn.question.splitlines()))
        parts.append(_linked_answer(turn))
        if turn.sources:
            parts.append("\n".join(_cited(n, source) for n, source in enumerate(turn.sources, 1)))
    return "\n\n".join(parts) + "\n"


def _linked_answer(turn: Turn) -> str:
    """Return the answer with each marker linked to the sentence that supports its claim."""
    urls = {
        n: [_target(claim.url) for claim in source.claims] or [_target(source.url)]
        for n, source in enumerate(turn.sources, 1)
    }
    return link_markers(turn.answer, urls)


def _when(at: datetime | None) -> str:
    return f" · {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _cited(n: int, source: Source) -> str:
    name = " › ".join(part for part in (source.title, source.section) if part)
    return f"{n}. [{_plain(name)}](<{_target(source.url)}>)"


def _target(url: str) -> str:
    return _ENDS_TARGET.sub(lambda found: quote(found[0]), url)


def _plain(text: str) -> str:
    return _LINK_TEXT.sub(r"\\\1", " ".join(text.split()))
