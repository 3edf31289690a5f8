"""One question's journey up to the first word: limits, history, passages, the answer opened.

What comes after it is in `rag.chat.answer_stream`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from rag import request_log
from rag.answering import sources
from rag.answering.introduction import introduction
from rag.chat import admission
from rag.chat.answer_stream import (
    RESERVE_SECONDS,
    Draft,
    Event,
    again,
    fallback_code,
)
from rag.conversations import store as conversations
from rag.deadlines import until
from rag.errors import (
    IndexMismatch,
    IndexMissing,
    UpstreamError,
    UpstreamTimeout,
)
from rag.interfaces import Answerer, AnswerPart
from rag.language.small_talk import Kind, reply_language, small_talk
from rag.models import (
    Brief,
    Chunk,
    Found,
    IndexInfo,
    Passage,
    Turn,
)
from rag.pace import turn
from rag.providers import Clients
from rag.retrieval.highlighted import selection, with_highlighted_first
from rag.retrieval.search import CANDIDATES, Query, search

log = logging.getLogger(__name__)

HISTORY_TURNS = 20
"""Turns loaded for a follow-up; the answerer takes what fits its window."""
NEIGHBOURHOOD = 2
"""Chunks to either side of the best passage that may belong to its section."""
BESIDE_SECONDS = 2.0
"""How long they are waited for; a section is quoted without them too."""
OVER_BUDGET = "over_budget"
"""Why the model did not answer, where the day's budget is used up."""


@dataclass(frozen=True, slots=True)
class Question:
    message: str
    session_id: str = ""
    highlighted: str = ""
    """What the reader has highlighted, below the headings that it stands under."""
    selected: str = ""
    """The highlighted text alone."""
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
    texts: Sequence[str],
    limit: int,
    *,
    vectors: Sequence[Sequence[float]] | None = None,
    rerank: bool = True,
) -> Found:
    """The passages for a question, best first: searched for with each of `texts`.

    `vectors` are the texts' embeddings where they are known already. Without `rerank` the
    reranker that is set is not asked: it is paid by the call. Raises IndexMissing, and
    IndexMismatch where the index was made with another model.
    """
    store, embedder = await clients.store(), await clients.embedder()
    info = await described(clients)
    if info.embedding_model and info.embedding_model != embedder.model:  # older ones name none
        raise IndexMismatch(
            f"the index was made with {info.embedding_model}, questions are embedded with "
            f"{embedder.model}: run python ingest.py PATH"
        )
    if vectors is None:
        with request_log.stage("embed"):
            vectors = await embedder.embed_questions(texts)
    with request_log.stage("search"):
        return await search(
            store,
            [Query(text, vector) for text, vector in zip(texts, vectors, strict=True)],
            limit,
            cosine_range=embedder.cosine_range,
            language=info.language,
            reranker=await clients.reranker() if rerank else None,
        )


async def described(clients: Clients) -> IndexInfo:
    """What the index says about itself. Raises IndexMissing."""
    info = await (await clients.store()).info()
    if info is None:
        raise IndexMissing("nothing is indexed yet: run python ingest.py PATH")
    return info


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
    embedding: conversations.QuestionEmbedding | None = None
    """The question's embedding, where it was paid for and is worth keeping."""
    rewritten: bool = False
    """Whether the model has made the question independent of the history."""
    fallback: str | None = None
    """Why the model did not answer."""
    bill: admission.Bill = field(init=False)

    def __post_init__(self) -> None:
        question, settings = self.question, self.clients.settings
        self.deadline = asyncio.get_running_loop().time() + settings.deadline_seconds
        self.request_key = question.request_key and conversations.request_key(
            question.request_key, question.session_id, question.message
        )

    async def open(self) -> AsyncGenerator[Event]:
        question = self.question
        self.bill = admission.Bill(
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
            request_log.note(question=question.message)
        if before := await self._before():
            await self.bill.admission()
            await self.bill.settle()
            return again(*before)
        if conversations.is_session_id(question.session_id):
            history = await self._history()
        else:
            history = _History(conversations.new_session_id())
        if not (history.known or conversations.is_unguessable(question.request_key)):
            self.request_key = ""  # whoever repeats it would be shown the new conversation
        site = await sources.site_of(self.clients.settings, await self.clients.store())
        kind = None if question.selected else small_talk(question.message)
        if kind:
            brief, answerer, parts = await self._introduced(kind, site)
        else:
            texts = await self._texts(history.turns)
            found = await self._found(texts)
            request_log.note(
                grade=found.grade,
                passages=[[p.chunk.chunk_id, round(p.score, 3)] for p in found.passages],
            )
            brief = Brief(
                question.message,
                found.passages if found.grade != "nothing" else (),
                history.turns,
                question.highlighted,
                standalone=texts[-1] if self.rewritten else "",
                selected=question.selected,
                grade=found.grade,
                site_url=site,
                language=(await described(self.clients)).language,
            )
            answerer, parts = await self._open_answer(brief)
        draft = Draft(
            self.clients,
            self.bill,
            brief,
            history.session_id,
            not history.known,
            answerer,
            parts,
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
            return await conversations.saved(await self.clients.database(), self.request_key)
        except UpstreamError as error:
            log.warning("cannot look for a repeated request: %s", error)
            return None

    async def _history(self) -> _History:
        """The session's recent turns; a new session where there is no such one."""
        session_id = self.question.session_id
        with request_log.stage("history"):
            try:
                recent = await conversations.recent(
                    await self.clients.database(),
                    session_id,
                    HISTORY_TURNS,
                    retention_days=self.clients.settings.retention_days,
                )
            except UpstreamError as error:
                log.warning("the history is out of reach: %s", error)
                return _History(session_id, known=True)
        if recent is None:
            return _History(conversations.new_session_id())
        return _History(session_id, True, recent)

    async def _texts(self, history: Sequence[Turn]) -> list[str]:
        """What to search for: the question, and with it what it is about, where that is known.

        That is the text which the reader has highlighted, or the question before this one. A
        model says it better: it rewrites a follow-up so that it stands alone.
        """
        message = self.question.message
        if selected := selection(self.question.selected):
            return [message, f"{message}\n{selected}"]
        asked = [turn.question for turn in history if not small_talk(turn.question)]
        if not asked:
            return [message]
        answerer, *others = await self.clients.answerers()
        if others and (await self.bill.admission()).within_budget:
            with request_log.stage("rewrite"):
                rewritten = await answerer.standalone(message, history)
            self.bill.rewritten(message, history, rewritten)
            self.rewritten = rewritten != message
            return list(dict.fromkeys((message, rewritten)))
        return [message, f"{asked[-1]}\n{message}"]

    async def _embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """The texts' vectors; that of the question is taken from the database if it is there."""
        embedder, message = await self.clients.embedder(), texts[0]
        with request_log.stage("embed"):
            if not self.clients.settings.cohere_api_key:
                return await embedder.embed_questions(texts)
            cached = None
            try:
                database = await self.clients.database()
                cached = await conversations.cached_embedding(database, embedder.model, message)
            except UpstreamError as error:
                log.warning("the cache of embeddings is out of reach: %s", error)
            await self.bill.admission()
            known = [cached] if cached else []
            missing = texts[len(known) :]
            made = await embedder.embed_questions(missing) if missing else ()
            vectors = [*known, *made]
            self.embedding = conversations.QuestionEmbedding(embedder.model, message, vectors[0])
            return vectors

    async def _found(self, texts: Sequence[str]) -> Found:
        """What the book has for the question; the highlighted passage first."""
        selected, limit = self.question.selected, self.clients.settings.context_passages
        async with self.clients.retrieving:
            vectors = await self._embed(texts)
            admission = await self.bill.admission()
            found = await find(
                self.clients,
                texts,
                CANDIDATES if selection(selected) else limit,
                vectors=vectors,
                rerank=admission.within_budget,
            )
        if selection(selected):
            found = with_highlighted_first(found, selected)
        return replace(found, passages=found.passages[:limit])

    async def _introduced(
        self, kind: Kind, site: str
    ) -> tuple[Brief, Answerer, AsyncIterator[AnswerPart]]:
        """The book introduces itself: nothing is embedded, and no model is asked."""
        await self.bill.admission()
        info, message = await described(self.clients), self.question.message
        beginning = await self._beside(0) if kind != "thanks" else ()
        language = reply_language(message, info.language)
        title = self.clients.settings.book_title
        parts = introduction(kind, language, info, beginning, site, title)
        passages = [Passage(chunk, 1.0) for chunk in beginning]
        brief = Brief(message, passages, site_url=site, language=info.language)
        return brief, await self.clients.extractive(), _yielded(parts)

    async def _open_answer(self, brief: Brief) -> tuple[Answerer, AsyncIterator[AnswerPart]]:
        """The first answerer that opens. Where nothing is near, no model is asked."""
        *models, extractive = await self.clients.answerers()
        if not brief.passages:
            models = []
        elif models and not (await self.bill.admission()).within_budget:
            models = []
            self.fallback = OVER_BUDGET
            log.warning("answering without the model: the day's budget is used up")
        for model in models:
            try:
                with request_log.stage("model"):
                    async with until(self.deadline - RESERVE_SECONDS):
                        parts = await model.answer(brief)
                self.bill.asked(brief)
                return model, parts
            except (UpstreamError, TimeoutError) as error:
                self.fallback = fallback_code(error)
        if brief.passages:
            beside = await self._beside(brief.passages[0].chunk.order_index)
            brief = replace(brief, around=beside)
        return extractive, await extractive.answer(brief)

    async def _beside(self, order_index: int) -> Sequence[Chunk]:
        """The chunks around a position of the book; none where the store does not answer."""
        store = await self.clients.store()
        try:
            async with asyncio.timeout(BESIDE_SECONDS):
                return await store.neighbours(order_index, NEIGHBOURHOOD)
        except (UpstreamError, TimeoutError) as error:
            log.warning("sections are quoted in part: %s", error or "the store is slow")
            return ()


async def _yielded(parts: Sequence[AnswerPart]) -> AsyncIterator[AnswerPart]:
    for part in parts:
        yield part
