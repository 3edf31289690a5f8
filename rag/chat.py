"""One question's journey: history, retrieval, answer, saving, as a stream of events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from rag import gate, passages, sources, trace, turns
from rag.citations import CitationFilter, renumber
from rag.clients import Clients
from rag.patience import Patience
from rag.types import (
    Answerer,
    AnswerPart,
    Brief,
    Chunk,
    IndexMismatch,
    IndexMissing,
    Passage,
    Source,
    Turn,
    UpstreamError,
    UpstreamTimeout,
    Usage,
)

log = logging.getLogger(__name__)

HISTORY_TURNS = 20
"""Turns loaded for a follow-up; the answerer takes what fits its window."""
UNREPORTED_SOURCES = 3
"""Sources kept when a model answered without citing any."""
NEIGHBOURHOOD = 4
"""How far from the best passage suggestions may come, in chunks."""
OVER_BUDGET = "over_budget"
"""Why the model did not answer, where the day's budget is used up."""
RESERVE_SECONDS = 4.0
"""Kept back from the deadline for the extractive answer and for saving."""


@dataclass(frozen=True, slots=True)
class Question:
    message: str
    session_id: str = ""
    highlighted: str = ""
    request_key: str = ""
    """The client's Idempotency-Key: the same question again gets the same turn."""
    address: str = ""
    """Of the reader, from the host's own hop; empty where a program asks by itself."""
    streamed: bool = False
    """Whether the reader sees what is offered before the reply; it costs as much as that."""


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


async def ask(clients: Clients, question: Question) -> AsyncGenerator[Event]:
    """Open an answer and return its events: session, sources, tokens and last the reply.

    Whatever can fail with a status of its own fails here, before the first event. Raises
    RateLimited for a reader who asks too often, UpstreamError when embeddings or vectors are
    down, ConfigurationError when the book is not indexed. A model that is down or over its
    budget is no failure: the extractive answerer takes over.
    """
    journey = _Journey(clients, question)
    try:
        async with asyncio.timeout_at(journey.deadline):
            return await journey.open()
    except TimeoutError:
        raise UpstreamTimeout("nothing was found before the deadline", service="book") from None


async def reply(events: AsyncGenerator[Event]) -> Reply:
    """Fold the events into the canonical answer."""
    async for event in events:
        if isinstance(event, Reply):
            return event
    raise AssertionError("an answer without a reply")


async def find(
    clients: Clients,
    question: str,
    limit: int,
    *,
    vector: Sequence[float] | None = None,
    highlighted: str = "",
    rerank: bool = True,
) -> list[Passage]:
    """The passages for a question, best first; `vector` where it is embedded already.

    Without `rerank` the reranker that is set is not asked: it is paid by the call.

    Raises IndexMissing, and IndexMismatch where the index was made with another model.
    """
    store, embedder = await clients.store(), await clients.embedder()
    info = await store.info()
    if info is None:
        raise IndexMissing("nothing is indexed yet: run python ingest.py PATH")
    if info.embedding_model and info.embedding_model != embedder.model:  # older ones name none
        raise IndexMismatch(
            f"the index was made with {info.embedding_model}, questions are embedded with "
            f"{embedder.model}: run python ingest.py PATH"
        )
    if vector is None:
        with trace.stage("embed"):
            vector = await embedder.embed_question(question)
    with trace.stage("search"):
        return await passages.search(
            store,
            vector,
            question,
            limit,
            cosine_range=embedder.cosine_range,
            language=info.language,
            highlighted=highlighted,
            reranker=await clients.reranker() if rerank else None,
        )


@dataclass(frozen=True, slots=True)
class _History:
    session_id: str
    known: bool = False
    """Whether the session exists already; a new one is made with its first turn."""
    turns: Sequence[Turn] = ()


@dataclass(slots=True)
class _Journey:
    clients: Clients
    question: Question
    started: float = field(default_factory=time.perf_counter)
    deadline: float = field(init=False)
    request_key: str = field(init=False)
    embedding: turns.QuestionEmbedding | None = None
    """The question's embedding, where it was paid for and is worth keeping."""
    fallback: str | None = None
    """Why the model did not answer."""
    site: str = ""
    """Where citations link to."""
    bill: gate.Bill = field(init=False)

    def __post_init__(self) -> None:
        question, settings = self.question, self.clients.settings
        self.deadline = asyncio.get_running_loop().time() + settings.deadline_seconds
        self.request_key = question.request_key and turns.request_key(
            question.request_key, question.session_id, question.message
        )

    async def open(self) -> AsyncGenerator[Event]:
        question = self.question
        self.bill = gate.Bill(
            self.clients,
            question.address,
            question.session_id,
            question.message,
            question.highlighted,
        )
        try:
            return await self._open()
        except BaseException:
            await self.bill.settle()
            raise

    async def _open(self) -> AsyncGenerator[Event]:
        question = self.question
        if self.clients.settings.log_questions:
            trace.note(question=question.message)
        if before := await self._before():
            await self.bill.admission()
            await self.bill.settle()
            return self._again(*before)
        standalone = question.message
        if turns.is_session_id(question.session_id):
            history = await self._history()
            standalone = await self._standalone(history.turns)
        else:
            history = _History(turns.new_session_id())
        if not (history.known or turns.is_unguessable(question.request_key)):
            self.request_key = ""  # whoever repeats it would be shown the new conversation
        async with self.clients.retrieving:
            vector = await self._embed(standalone)
            admission = await self.bill.admission()
            found = await find(
                self.clients,
                standalone,
                self.clients.settings.context_passages,
                vector=vector,
                highlighted=question.highlighted,
                rerank=admission.within_budget,
            )
        self.site = await sources.site_of(self.clients.settings, await self.clients.store())
        trace.note(passages=[[p.chunk.chunk_id, round(p.score, 3)] for p in found])
        brief = Brief(question.message, found, history.turns, question.highlighted, standalone)
        near = asyncio.ensure_future(self._near(found))
        try:
            answerer, parts = await self._open_answer(brief)
        except BaseException:
            near.cancel()
            raise
        return self._events(brief, history, answerer, parts, near)

    # -------------------------------------------------------------- before the answer

    async def _before(self) -> tuple[str, Turn] | None:
        """The turn that the same request has made before."""
        if not self.request_key:
            return None
        try:
            return await turns.saved(await self.clients.database(), self.request_key)
        except UpstreamError as error:
            log.warning("cannot look for a repeated request: %s", error)
            return None

    async def _again(self, session_id: str, turn: Turn) -> AsyncGenerator[Event]:
        """The events of a turn that is already there."""
        yield SessionKnown(session_id)
        yield SourcesOffered(turn.sources)
        yield Token(turn.answer)
        yield _kept(session_id, turn)

    async def _history(self) -> _History:
        """The session's recent turns; a new session where there is no such one."""
        session_id = self.question.session_id
        with trace.stage("history"):
            try:
                recent = await turns.recent(
                    await self.clients.database(),
                    session_id,
                    HISTORY_TURNS,
                    retention_days=self.clients.settings.retention_days,
                )
            except UpstreamError as error:
                log.warning("the history is out of reach: %s", error)
                return _History(session_id, known=True)
        if recent is None:
            return _History(turns.new_session_id())
        return _History(session_id, True, recent)

    async def _standalone(self, history: Sequence[Turn]) -> str:
        question = self.question.message
        if not history:
            return question
        answerer, *others = await self.clients.answerers()
        if not (await self.bill.admission()).within_budget:
            answerer, others = await self.clients.extractive(), []
        with trace.stage("rewrite"):
            standalone = await answerer.standalone(question, history)
        if others:  # it was the model
            self.bill.rewritten(question, history, standalone)
        return standalone

    async def _embed(self, text: str) -> Sequence[float]:
        """The question's vector; one that was paid for before is taken from the database."""
        embedder = await self.clients.embedder()
        with trace.stage("embed"):
            if not self.clients.settings.cohere_api_key:
                return await embedder.embed_question(text)
            try:
                database = await self.clients.database()
                if cached := await turns.cached_embedding(database, embedder.model, text):
                    self.embedding = turns.QuestionEmbedding(embedder.model, text, cached)
                    return cached
            except UpstreamError as error:
                log.warning("the cache of embeddings is out of reach: %s", error)
            await self.bill.admission()
            vector = await embedder.embed_question(text)
            self.embedding = turns.QuestionEmbedding(embedder.model, text, vector)
            return vector

    async def _open_answer(self, brief: Brief) -> tuple[Answerer, AsyncIterator[AnswerPart]]:
        """The first answerer that opens. Without passages no model is asked."""
        *models, extractive = await self.clients.answerers()
        if not brief.passages:
            models = []
        elif models and not (await self.bill.admission()).within_budget:
            models = []
            self.fallback = OVER_BUDGET
            log.warning("answering without the model: the day's budget is used up")
        for model in models:
            try:
                with trace.stage("model"):
                    async with asyncio.timeout_at(self.deadline - RESERVE_SECONDS):
                        parts = await model.answer(brief)
                self.bill.asked(brief)
                return model, parts
            except (UpstreamError, TimeoutError) as error:
                self._fall_back(error)
        return extractive, await extractive.answer(brief)

    def _fall_back(self, error: Exception) -> None:
        self.fallback = getattr(error, "code", UpstreamTimeout.code)
        log.warning("answering without the model: %s", error or "the deadline is near")

    # -------------------------------------------------------------- the answer

    async def _events(
        self,
        brief: Brief,
        history: _History,
        answerer: Answerer,
        parts: AsyncIterator[AnswerPart],
        near: asyncio.Future[Sequence[Chunk]],
    ) -> AsyncGenerator[Event]:
        try:
            yield SessionKnown(history.session_id)
            if self.question.streamed:
                yield SourcesOffered(self._sources(brief.passages))
            text, usage, citations = "", Usage(), CitationFilter(len(brief.passages))
            try:
                async for part in self._timed(parts):
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
                self._fall_back(error)
                answerer = await self.clients.extractive()
                text, usage, citations = await self._whole(answerer, brief)
            finally:
                if aclose := getattr(parts, "aclose", None):
                    await aclose()
            finished = self._reply(brief, history, answerer, text, usage, citations.cited)
            saved, _ = await asyncio.gather(
                self._save(history, brief, finished), self.bill.settle()
            )
            if saved and saved.before:  # an attempt that broke off had been saved after all
                yield _kept(saved.session_id, saved.before)
                return
            suggested = (
                sources.suggestions(await asyncio.shield(near), brief.passages)
                if brief.passages
                else ()
            )
            metadata = {
                **finished.metadata,
                "saved": saved is not None,
                "turn": saved.n if saved else None,
            }
            yield replace(finished, metadata=metadata, suggestions=suggested)
        finally:
            _let_end(near)
            await self.bill.settle()

    async def _timed(self, parts: AsyncIterator[AnswerPart]) -> AsyncIterator[AnswerPart]:
        """The parts, as long as the deadline leaves time to finish after them."""
        patience = Patience(self.deadline - RESERVE_SECONDS)
        try:
            while (part := await patience.wait(anext(parts, None))) is not None:
                yield part
        except TimeoutError:
            raise UpstreamTimeout("the answer took too long", service="model") from None
        finally:
            patience.end()

    async def _whole(self, answerer: Answerer, brief: Brief) -> tuple[str, Usage, CitationFilter]:
        citations, text, usage = CitationFilter(len(brief.passages)), "", Usage()
        async for part in await answerer.answer(brief):
            if isinstance(part, Usage):
                usage = part
            else:
                text += citations.feed(part)
        return text + citations.flush(), usage, citations

    def _reply(
        self,
        brief: Brief,
        history: _History,
        answerer: Answerer,
        text: str,
        usage: Usage,
        cited: Sequence[int],
    ) -> Reply:
        """The answer with its citations numbered densely in the order of their sources."""
        order = {old: new for new, old in enumerate(sorted(cited), 1)}
        message = renumber(text, order).strip()
        if order:
            about = sources.claims(message)
            cited_passages = [brief.passages[old - 1] for old in order]
        else:
            about = {}
            cited_passages = list(brief.passages[:UNREPORTED_SOURCES])
        metadata = {
            "response_time_ms": round((time.perf_counter() - self.started) * 1000),
            "tokens_used": usage.total,
            "context_chunks": len(brief.passages),
            "answered": bool(brief.passages),
            "answered_by": answerer.model,
            "fallback": self.fallback,
            "finish_reason": usage.finish_reason,
            "citations_reported": bool(order) or not brief.passages,
        }
        trace.note(
            session=history.session_id[:8],
            answered_by=answerer.model,
            tokens=usage.total,
            fallback=self.fallback,
            cited=len(order),
        )
        return Reply(history.session_id, message, self._sources(cited_passages, about), metadata)

    # -------------------------------------------------------------- after the answer

    async def _save(self, history: _History, brief: Brief, finished: Reply) -> turns.Saved | None:
        """Where the turn stands, or None where it could not be kept."""
        turn = Turn(brief.question, finished.message, finished.sources, finished.metadata)
        with trace.stage("save"):
            try:
                async with asyncio.timeout_at(self.deadline):
                    return await turns.save(
                        await self.clients.database(),
                        history.session_id,
                        turn,
                        new=not history.known,
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
        question = self.question.message
        return tuple(
            sources.source(passage, self.site, (about or {}).get(n) or question)
            for n, passage in enumerate(cited, 1)
        )

    async def _near(self, found: Sequence[Passage]) -> Sequence[Chunk]:
        """What stands around the best passage, fetched while the model writes."""
        if not found:
            return ()
        store = await self.clients.store()
        try:
            return await store.neighbours(found[0].chunk.order_index, NEIGHBOURHOOD)
        except UpstreamError as error:
            log.warning("no suggestions: %s", error)
            return ()


def _kept(session_id: str, turn: Turn) -> Reply:
    """The canonical answer of a turn that is in the history."""
    metadata = {**turn.metadata, "saved": True, "turn": turn.n}
    return Reply(session_id, turn.answer, turn.sources, metadata)


_ending: set[asyncio.Future[Any]] = set()


def _let_end(request: asyncio.Future[Any]) -> None:
    """Forget a request, but let it end: httpx never frees the connection of a cancelled one."""
    _ending.add(request)
    request.add_done_callback(_ended)


def _ended(request: asyncio.Future[Any]) -> None:
    _ending.discard(request)
    if not request.cancelled() and (error := request.exception()):
        log.warning("no suggestions: %s", error)
