"""A conversation as a file that a reader keeps: Markdown to read, JSON for programs.

Neither names the session: whoever is given the file learns nothing that opens it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import quote

from rag.answering.citation_filter import linked
from rag.models import Source, Turn

_ENDS_TARGET = re.compile(r"[<>\\\s\x00-\x1f]")
_LINK_TEXT = re.compile(r"([\\\[\]<>*_`])")


def as_json(turns: Sequence[Turn], title: str) -> str:
    """`{"book", "turns": [{n, asked_at, question, answer, sources, rating}]}`."""
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
    """Each question as a quotation, its answer, and the numbered sources of the answer."""
    parts = [f"# {_plain(title or 'The book')}"]
    for turn in turns:
        parts.append(f"## {turn.n}{_when(turn.created_at)}")
        parts.append("\n".join(f"> {line}".rstrip() for line in turn.question.splitlines()))
        parts.append(_linked(turn))
        if turn.sources:
            parts.append("\n".join(_cited(n, source) for n, source in enumerate(turn.sources, 1)))
    return "\n\n".join(parts) + "\n"


def _linked(turn: Turn) -> str:
    """The answer, in which each marker leads to the sentence that its claim rests on."""
    urls = {
        n: [_target(claim.url) for claim in source.claims] or [_target(source.url)]
        for n, source in enumerate(turn.sources, 1)
    }
    return linked(turn.answer, urls)


def _when(at: datetime | None) -> str:
    return f" · {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _cited(n: int, source: Source) -> str:
    name = " › ".join(part for part in (source.title, source.section) if part)
    return f"{n}. [{_plain(name)}](<{_target(source.url)}>)"


def _target(url: str) -> str:
    return _ENDS_TARGET.sub(lambda found: quote(found[0]), url)


def _plain(text: str) -> str:
    return _LINK_TEXT.sub(r"\\\1", " ".join(text.split()))
