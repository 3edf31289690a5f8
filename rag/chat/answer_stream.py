"""Stream an answer as events, resolve its citations and save the turn."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from rag import request_log
from rag.answering import sources
from rag.answering.citation_check import CheckedAnswer, check_citations, supporting_passages
from rag.answering.citation_filter import renumber
from rag.answering.claims import find_markers
from rag.answering.code_reader import open_block_end
from rag.answering.extractive import quote_sections
from rag.chat import admission, notices
from rag.chat.answer_text import AnswerText
from rag.chat.early_start import cancel_or_close
from rag.chat.question import Question
from rag.chat.session import Session
from rag.conversations import store as conversations
from rag.errors import ConversationFull, UpstreamError, UpstreamTimeout
from rag.interfaces import AnswerPart
from rag.loop_fairness import wait_for_slot
from rag.models import CUT_OFF, AnswerRequest, Grade, RelatedSection, Source, Turn, Usage
from rag.providers import Clients

log = logging.getLogger(__name__)

EXTRACTIVE = "extractive"
"""What an answer without a model is said to be answered by."""
RESERVE_SECONDS = 4.0
"""Time before the deadline that is reserved for the extractive answer and for saving."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """The session that the turn belongs to."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SourcesEvent:
    """The passages that the answer is based on. `[n]` in a token refers to the n-th."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """Why the answer takes time.

    `loading` while the model is loaded or reads its prompt, `looking_further` during a second look.
    """

    state: Literal["loading", "looking_further"]


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The complete answer, which replaces the tokens. `[n]` in it refers to the n-th source."""

    session_id: str
    message: str
    sources: tuple[Source, ...]
    metadata: dict[str, Any]
    related: tuple[RelatedSection, ...] = ()
    usage: Usage = field(default_factory=Usage)


Event: TypeAlias = SessionEvent | StatusEvent | SourcesEvent | TokenEvent | FinalAnswer


async def collect(events: AsyncGenerator[Event]) -> FinalAnswer:
    """Consume the events and return the final answer."""
    last: Event | None = None
    async for event in events:  # exhaust it: an abandoned generator is finalized by another task
        last = event
    if not isinstance(last, FinalAnswer):
        raise AssertionError("the stream ended without a final answer")
    return last


async def replay(session_id: str, turn: Turn) -> AsyncGenerator[Event]:
    """Yield the events of a turn that was saved earlier."""
    yield SessionEvent(session_id)
    yield SourcesEvent(turn.sources)
    yield TokenEvent(turn.answer)
    yield _saved_answer(session_id, turn)


def fallback_code(error: Exception) -> str:
    """Log why the model did not answer and return the reason's error code."""
    log.warning("answering without the model: %s", error or "the deadline is near")
    return getattr(error, "code", UpstreamTimeout.code)


async def _close(start: Start) -> None:
    """Stop the model."""
    if hasattr(start.parts, "aclose"):
        await start.parts.aclose()


@dataclass(frozen=True, slots=True)
class Start:
    """An answer that has started."""

    answered_by: str
    """The first model of the list, or EXTRACTIVE."""
    parts: AsyncIterator[AnswerPart]
    fallback: str | None = None
    """Why the model did not answer, as an error code."""

    @property
    def is_quoted(self) -> bool:
        """Whether it is the book's own text."""
        return self.answered_by == EXTRACTIVE


async def start_extractive(
    clients: Clients, request: AnswerRequest, fallback: str | None = None
) -> Start:
    """Start an answer that quotes the book. It is free, so it must not use a paid embedder."""
    embedder = await clients.embedder()
    parts = await quote_sections(request, None if embedder.is_paid else embedder)
    return Start(EXTRACTIVE, parts, fallback)


@dataclass(slots=True)
class Exchange:
    """A question, and what is known about it until its answer is saved."""

    clients: Clients
    question: Question
    started: float = field(default_factory=time.perf_counter)
    deadline: float = field(init=False)
    """In the event loop's time."""
    request_key: str = field(init=False)
    embedding: conversations.QuestionEmbedding | None = None
    """The question's embedding, to be cached if it came from a paid service."""
    notices: list[str] = field(default_factory=list)
    """Sentences that tell the reader about limits."""
    meter: admission.UsageMeter = field(init=False)


@dataclass(slots=True)
class AnswerStream:
    """An answer that is starting, and everything needed to finish it."""

    exchange: Exchange
    session: Session
    request: AnswerRequest
    starting: asyncio.Future[Start]

    async def events(self) -> AsyncGenerator[Event]:
        """Yield session, sources, tokens and the final answer.

        Closing the generator stops the model, so that no more tokens are paid for.
        """
        request = self.request
        try:
            yield SessionEvent(self.session.session_id)
            if self.exchange.question.streamed:
                await wait_for_slot()
                about = [request.question]
                offered = (
                    sources.make_source(p, request.site_url, about) for p in request.passages
                )
                yield SourcesEvent(tuple(offered))
            if not self.starting.done():
                yield StatusEvent("loading")
            await asyncio.wait([self.starting])  # awaited itself, it would be cancelled instead
            start = self.starting.result()
            answer = AnswerText(len(request.passages), is_quoted=start.is_quoted)
            try:
                async for part in start.parts:
                    if isinstance(part, Usage):
                        self.exchange.meter.add_usage(part)
                    elif isinstance(part, str):
                        self.exchange.meter.add_text(part)
                    if shown := answer.add(part):
                        yield TokenEvent(shown)
                if rest := answer.finish():
                    yield TokenEvent(rest)
                if answer.says_nothing and not start.is_quoted:
                    raise UpstreamError("an answer without words", service="openai")
            except UpstreamError as error:
                # The final answer replaces the tokens that were already sent.
                start, answer = await self._answer_extractively(fallback_code(error))
            finished = self._final_answer(answer, start)
            saved = await self._settle_and_save(finished)
            if saved and saved.earlier:  # an attempt that seemed to fail was saved after all
                yield _saved_answer(saved.session_id, saved.earlier)
                return
            metadata = {
                **finished.metadata,
                "saved": saved is not None,
                "turn": saved.n if saved else None,
                "notice": " ".join(self.exchange.notices),
            }
            yield replace(finished, metadata=metadata)
        finally:
            await cancel_or_close(self.starting, _close)
            await self.exchange.meter.settle()

    async def _answer_extractively(self, fallback: str) -> tuple[Start, AnswerText]:
        """Write the whole answer again, without the model."""
        start = await start_extractive(self.exchange.clients, self.request, fallback)
        answer = AnswerText(len(self.request.passages), is_quoted=True)
        async for part in start.parts:
            answer.add(part)
        answer.finish()
        return start, answer

    def _final_answer(self, answer: AnswerText, start: Start) -> FinalAnswer:
        """Renumber the citations without gaps and attach their sources."""
        passages, quoted = self.request.passages, start.is_quoted
        checked = CheckedAnswer(answer.text)
        if not quoted:
            checked = check_citations(answer.text, passages, self.request.language)
        cited = checked.cited(len(passages))
        message = renumber(checked.text, {old: new for new, old in enumerate(cited, 1)}).strip()
        message += open_block_end(message)
        if not (cited or quoted):
            cited = supporting_passages(message, self.request.question, passages)
        claims: dict[int, list[str]] = {}
        for marker in find_markers(message):
            claims.setdefault(marker.number, []).append(marker.claim)
        site, question = self.request.site_url, self.request.question
        shown = []
        for new, old in enumerate(cited, 1):
            highlight = answer.highlights.get(old, "")
            # A quotation is cited for its highlighted sentence, not for everything it contains.
            about = [highlight] if highlight else claims.get(new) or [question]
            shown.append(sources.make_source(passages[old - 1], site, about, highlight))
        found: Grade = self.request.grade if quoted else "answer" if cited else "nothing"
        answered_by = answer.usage.model or start.answered_by
        metadata = {
            "response_time_ms": round((time.perf_counter() - self.exchange.started) * 1000),
            "tokens_used": answer.usage.total,
            "context_chunks": len(passages),
            "found": found,
            "answered": found != "nothing",
            "answered_by": answered_by,
            "fallback": start.fallback,
            "finish_reason": answer.usage.finish_reason,
            "truncated": answer.usage.finish_reason in CUT_OFF,
            "unsupported": checked.unsupported,
            "second_look": self.request.second_look,
            "notice": " ".join(self.exchange.notices),
        }
        request_log.note(
            session=self.session.session_id[:8],
            answered_by=answered_by,
            found=found,
            tokens=answer.usage.total,
            fallback=start.fallback,
            cited=len(cited),
        )
        related = sources.related_sections(passages, shown, site) if shown else ()
        return FinalAnswer(
            self.session.session_id, message, tuple(shown), metadata, related, answer.usage
        )

    async def _settle_and_save(self, finished: FinalAnswer) -> conversations.Saved | None:
        """Charge what was used and save the turn. Return None if it was not saved."""
        exchange = self.exchange
        if not exchange.question.stored:
            await exchange.meter.settle()
            return None
        turn = Turn(
            self.request.question,
            finished.message,
            finished.sources,
            finished.metadata,
            related=finished.related,
        )
        over = (await exchange.meter.admission()).bytes
        if over:
            log.warning("the turn is not saved: the %s is used up", over.name.lower())
            exchange.notices.append(notices.not_saved("This answer", over))
        else:
            exchange.meter.add_turn(conversations.stored_bytes(turn, exchange.embedding))
        settling = asyncio.create_task(exchange.meter.settle())
        saved = None if over else await self._save(turn)
        await settling
        return saved

    async def _save(self, turn: Turn) -> conversations.Saved | None:
        exchange, settings = self.exchange, self.exchange.clients.settings
        extras = conversations.Extras(exchange.request_key, exchange.embedding, settings.max_turns)
        with request_log.stage("save"):
            try:
                async with asyncio.timeout_at(exchange.deadline):
                    return await conversations.save(
                        await exchange.clients.database(),
                        self.session.session_id,
                        turn,
                        new=not self.session.exists,
                        retention_days=settings.retention_days,
                        extras=extras,
                    )
            except ConversationFull as error:
                exchange.notices.append(error.detail)
            except (UpstreamError, TimeoutError) as error:
                log.warning("the turn was not saved: %s", error or "the deadline has passed")
        return None


def _saved_answer(session_id: str, turn: Turn) -> FinalAnswer:
    """Return a saved turn as a final answer."""
    metadata = {**turn.metadata, "saved": True, "turn": turn.n}
    return FinalAnswer(session_id, turn.answer, turn.sources, metadata, turn.related)
