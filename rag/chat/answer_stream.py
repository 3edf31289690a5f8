"""One question's answer: what it is written from, its events, its citations, its saving."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from rag import request_log
from rag.answering import sources
from rag.answering.citation_filter import CitationFilter, renumber
from rag.answering.claims import markers
from rag.answering.support import supporting
from rag.chat import admission
from rag.conversations import store as conversations
from rag.errors import UpstreamError, UpstreamTimeout
from rag.interfaces import Answerer, AnswerPart
from rag.models import (
    Brief,
    Grade,
    Highlights,
    Related,
    Source,
    Turn,
    Usage,
)
from rag.pace import turn
from rag.providers import Clients

log = logging.getLogger(__name__)

EXTRACTIVE = "extractive"
"""Name of the answerer that quotes."""
RESERVE_SECONDS = 4.0
"""Kept back from the deadline for the extractive answer and for saving."""


@dataclass(frozen=True, slots=True)
class SessionKnown:
    session_id: str


@dataclass(frozen=True, slots=True)
class SourcesOffered:
    """All passages that the answer is made from; `[n]` in a token means the n-th."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Token:
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The canonical answer. `[n]` in the message means the n-th source, by falling score."""

    session_id: str
    message: str
    sources: tuple[Source, ...]
    metadata: dict[str, Any]
    related: tuple[Related, ...] = ()


Event: TypeAlias = SessionKnown | SourcesOffered | Token | Reply


async def fold(events: AsyncGenerator[Event]) -> Reply:
    """Fold the events into the canonical answer, which is the last."""
    reply: Event | None = None
    async for event in events:  # to the end: a generator left before it ends in a task of its own
        reply = event
    if not isinstance(reply, Reply):
        raise AssertionError("an answer without a reply")
    return reply


async def again(session_id: str, turn: Turn) -> AsyncGenerator[Event]:
    """The events of a turn that is already there."""
    yield SessionKnown(session_id)
    yield SourcesOffered(turn.sources)
    yield Token(turn.answer)
    yield _kept(session_id, turn)


def fallback_code(error: Exception) -> str:
    """Why the model did not answer, in a word; noted in the log too."""
    log.warning("answering without the model: %s", error or "the deadline is near")
    return getattr(error, "code", UpstreamTimeout.code)


@dataclass(slots=True)
class _Text:
    """What an answerer has written so far."""

    citations: CitationFilter
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    highlights: Mapping[int, str] = field(default_factory=dict)

    def take(self, part: AnswerPart) -> str:
        """Add a part; the text that is certain by now."""
        if isinstance(part, Usage):
            self.usage = part
        elif isinstance(part, Highlights):
            self.highlights = part.sentences
        else:
            shown = self.citations.feed(part)
            self.text += shown
            return shown
        return ""

    def end(self) -> str:
        rest = self.citations.flush()
        self.text += rest
        return rest


@dataclass(slots=True)
class Draft:
    """An answer that has been opened, with everything that finishing it takes."""

    clients: Clients
    bill: admission.Bill
    brief: Brief
    session_id: str
    new: bool
    """Whether the session is made with this turn."""
    answerer: Answerer
    parts: AsyncIterator[AnswerPart]
    streamed: bool
    started: float
    deadline: float
    """A time of the loop's clock."""
    request_key: str
    embedding: conversations.QuestionEmbedding | None
    """The question's embedding, where it was paid for and is worth keeping."""
    fallback: str | None
    """Why the model did not answer."""

    async def events(self) -> AsyncGenerator[Event]:
        """Session, sources, tokens and last the reply. Close it to stop paying for tokens."""
        brief, parts = self.brief, self.parts
        try:
            yield SessionKnown(self.session_id)
            if self.streamed:
                await turn()
                about = [brief.question]
                offered = (sources.source(p, brief.site_url, about) for p in brief.passages)
                yield SourcesOffered(tuple(offered))
            draft = _Text(CitationFilter(len(brief.passages)))
            try:
                async for part in parts:
                    if isinstance(part, Usage):
                        self.bill.reported(part)
                    elif isinstance(part, str):
                        self.bill.wrote(part)
                    if shown := draft.take(part):
                        yield Token(shown)
                if rest := draft.end():
                    yield Token(rest)
            except UpstreamError as error:
                # What was sent so far is replaced by the reply, which is canonical.
                self.fallback = fallback_code(error)
                self.answerer = await self.clients.extractive()
                draft = await self._whole()
            finally:
                if aclose := getattr(parts, "aclose", None):
                    await aclose()
            finished = self._reply(draft)
            settling = asyncio.create_task(self.bill.settle())
            saved = await self._save(finished)
            await settling
            if saved and saved.before:  # an attempt that broke off had been saved after all
                yield _kept(saved.session_id, saved.before)
                return
            metadata = {
                **finished.metadata,
                "saved": saved is not None,
                "turn": saved.n if saved else None,
            }
            yield replace(finished, metadata=metadata)
        finally:
            await self.bill.settle()

    async def _whole(self) -> _Text:
        draft = _Text(CitationFilter(len(self.brief.passages)))
        async for part in await self.answerer.answer(self.brief):
            draft.take(part)
        draft.end()
        return draft

    def _reply(self, draft: _Text) -> Reply:
        """The answer with its citations numbered densely in the order of their sources."""
        passages = self.brief.passages
        cited = sorted(draft.citations.cited)
        message = renumber(draft.text, {old: new for new, old in enumerate(cited, 1)}).strip()
        quoted = self.answerer.model == EXTRACTIVE
        if not (cited or quoted):
            cited = supporting(message, self.brief.question, passages)
        claims: dict[int, list[str]] = {}
        for marker in markers(message):
            claims.setdefault(marker.number, []).append(marker.claim)
        site, question = self.brief.site_url, self.brief.question
        shown = []
        for new, old in enumerate(cited, 1):
            highlight = draft.highlights.get(old, "")
            # A quotation is cited for what it says to the question, not for all that is quoted.
            about = [highlight] if highlight else claims.get(new) or [question]
            shown.append(sources.source(passages[old - 1], site, about, highlight))
        found: Grade = self.brief.grade if quoted else "answer" if cited else "nothing"
        metadata = {
            "response_time_ms": round((time.perf_counter() - self.started) * 1000),
            "tokens_used": draft.usage.total,
            "context_chunks": len(passages),
            "found": found,
            "answered": found != "nothing",
            "answered_by": self.answerer.model,
            "fallback": self.fallback,
            "finish_reason": draft.usage.finish_reason,
        }
        request_log.note(
            session=self.session_id[:8],
            answered_by=self.answerer.model,
            found=found,
            tokens=draft.usage.total,
            fallback=self.fallback,
            cited=len(cited),
        )
        related = sources.related(passages, shown, site) if shown else ()
        return Reply(self.session_id, message, tuple(shown), metadata, related)

    async def _save(self, finished: Reply) -> conversations.Saved | None:
        """Where the turn stands, or None where it could not be kept."""
        turn = Turn(
            self.brief.question,
            finished.message,
            finished.sources,
            finished.metadata,
            related=finished.related,
        )
        with request_log.stage("save"):
            try:
                async with asyncio.timeout_at(self.deadline):
                    return await conversations.save(
                        await self.clients.database(),
                        self.session_id,
                        turn,
                        new=self.new,
                        retention_days=self.clients.settings.retention_days,
                        key=self.request_key,
                        embedding=self.embedding,
                    )
            except (UpstreamError, TimeoutError) as error:
                log.warning("the turn was not saved: %s", error or "no time was left")
                return None


def _kept(session_id: str, turn: Turn) -> Reply:
    """The canonical answer of a turn that is in the history."""
    metadata = {**turn.metadata, "saved": True, "turn": turn.n}
    return Reply(session_id, turn.answer, turn.sources, metadata, turn.related)
