"""POST /v1/chat/completions and GET /v1/models: the book as a model of OpenAI's protocol.

Anyone who may call it spends the author's budget, so it is there only if API_TOKEN is set, or on a
laptop. https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, Literal

from fastapi import Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, Field

from handlers.schemas import DeferredModel, ReaderAddress, Text, clean
from handlers.streaming import ClosingStream
from rag.chat import sse
from rag.errors import InvalidRequest, NotFound, Unauthorized
from rag.providers import Clients, get_clients
from rag.settings import is_loopback
from web import openai_errors
from web.bearer import bearer, is_one_of
from web.problem_details import problem

NEEDS = ("COHERE_API_KEY", "OPENAI_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")

RESPONSES = openai_errors.RESPONSES
MODEL = "ask-the-book"
MAX_MESSAGES = 200
MAX_QUESTION = 2000
WRONG_KEY = "The API key is missing or wrong."
NO_QUESTION = "The last user message must contain a question in text."
LONG_QUESTION = "The last user message is longer than 2,000 characters."


class PartModel(BaseModel):
    type: str = "text"
    text: str = ""


def _as_parts(content: Any) -> Any:
    """Convert a plain text to a list of parts."""
    if content is None:
        return []
    return [PartModel(text=content)] if isinstance(content, str) else content


Content = Annotated[
    list[PartModel],
    BeforeValidator(_as_parts, json_schema_input_type=str | list[PartModel] | None),
]


class MessageModel(BaseModel):
    role: str
    content: Content = []

    @property
    def text(self) -> str:
        """The text of the message. Images and files are left out."""
        text = "\n".join(part.text for part in self.content)
        return str(clean(text))


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class CompletionRequest(BaseModel):
    """Other fields of OpenAI's protocol, such as `temperature`, are accepted and have no effect."""

    messages: Annotated[list[MessageModel], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: str = MODEL
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: Text | None = None
    """If set, the conversation is stored. A session id continues that conversation."""


class AnswerMessage(DeferredModel):
    role: Literal["assistant"] = "assistant"
    content: str


class ChoiceModel(DeferredModel):
    index: int = 0
    message: AnswerMessage
    finish_reason: str


class UsageModel(DeferredModel):
    """Tokens of the chat model. All are 0 if the answer consists of quotations."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(DeferredModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = MODEL
    choices: list[ChoiceModel]
    usage: UsageModel
    citations: list[str]
    """URLs of the sources: `[n]` in the answer is the n-th."""
    session_id: str
    """Id of the stored conversation; empty if it is not stored."""


class ModelEntry(DeferredModel):
    id: str = MODEL
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = MODEL


class ModelsResponse(DeferredModel):
    object: Literal["list"] = "list"
    data: list[ModelEntry]


async def models(
    authorization: Annotated[str, Header()] = "", address: ReaderAddress = ""
) -> ModelsResponse:
    """List the models: one, the book."""
    _admit(get_clients(), authorization, address)
    return ModelsResponse(data=[ModelEntry()])


async def completions(
    request: CompletionRequest,
    authorization: Annotated[str, Header()] = "",
    x_session_id: Annotated[str, Header(max_length=200)] = "",
    address: ReaderAddress = "",
) -> CompletionResponse | StreamingResponse:
    """Answer the last user message from the book.

    Earlier messages are its conversation. Nothing is stored, unless `user` or the header
    `X-Session-ID` names a session. Citations are listed at the end of the answer.
    """
    from handlers import openai_answers as answers
    from rag.chat import answer_stream
    from rag.chat import pipeline as domain
    from rag.chat.question import Question

    clients = get_clients()
    _admit(clients, authorization, address)
    session = x_session_id or request.user or ""
    streamed = bool(request.stream)
    question = Question(
        _question(request),
        session,
        address=address,
        streamed=streamed,
        history=answers.history(request.messages),
        stored=bool(session),
    )
    events = await domain.ask(clients, question)
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}
    if not streamed:
        return answers.completion(head, await answer_stream.collect(events))
    options = request.stream_options
    chunks = answers.chunks(head, events, with_usage=bool(options and options.include_usage))
    body = sse.stream(chunks, lambda e: openai_errors.error(problem(e)), answers.encode)
    return ClosingStream(body, media_type="text/event-stream", headers=sse.HEADERS)


def _admit(clients: Clients, authorization: str, address: str) -> None:
    """Check the key, or without one that the caller is on this machine."""
    settings = clients.settings
    if settings.api_token:
        if not is_one_of(bearer(authorization), [settings.api_token]):
            raise Unauthorized(detail=WRONG_KEY)
    elif not settings.local or (address and not is_loopback(address)):
        raise NotFound(detail="The author of the book has not switched this on.")


def _question(request: CompletionRequest) -> str:
    """Return the text of the last user message. Raises InvalidRequest."""
    text = next((m.text for m in reversed(request.messages) if m.role == "user"), "")
    if not text:
        raise InvalidRequest(detail=NO_QUESTION)
    if len(text) > MAX_QUESTION:
        raise InvalidRequest(detail=LONG_QUESTION)
    return text
