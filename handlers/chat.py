"""POST /chat: ask a question about the book."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator

from handlers.schemas import (
    QuestionText,
    ReaderAddress,
    RelatedModel,
    SourceModel,
    Text,
    string_or_none,
)
from handlers.streaming import ClosingStream
from rag.chat import sse
from rag.providers import get_clients
from web.disconnect import Connection, while_connected
from web.problem_details import problem

if TYPE_CHECKING:
    from rag.chat import answer_stream

NEEDS = ("COHERE_API_KEY", "OPENAI_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")


MAX_CONTEXT = 20_000
"""Characters of highlighted text that are used. The chat model is sent fewer."""


def _shorten(value: str | None) -> str | None:
    return value and value[:MAX_CONTEXT]


class PageModel(BaseModel):
    """The page that the reader is on, sent with highlighted text."""

    url: Text = ""
    title: Text = ""
    heading: Text = ""


class ChatRequest(BaseModel):
    message: QuestionText
    session_id: Annotated[str | None, BeforeValidator(string_or_none)] = None
    """Continues this conversation if it exists; otherwise a new one is started."""
    context: Annotated[Text | None, AfterValidator(_shorten)] = None
    """Text that the reader highlighted on the page. Truncated if too long."""
    page: PageModel | None = None

    @property
    def highlighted(self) -> str:
        """The highlighted text, preceded by the page title and heading."""
        above = [self.page.title, self.page.heading] if self.page and self.context else []
        return "\n".join(part for part in [*above, self.context or ""] if part)


class ChatResponse(BaseModel):
    session_id: str
    message: str
    sources: list[SourceModel]
    metadata: dict[str, Any]
    related: list[RelatedModel] = []
    """Relevant sections that the answer does not cite."""


async def chat(
    request: ChatRequest,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    accept_language: Annotated[str, Header(include_in_schema=False)] = "",
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
    address: ReaderAddress = "",
    connection: Connection = None,
) -> ChatResponse | StreamingResponse:
    """Answer a question from the book, with numbered citations.

    With `Accept: text/event-stream`, the answer is streamed as the events `session`, `sources`,
    `token` (repeated) and `done`, which contains the same JSON as the plain response, or `error`,
    which contains problem details. `status` says why the answer takes time: its `state` is
    `loading` while the model is loaded, `looking_further` during a second look. Retries with the
    same `Idempotency-Key` return the same turn instead of adding another. For a new conversation
    the key must be a random UUID, because anyone who repeats the request receives the answer. When
    the client disconnects, the model is stopped.
    """
    from rag.chat import pipeline as domain
    from rag.chat.question import Question
    from rag.language.small_talk import accepted_language

    streamed = "text/event-stream" in accept
    question = Question(
        request.message,
        request.session_id or "",
        request.highlighted,
        request.context or "",
        idempotency_key,
        address,
        streamed,
        accepted_language(accept_language),
    )
    asking = domain.ask(get_clients(), question)
    if not streamed:
        return await while_connected(connection, _whole(asking))
    events = await while_connected(connection, _begun(asking))
    return ClosingStream(
        sse.stream(_encoded(events), problem), media_type="text/event-stream", headers=sse.HEADERS
    )


async def _begun(
    asking: Coroutine[Any, Any, AsyncGenerator[answer_stream.Event]],
) -> AsyncGenerator[answer_stream.Event]:
    """Return the events once there are some, or after WAIT_SECONDS. Raises errors until then."""
    from rag.chat.early_start import WAIT_SECONDS, start_within

    return _late(await start_within(asking, WAIT_SECONDS))


async def _late(
    asking: asyncio.Future[AsyncGenerator[answer_stream.Event]],
) -> AsyncGenerator[answer_stream.Event]:
    from rag.chat.early_start import cancel_or_close

    try:
        await asyncio.wait([asking])  # awaited itself, it would be cancelled instead
        async for event in asking.result():
            yield event
    finally:
        await cancel_or_close(asking, lambda events: events.aclose())


async def _whole(asking: Awaitable[AsyncGenerator[answer_stream.Event]]) -> ChatResponse:
    from rag.chat import answer_stream

    return _response(await answer_stream.collect(await asking))


def _response(answer: answer_stream.FinalAnswer) -> ChatResponse:
    return ChatResponse.model_validate(answer, from_attributes=True)


async def _encoded(events: AsyncGenerator[answer_stream.Event]) -> AsyncGenerator[sse.Event]:
    from rag.chat import answer_stream

    try:
        async for event in events:
            match event:
                case answer_stream.SessionEvent():
                    yield "session", {"session_id": event.session_id}
                case answer_stream.SourcesEvent():
                    yield "sources", {"sources": [dataclasses.asdict(s) for s in event.sources]}
                case answer_stream.StatusEvent():
                    yield "status", {"state": event.state}
                case answer_stream.TokenEvent():
                    yield "token", {"text": event.text}
                case answer_stream.FinalAnswer():
                    yield "done", _response(event).model_dump(mode="json")
    finally:
        await events.aclose()
