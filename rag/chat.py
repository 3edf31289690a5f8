"""One question's journey up to the first word: limits, history, passages, the answer opened.

What comes after it is in `rag.reply`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

from rag import gate, passages, sources, trace, turns
from rag.clients import Clients
from rag.courtesy import courtesy, plain
from rag.pace import turn
from rag.patience import until
from rag.reply import RESERVE_SECONDS, Draft, Event, again, fallback_code
from rag.types import (
    Answerer,
    AnswerPart,
    Brief,
    Chunk,
    IndexMismatch,
    IndexMissing,
    Passage,
    Turn,
    UpstreamError,
    UpstreamTimeout,
)

log = logging.getLogger(__name__)

HISTORY_TURNS = 20
"""Turns loaded for a follow-up; the answerer takes what fits its window."""
NEIGHBOURHOOD = 4
"""How far from the best passage suggestions may come, in chunks."""
OVER_BUDGET = "over_budget"
"""Why the model did not answer, where the day's budget is used up."""


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


async def ask(clients: Clients, question: Question) -> AsyncGenerator[Event]:
    """Open an answer and return its events: session, sources, tokens and last the reply.

    Whatever can fail with a status of its own fails here, before the first event. Raises
    RateLimited for a reader who asks too often, UpstreamError when embeddings or vectors are
    down, ConfigurationError when the book is not indexed. A model that is down or over its
    budget is no failure: the extractive answerer takes over.
    """
    journey = _Journey(clients, question)
    try:
        async with until(journey.deadline):
            await turn()
            return await journey.open()
    except TimeoutError:
        raise UpstreamTimeout("nothing was found before the deadline", service="book") from None


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
            return again(*before)
        standalone = plain(question.message)
        if turns.is_session_id(question.session_id):
            history = await self._history()
            standalone = await self._standalone(standalone, history.turns)
        else:
            history = _History(turns.new_session_id())
        if not (history.known or turns.is_unguessable(question.request_key)):
            self.request_key = ""  # whoever repeats it would be shown the new conversation
        found = await self._passages(standalone)
        site = await sources.site_of(self.clients.settings, await self.clients.store())
        trace.note(passages=[[p.chunk.chunk_id, round(p.score, 3)] for p in found])
        brief = Brief(question.message, found, history.turns, question.highlighted, standalone)
        near = asyncio.ensure_future(self._near(found))
        try:
            answerer, parts = await self._open_answer(brief)
        except BaseException:
            near.cancel()
            raise
        draft = Draft(
            self.clients,
            self.bill,
            brief,
            history.session_id,
            not history.known,
            answerer,
            parts,
            near,
            site=site,
            streamed=question.streamed,
            started=self.started,
            deadline=self.deadline,
            request_key=self.request_key,
            embedding=self.embedding,
            fallback=self.fallback,
        )
        return draft.events()

    async def _before(self) -> tuple[str, Turn] | None:
        """The turn that the same request has made before."""
        if not self.request_key:
            return None
        try:
            return await turns.saved(await self.clients.database(), self.request_key)
        except UpstreamError as error:
            log.warning("cannot look for a repeated request: %s", error)
            return None

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

    async def _standalone(self, question: str, history: Sequence[Turn]) -> str:
        if not history or courtesy(question):
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

    async def _passages(self, standalone: str) -> list[Passage]:
        """What the book says to the question; to a greeting it says nothing."""
        if courtesy(standalone):
            await self.bill.admission()
            return []
        async with self.clients.retrieving:
            vector = await self._embed(standalone)
            admission = await self.bill.admission()
            return await find(
                self.clients,
                standalone,
                self.clients.settings.context_passages,
                vector=vector,
                highlighted=self.question.highlighted,
                rerank=admission.within_budget,
            )

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
                    async with until(self.deadline - RESERVE_SECONDS):
                        parts = await model.answer(brief)
                self.bill.asked(brief)
                return model, parts
            except (UpstreamError, TimeoutError) as error:
                self.fallback = fallback_code(error)
        return extractive, await extractive.answer(brief)

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
