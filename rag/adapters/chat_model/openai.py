"""OpenAI's chat completions, and every server that speaks their protocol.

https://platform.openai.com/docs/api-reference/chat. What other servers lack is tolerated: a
parameter that one refuses is left out from then on, and missing usage is counted here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json, to_json

from rag import deadlines
from rag.adapters.chat_model.openai_stream import (
    SERVICE,
    Answer,
    failure,
    sdk_errors,
)
from rag.adapters.retry import retried, said
from rag.answering.prompt import Message, answer_messages, rewrite_messages
from rag.errors import UpstreamError, UpstreamRejected
from rag.interfaces import AnswerPart
from rag.models import AnswerRequest, Turn

if TYPE_CHECKING:
    from httpx2 import Response
    from openai import AsyncOpenAI

T = TypeVar("T")

log = logging.getLogger(__name__)

_URL = "https://api.openai.com/v1"
_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|oss)(?!.*chat))")
"""Models that think before they answer: no temperature, and thoughts count as output."""
_ROOM_TO_THINK = 2000
"""Tokens beside the answer's own."""
_TEMPERATURE = 0.2
_REWRITTEN_TOKENS = 120
_LONGEST_REWRITE = 600
"""Characters; a model that writes more has answered instead."""
_TOO_LONG = re.compile(r"too (?:large|long)|context (?:length|window)|maximum", re.I)
"""An error that names a parameter, but not because it is unknown."""
_REPLACED_BY = {"max_completion_tokens": "max_tokens"}


_PING_SECONDS = 10.0


class OpenAIAnswerer:
    """Answers with a chat model, streamed."""

    is_paid = True

    def __init__(
        self,
        api_key: str,
        model: str = "gpt-4o-mini",
        *,
        base_url: str = "",
        rewrite_model: str = "",
        book: str = "",
        max_tokens: int = 900,
        history_tokens: int = 6000,
        seconds: float = 45.0,
        silence: float = 20.0,
        rewrite_seconds: float = 4.0,
    ) -> None:
        """An answer takes at most `seconds` with all retries, and no pause of `silence`."""
        self._key = api_key
        self._model = model
        self._url = base_url
        self._rewrite_model = rewrite_model or model
        self._book = book
        self._max_tokens = max_tokens
        self._history_tokens = history_tokens
        self._seconds = seconds
        self._silence = silence
        self._rewrite_seconds = rewrite_seconds
        self._refused: set[str] = set()
        """Parameters that this server does not know."""
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        return self._model

    def _connected(self) -> AsyncOpenAI:
        if self._client is None:
            from httpx2 import AsyncClient
            from openai import AsyncOpenAI

            from rag.adapters.chat_model.openai_http import Transport

            self._client = AsyncOpenAI(
                api_key=self._key or "none",  # local servers want no key, the SDK does
                base_url=self._url or _URL,
                max_retries=0,
                http_client=AsyncClient(
                    transport=Transport(self._url or _URL, self._seconds),
                    trust_env=False,
                    follow_redirects=True,
                ),
            )
        return self._client

    def prepare(self) -> None:
        """Import and make the client: about 0.4 s, in any thread, before it is needed."""
        self._connected()

    # ------------------------------------------------------------ answer

    async def answer(self, request: AnswerRequest) -> AsyncIterator[AnswerPart]:
        """Text as it arrives, then `Usage`. Close the iterator to stop paying for tokens.

        Raises UpstreamError: here before the first text, from the iterator after it.
        """
        messages = answer_messages(request, history_tokens=self._history_tokens, book=self._book)
        deadline = min(asyncio.get_running_loop().time() + self._seconds, deadlines.deadline())

        async def attempt() -> Answer:
            parameters = self._parameters(self._model, self._max_tokens)
            parameters |= {"stream": True, "stream_options": {"include_usage": True}}
            answer = Answer(
                await self._create(messages, parameters),
                messages,
                deadline=deadline,
                silence=self._silence,
                key=self._key,
            )
            try:
                await answer.start()
            except BaseException:
                await answer.aclose()
                raise
            return answer

        return await self._retried(attempt, self._seconds)

    # ------------------------------------------------------------ follow-ups

    async def rewrite_question(self, question: str, history: Sequence[Turn]) -> str:
        """The follow-up with what it refers to; `question` itself if that fails."""
        if not history:
            return question
        messages = rewrite_messages(question, history)

        async def attempt() -> str:
            parameters = self._parameters(self._rewrite_model, _REWRITTEN_TOKENS)
            response = await self._create(messages, parameters)
            completion = from_json(response.content)
            choice: dict[str, Any] = next(iter(completion.get("choices") or ()), {})
            message = choice.get("message") or {}
            if not message or message.get("refusal"):
                raise UpstreamRejected("no rewritten question", service=SERVICE)
            return str(message.get("content") or "")

        try:
            text = await self._retried(attempt, self._rewrite_seconds, attempts=2)
        except UpstreamError as error:
            log.warning("follow-up searched for as it is: %s", error)
            return question
        text = re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.S).strip().strip('"“”').strip()
        if not text or "\n" in text or len(text) > _LONGEST_REWRITE:
            log.warning("follow-up searched for as it is: the model did not rewrite it")
            return question
        return text

    async def ping(self) -> None:
        """Whether key and model are right, by the list of models, which costs no token."""

        async def attempt() -> None:
            known = {model.id async for model in self._connected().models.list()}
            if known and self._model not in known:
                raise UpstreamRejected(f"there is no model {self._model}", service=SERVICE)

        await self._retried(attempt, _PING_SECONDS, attempts=2)

    # ------------------------------------------------------------ the wire

    def _parameters(self, model: str, tokens: int) -> dict[str, Any]:
        if _REASONS.search(model):
            parameters: dict[str, Any] = {"reasoning_effort": "low"}
            tokens += _ROOM_TO_THINK
        else:
            parameters = {"temperature": _TEMPERATURE}
        return parameters | {"model": model, "max_completion_tokens": tokens}

    async def _create(self, messages: Sequence[Message], parameters: dict[str, Any]) -> Response:
        """Ask; without the parameters that the server has refused, or refuses now.

        The response, with the completion's JSON or unread events. Asked with the SDK's `post`,
        its way to any endpoint: `create` looks through the whole prompt for files to encode.
        """
        from httpx2 import Response
        from openai import BadRequestError, UnprocessableEntityError

        wanted, client = {"messages": list(messages), **parameters}, self._connected()
        while True:
            for name in self._refused & wanted.keys():
                value = wanted.pop(name)
                if name in _REPLACED_BY:
                    wanted[_REPLACED_BY[name]] = value
            try:
                return await client.post(
                    "/chat/completions",
                    cast_to=Response,
                    content=to_json(wanted),
                    stream=wanted.get("stream", False),
                )
            except (BadRequestError, UnprocessableEntityError) as error:
                text = f"{error.param} {said(error.body) or error.message}"
                optional = wanted.keys() - {"model", "stream", "messages"}
                refused = {name for name in optional if re.search(rf"\b{name}\b", text)}
                if not refused - self._refused or _TOO_LONG.search(text):
                    raise
                log.info("the chat server does not know %s", ", ".join(sorted(refused)))
                self._refused |= refused

    async def _retried(
        self, attempt: Callable[[], Awaitable[T]], seconds: float, attempts: int = 3
    ) -> T:
        return await retried(
            attempt,
            service=SERVICE,
            errors=sdk_errors(),
            translate=lambda error: failure(error, self._key),
            seconds=seconds,
            attempts=attempts,
        )

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
