"""The pipeline of one question: admit, load history, retrieve, start an answer.

`rag.chat.answer_stream` takes over once the answer has started.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from rag import request_log
from rag.answering import sources
from rag.answering.introduction import introduction, stream
from rag.answering.prompt import answer_messages, rewrite_messages
from rag.chat import admission, notices, second_look
from rag.chat.answer_stream import (
    EXTRACTIVE,
    RESERVE_SECONDS,
    AnswerStream,
    Event,
    Exchange,
    Start,
    StatusEvent,
    fallback_code,
    replay,
    start_extractive,
)
from rag.chat.early_start import MIN_MODEL_SECONDS, WAIT_SECONDS, start_within
from rag.chat.question import Question
from rag.chat.retrieval import embed, index_info, retrieve
from rag.chat.second_look import SearchedText, look_further
from rag.chat.session import Session, load_session
from rag.conversations import store as conversations
from rag.deadlines import until
from rag.errors import UpstreamError, UpstreamTimeout
from rag.language.small_talk import SmallTalk, classify_small_talk, reply_language
from rag.loop_fairness import wait_for_slot
from rag.models import AnswerRequest, Chunk, Passage, SearchResult, Turn
from rag.providers import Clients
from rag.retrieval.highlighted import put_highlighted_first, searchable_selection
from rag.retrieval.search import CANDIDATES

log = logging.getLogger(__name__)

NEIGHBOURS = 2
"""Chunks loaded on each side of the best passage, to quote its whole section."""
NEIGHBOUR_SECONDS = 2.0
"""Time limit for loading them. Without them the section is quoted in part."""


async def ask(clients: Clients, question: Question) -> AsyncGenerator[Event]:
    """Start an answer and return its events: session, sources, tokens and the final answer.

    Errors that have an HTTP status are raised here, before the first event: RateLimited,
    ConversationFull, UpstreamError if embeddings or vectors are unavailable, ConfigurationError if
    the book is not indexed. If the chat model is unavailable or over budget, the book
    is quoted instead.
    """
    pipeline = ChatPipeline(clients, question)
    try:
        async with until(pipeline.deadline):
            await wait_for_slot()
            return await pipeline.run()
    except TimeoutError:
        raise UpstreamTimeout("retrieval took too long", service="book") from None


@dataclass(slots=True)
class ChatPipeline(Exchange):
    """The state of one question until its answer starts."""

    rewritten: bool = False
    """Whether a model rewrote the question to stand alone."""
    fallback: str | None = None
    """Why the model did not answer, as an error code."""
    searched: SearchedText = SearchedText()

    def __post_init__(self) -> None:
        question, settings = self.question, self.clients.settings
        self.deadline = asyncio.get_running_loop().time() + settings.answer_seconds
        self.request_key = question.request_key and conversations.request_key(
            question.request_key, question.session_id, question.message
        )

    async def run(self) -> AsyncGenerator[Event]:
        """Run all steps. On failure, return the reserved tokens to the budget."""
        self.meter = admission.UsageMeter(self.clients, self.question)
        try:
            return await self._run()
        except BaseException:
            await self.meter.settle()
            raise

    async def _run(self) -> AsyncGenerator[Event]:
        question = self.question
        if self.clients.settings.log_questions:
            request_log.note(question=question.message)
        if earlier := await self._earlier_attempt():
            await self.meter.admission()
            await self.meter.settle()
            return replay(*earlier)
        session = await load_session(self.clients, question)
        if not (session.exists or conversations.is_unguessable(question.request_key)):
            self.request_key = ""  # anyone who guessed the key could read the new conversation
        store = await self.clients.store()
        site = await sources.citation_base(self.clients.settings, store, question.address)
        kind = None if question.selected else classify_small_talk(question.message)
        if kind:
            request, start = await self._introduce(kind, site)
            starting = asyncio.get_running_loop().create_future()
            starting.set_result(start)
        else:
            request = await self._build_request(session, site)
            if await second_look.is_due(self.clients, self.meter, request.grade):
                return self._look_and_answer(session, request)
            starting = await self._begin_answer(request)
        return AnswerStream(self, session, request, starting).events()

    async def _look_and_answer(
        self, session: Session, request: AnswerRequest
    ) -> AsyncGenerator[Event]:
        """Take a second look before the answer. The reader already sees that it takes longer."""
        try:
            yield StatusEvent("looking_further")
            async with until(self.deadline):
                request = replace(
                    await look_further(self.clients, self.meter, request, self.searched),
                    second_look=True,
                )
                starting = await self._begin_answer(request)
        except TimeoutError:
            await self.meter.settle()
            raise UpstreamTimeout("the second look took too long", service="book") from None
        except BaseException:
            await self.meter.settle()
            raise
        async with aclosing(AnswerStream(self, session, request, starting).events()) as events:
            async for event in events:
                yield event

    async def _begin_answer(self, request: AnswerRequest) -> asyncio.Future[Start]:
        """Start the answer. A stream waits for it until WAIT_SECONDS after the question."""
        wait = max(MIN_MODEL_SECONDS, self.started + WAIT_SECONDS - time.perf_counter())
        return await start_within(
            self._start_answer(request), wait if self.question.streamed else None
        )

    async def _earlier_attempt(self) -> tuple[str, Turn] | None:
        """Find the turn that an earlier attempt of this request saved."""
        if not self.request_key:
            return None
        try:
            return await conversations.find_saved(await self.clients.database(), self.request_key)
        except UpstreamError as error:
            log.warning("cannot check for a repeated request: %s", error)
            return None

    async def _build_request(self, session: Session, site: str) -> AnswerRequest:
        """Retrieve passages and put together what the answer is made from."""
        question = self.question
        texts = await self._search_texts(session.turns)
        found = await self._retrieve(texts)
        request_log.note(
            grade=found.grade,
            passages=[[p.chunk.chunk_id, round(p.score, 3)] for p in found.passages],
        )
        return AnswerRequest(
            question.message,
            found.passages if found.grade != "nothing" else (),
            session.turns,
            question.highlighted,
            standalone=texts[-1] if self.rewritten else "",
            selected=question.selected,
            grade=found.grade,
            site_url=site,
            language=(await index_info(self.clients)).language,
            reader_language=question.language,
        )

    async def _search_texts(self, history: Sequence[Turn]) -> list[str]:
        """Return the texts to search for: the question, and the question with its context.

        The context is the reader's selection or the previous question. If a chat model is
        available, it rewrites follow-up questions to stand alone instead.
        """
        message = self.question.message
        if selected := searchable_selection(self.question.selected):
            return [message, f"{message}\n{selected}"]
        asked = [turn.question for turn in history if not classify_small_talk(turn.question)]
        if not asked:
            return [message]
        model = await self.clients.chat_model()
        if model and (await self.meter.admission()).within_budget:
            messages = rewrite_messages(message, history)
            self.meter.start_rewrite(messages)
            with request_log.stage("rewrite"):
                reply = await model.rewrite_question(message, messages)
            self.meter.add_usage(reply.usage)
            rewritten = reply.text
            self.rewritten = rewritten != message
            return list(dict.fromkeys((message, rewritten)))
        return [message, f"{asked[-1]}\n{message}"]

    async def _embed(self, texts: Sequence[str]) -> Sequence[Sequence[float] | None]:
        """Embed the texts. Use the cached embedding of the question, if there is one."""
        embedder, message = await self.clients.embedder(), texts[0]
        if not embedder.is_paid:
            return await embed(self.clients, texts, admission.PaidCalls())
        cached = None
        with request_log.stage("cache"):
            try:
                database = await self.clients.database()
                cached = await conversations.cached_embedding(database, embedder.model, message)
            except UpstreamError as error:
                log.warning("cannot read the embedding cache: %s", error)
        known = [cached] if cached else []
        made = await embed(self.clients, texts[len(known) :], await self.meter.calls())
        vectors = [*known, *made]
        if vectors[0]:
            self.embedding = conversations.QuestionEmbedding(embedder.model, message, vectors[0])
        return vectors

    async def _retrieve(self, texts: Sequence[str]) -> SearchResult:
        """Find the best passages. The passage that the reader selected comes first."""
        selected, limit = self.question.selected, self.clients.settings.context_passages
        async with self.clients.retrieving:
            vectors = await self._embed(texts)
            self.searched = SearchedText(texts[-1], vectors[-1])
            found = await retrieve(
                self.clients,
                texts,
                CANDIDATES if searchable_selection(selected) else limit,
                await self.meter.calls(),
                vectors=vectors,
            )
        if None in vectors:
            over = (await self.meter.admission()).calls
            if found.grade == "nothing":
                raise notices.nothing_by_words(over)
            self.notices.append(notices.WORDS_ONLY[over])
        if searchable_selection(selected):
            found = put_highlighted_first(found, selected)
        return replace(found, passages=found.passages[:limit])

    async def _introduce(self, kind: SmallTalk, site: str) -> tuple[AnswerRequest, Start]:
        """Answer small talk from the index's metadata. Nothing is embedded or generated."""
        await self.meter.admission()
        info, message = await index_info(self.clients), self.question.message
        beginning = await self._neighbours(0) if kind != "thanks" else ()
        language = reply_language(message, info.language, self.question.language)
        title = self.clients.settings.book_title
        parts = introduction(kind, language, info, beginning, site, title)
        passages = [Passage(chunk, 1.0) for chunk in beginning]
        request = AnswerRequest(message, passages, site_url=site, language=info.language)
        return request, Start(EXTRACTIVE, stream(*parts))

    async def _start_answer(self, request: AnswerRequest) -> Start:
        """Start the answer of the model, or else an extractive one."""
        if request.passages:
            if started := await self._start_model(request):
                return started
            neighbours = await self._neighbours(request.passages[0].chunk.order_index)
            request = replace(request, neighbours=neighbours)
        return await start_extractive(self.clients, request, self.fallback)

    async def _start_model(self, request: AnswerRequest) -> Start | None:
        """Start the model's answer. Return None if no model may be asked, or it fails."""
        model, settings = await self.clients.chat_model(), self.clients.settings
        if model is None:
            return None
        messages = answer_messages(
            request, history_tokens=settings.history_tokens, book=settings.book_title
        )
        if over := (await self.meter.reserve(request, messages)).model:
            self.fallback = notices.FALLBACKS[over]
            self.notices.append(notices.QUOTED[over])
            log.warning("answering without the model: %s", self.fallback)
            return None
        self.meter.start_answer()
        try:
            with request_log.stage("model"):
                async with until(self.deadline - RESERVE_SECONDS):
                    return Start(model.model, await model.answer(messages))
        except (UpstreamError, TimeoutError) as error:
            self.meter.stop(error)
            self.fallback = fallback_code(error)
        return None

    async def _neighbours(self, order_index: int) -> Sequence[Chunk]:
        """Load the chunks around a position; none if the vector store does not respond."""
        store = await self.clients.store()
        try:
            async with asyncio.timeout(NEIGHBOUR_SECONDS):
                return await store.neighbours(order_index, NEIGHBOURS)
        except (UpstreamError, TimeoutError) as error:
            log.warning("sections are quoted in part: %s", error or "the vector store is slow")
            return ()
