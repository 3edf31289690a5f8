"""Write a conversation as a file, in Markdown or JSON, a few turns at a time.

The session id is left out, so that sharing the file does not give access to the conversation.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from rag.answering.citation_filter import link_markers
from rag.answering.code_reader import open_block_end
from rag.answering.quotes import escape_markdown, escape_open_html
from rag.conversations import store
from rag.errors import BookError, NotFound
from rag.interfaces import Database
from rag.models import CUT_OFF, Source, Turn

log = logging.getLogger(__name__)

PAGE_TURNS = 50
"""Turns in memory at a time."""
TRUNCATED = "This answer was cut off before its end."
DELETED = "This conversation does not exist or has been deleted."

_ENDS_TARGET = re.compile(r"[<>\\\s\x00-\x1f]")
_LINK = re.compile(r"\[((?:\\.|[^\[\]\\]){1,1000}+)\]\(([^()\s]{1,2000}+)\)")


class Format(NamedTuple):
    """How to write a file: its begin, its turns, and its end."""

    media_type: str
    name: str
    begin: Callable[[str], str]
    """Takes the book's title."""
    turn: Callable[[Turn], str]
    between: str
    """Separates turns."""
    end: Callable[[str], str]
    """Takes a sentence that says why turns are missing, or ""."""


async def export(
    db: Database, session_id: str, how: Format, title: str, *, retention_days: int
) -> AsyncGenerator[str]:
    """Read the first turns and return the file in pieces. Raises NotFound.

    Turns that are added meanwhile are left out. If the rest cannot be read, the file says so.
    """
    first = await store.page(db, session_id, 0, PAGE_TURNS, retention_days=retention_days)
    if first is None:
        raise NotFound(detail=DELETED)
    return _pieces(db, session_id, how, title, first, retention_days)


async def _pieces(
    db: Database,
    session_id: str,
    how: Format,
    title: str,
    first: store.History,
    retention_days: int,
) -> AsyncGenerator[str]:
    yield how.begin(title)
    page: store.History | None = first
    last, total, missing = 0, first.total, ""
    while page and page.turns:
        yield (how.between if last else "") + how.between.join(map(how.turn, page.turns))
        last, page = page.turns[-1].n, None
        if last >= total:
            break
        try:
            page = await store.page(
                db, session_id, last, min(PAGE_TURNS, total - last), retention_days=retention_days
            )
        except BookError as error:
            log.error("an export broke off after %s of %s turns: %s", last, total, error)
            missing = error.detail
        else:
            missing = "" if page else DELETED
    yield how.end(missing and f"This file ends after turn {last} of {total}. {missing}")


# ---------------------------------------------------------------- JSON


def _json_turn(turn: Turn) -> str:
    record = {
        "n": turn.n,
        "asked_at": turn.created_at.isoformat() if turn.created_at else None,
        "question": turn.question,
        "answer": turn.answer,
        "truncated": _is_truncated(turn),
        "sources": [asdict(source) for source in turn.sources],
        "rating": turn.rating,
    }
    return f"\n{_json(record)}"


def _json_end(missing: str) -> str:
    return f'\n  ],\n  "incomplete": {_json(missing)}\n}}\n' if missing else "\n  ]\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


# ---------------------------------------------------------------- Markdown


def _markdown_turn(turn: Turn) -> str:
    """Return the question as a block quote, the answer, and its numbered sources."""
    question = escape_open_html(turn.question)
    parts = [
        f"## {turn.n}{_when(turn.created_at)}",
        "\n".join(f"> {line}".rstrip() for line in question.splitlines()),
        _linked_answer(turn),
    ]
    if _is_truncated(turn):
        parts.append(f"*{TRUNCATED}*")
    if turn.sources:
        parts.append("\n".join(_cited(n, source) for n, source in enumerate(turn.sources, 1)))
    return "".join(f"\n{part}\n" for part in parts)


FORMATS = {
    "markdown": Format(
        media_type="text/markdown; charset=utf-8",
        name="conversation.md",
        begin=lambda title: f"# {escape_markdown(title or 'The book')}\n",
        turn=_markdown_turn,
        between="",
        end=lambda missing: f"\n**{missing}**\n" if missing else "",
    ),
    "json": Format(
        media_type="application/json",
        name="conversation.json",
        begin=lambda title: f'{{\n  "book": {_json(title)},\n  "turns": [',
        turn=_json_turn,
        between=",",
        end=_json_end,
    ),
}


def _linked_answer(turn: Turn) -> str:
    """Return the answer with each marker linked to the sentence that supports its claim.

    Links that are relative to the service lead nowhere from a file, and are left out.
    """
    answer = escape_open_html(turn.answer)
    if all(source.url.startswith("http") for source in turn.sources):
        urls = {
            n: [_target(claim.url) for claim in source.claims] or [_target(source.url)]
            for n, source in enumerate(turn.sources, 1)
        }
        answer = link_markers(answer, urls)
    else:
        answer = _without_relative_links(answer, turn.sources)
    return answer + open_block_end(answer)


def _is_truncated(turn: Turn) -> bool:
    return turn.metadata.get("finish_reason") in CUT_OFF


def _without_relative_links(answer: str, sources: Sequence[Source]) -> str:
    """Return the answer with links to the pages of its sources replaced by their text."""
    pages = {_page(s.url) for s in sources if not s.url.startswith("http")}

    def without(link: re.Match[str]) -> str:
        return link[1] if _page(link[2]) in pages else link[0]

    return _LINK.sub(without, answer)


def _page(url: str) -> str:
    return url.partition("#")[0].replace("(", "%28").replace(")", "%29")


def _when(at: datetime | None) -> str:
    return f" · {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _cited(n: int, source: Source) -> str:
    name = " › ".join(part for part in (source.title, source.section) if part)
    if not source.url.startswith("http"):
        return f"{n}. {escape_markdown(name)}"
    return f"{n}. [{escape_markdown(name)}](<{_target(source.url)}>)"


def _target(url: str) -> str:
    return _ENDS_TARGET.sub(lambda found: quote(found[0]), url)
