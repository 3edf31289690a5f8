"""One question's answer: what it is written from, its events, its citations, its saving."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rag import gate, sources, trace, turns
from rag.citations import CitationFilter, renumber
from rag.clients import Clients
from rag.courtesy import courtesy
from rag.pace import turn
from rag.types import (
    Answerer,
    AnswerPart,
    Brief,
    Chunk,
    Passage,
    Source,
    Turn,
    UpstreamError,
    UpstreamTimeout,
    Usage,
)

log = logging.getLogger(__name__)

UNREPORTED_SOURCES = 3
"""Sources kept when a model answered without citing any."""
RESERVE_SECONDS = 4.0
"""Kept back from the deadline for the extractive answer and for saving."""
NEAR_SECONDS = 2.0
"""How long a finished answer waits for what stands around its best passage."""


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
    suggestions: tuple[str, ...] = ()


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
class Draft:
    """An answer that has been opened, with everything that finishing it takes."""

    clients: Clients
    bill: gate.Bill
    brief: Brief
    session_id: str
    new: bool
    """Whether the session is made with this turn."""
    answerer: Answerer
    parts: AsyncIterator[AnswerPart]
    near: asyncio.Future[Sequence[Chunk]]
    """What stands around the best passage: suggestions come from there."""
    site: str
    """Where citations link to."""
    streamed: bool
    started: float
    deadline: float
    """A time of the loop's clock."""
    request_key: str
    embedding: turns.QuestionEmbedding | None
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
                yield SourcesOffered(self._sources(brief.passages))
            text, usage, citations = "", Usage(), CitationFilter(len(brief.passages))
            try:
                async for part in parts:
                    if isinstance(part, Usage):
                        usage = part
                        self.bill.reported(usage)
                        continue
                    self.bill.wrote(part)
                    if shown := citations.feed(part):
                        text += shown
                        yield Token(shown)
                if rest := citations.flush():
                    text += rest
                    yield Token(rest)
            except UpstreamError as error:
                # What was sent so far is replaced by the reply, which is canonical.
                self.fallback = fallback_code(error)
                self.answerer = await self.clients.extractive()
                text, usage, citations = await self._whole()
            finally:
                if aclose := getattr(parts, "aclose", None):
                    await aclose()
            finished = self._reply(text, usage, citations.cited)
            settling = asyncio.create_task(self.bill.settle())
            saved = await self._save(finished)
            await settling
            if saved and saved.before:  # an attempt that broke off had been saved after all
                yield _kept(saved.session_id, saved.before)
                return
            suggested: tuple[str, ...] = ()
            if not self.near.done():
                await asyncio.wait([self.near], timeout=NEAR_SECONDS)
            if brief.passages and self.near.done():
                best = brief.passages[0].chunk
                suggested = sources.suggestions(self.near.result(), best, finished.sources)
            metadata = {
                **finished.metadata,
                "saved": saved is not None,
                "turn": saved.n if saved else None,
            }
            yield replace(finished, metadata=metadata, suggestions=suggested)
        finally:
            self.near.cancel()
            await self.bill.settle()

    async def _whole(self) -> tuple[str, Usage, CitationFilter]:
        citations, text, usage = CitationFilter(len(self.brief.passages)), "", Usage()
        async for part in await self.answerer.answer(self.brief):
            if isinstance(part, Usage):
                usage = part
            else:
                text += citations.feed(part)
        return text + citations.flush(), usage, citations

    def _reply(self, text: str, usage: Usage, cited: Sequence[int]) -> Reply:
        """The answer with its citations numbered densely in the order of their sources."""
        passages = self.brief.passages
        order = {old: new for new, old in enumerate(sorted(cited), 1)}
        message = renumber(text, order).strip()
        if order:
            about = sources.claims(message)
            cited_passages = [passages[old - 1] for old in order]
        else:
            about = {}
            cited_passages = list(passages[:UNREPORTED_SOURCES])
        metadata = {
            "response_time_ms": round((time.perf_counter() - self.started) * 1000),
            "tokens_used": usage.total,
            "context_chunks": len(passages),
            "answered": bool(passages or courtesy(self.brief.question)),
            "answered_by": self.answerer.model,
            "fallback": self.fallback,
            "finish_reason": usage.finish_reason,
            "citations_reported": bool(order) or not passages,
        }
        trace.note(
            session=self.session_id[:8],
            answered_by=self.answerer.model,
            tokens=usage.total,
            fallback=self.fallback,
            cited=len(order),
        )
        return Reply(self.session_id, message, self._sources(cited_passages, about), metadata)

    async def _save(self, finished: Reply) -> turns.Saved | None:
        """Where the turn stands, or None where it could not be kept."""
        turn = Turn(self.brief.question, finished.message, finished.sources, finished.metadata)
        with trace.stage("save"):
            try:
                async with asyncio.timeout_at(self.deadline):
                    return await turns.save(
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

    def _sources(
        self, cited: Sequence[Passage], about: sources.Claims | None = None
    ) -> tuple[Source, ...]:
        question = self.brief.question
        return tuple(
            sources.source(passage, self.site, (about or {}).get(n) or question)
            for n, passage in enumerate(cited, 1)
        )


def _kept(session_id: str, turn: Turn) -> Reply:
    """The canonical answer of a turn that is in the history."""
    metadata = {**turn.metadata, "saved": True, "turn": turn.n}
    return Reply(session_id, turn.answer, turn.sources, metadata)
