"""Answer with OpenAI's chat completions, or any server that implements them.

https://platform.openai.com/docs/api-reference/chat. If a server refuses an optional parameter, it
is left out from then on. If a server does not report usage, tokens are counted here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from rag import deadlines
from rag.adapters.chat_model.openai_stream import SERVICE, Answer, failure, sdk_errors
from rag.adapters.failures import error_text
from rag.adapters.retry import Limits, with_retries
from rag.answering.prompt import Message, answer_messages, rewrite_messages
from rag.errors import UpstreamError, UpstreamRejected
from rag.interfaces import AnswerPart
from rag.models import AnswerRequest, Turn

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

log = logging.getLogger(__name__)

_URL = "https://api.openai.com/v1"
_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|oss)(?!.*chat))")
"""Reasoning models: they take no temperature, and their thoughts count as output."""
_REASONING_TOKENS = 2000
"""Allowed in addition to the answer's own tokens."""
_TEMPERATURE = 0.2
_REWRITTEN_TOKENS = 120
_LONGEST_REWRITE = 600
"""In characters. A longer text is an answer, not a question."""
_TOO_LONG = re.compile(r"too (?:large|long)|context (?:length|window)|maximum", re.I)
"""An error that names a parameter although the server knows it."""
_REPLACED_BY = {"max_completion_tokens": "max_tokens"}
_PING_LIMITS = Limits(10.0, attempts=2)
_CONNECTIONS = 2000
"""Answers streamed at once by one process; further requests wait."""


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
        """An answer may take `seconds`, retries included, and pause for `silence` seconds."""
        self._key = api_key
        self._model = model
        self._url = base_url
        self._rewrite_model = rewrite_model or model
        self._book = book
        self._max_tokens = max_tokens
        self._history_tokens = history_tokens
        self._seconds = seconds
        self._silence = silence
        self._rewrite_limits = Limits(rewrite_seconds, attempts=2)
        self._refused: set[str] = set()
        """Parameters that the server does not accept."""
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        return self._model

    def _connected(self) -> AsyncOpenAI:
        if self._client is None:
            import httpx2
            from openai import AsyncOpenAI, DefaultAioHttpClient

            from rag.adapters import http

            url = self._url or _URL
            timeout = httpx2.Timeout(self._seconds, connect=http.CONNECT_SECONDS, pool=None)
            self._client = AsyncOpenAI(
                api_key=self._key or "none",  # the SDK requires one, local servers do not
                base_url=url,
                max_retries=0,
                timeout=timeout,
                http_client=DefaultAioHttpClient(
                    verify=http.trusted(),
                    proxy=http.proxy_for(url),
                    trust_env=False,
                    timeout=timeout,
                    limits=httpx2.Limits(
                        max_connections=_CONNECTIONS, keepalive_expiry=http.KEEP_ALIVE_SECONDS
                    ),
                ),
            )
        return self._client

    def prepare(self) -> None:
        """Import the SDK and create the client ahead of the first request; safe in any thread."""
        self._connected()

    # ------------------------------------------------------------ answer

    async def answer(self, request: AnswerRequest) -> AsyncIterator[AnswerPart]:
        """Stream the text, then `Usage`. Closing the iterator stops the model.

        Raises UpstreamError: here if it fails before the first text, else from the iterator.
        """
        messages = answer_messages(request, history_tokens=self._history_tokens, book=self._book)
        deadline = min(asyncio.get_running_loop().time() + self._seconds, deadlines.deadline())

        async def attempt() -> Answer:
            parameters = self._parameters(self._model, self._max_tokens)
            parameters |= {"stream": True, "stream_options": {"include_usage": True}}
            completions = self._connected().chat.completions.with_streaming_response
            async with AsyncExitStack() as stack:
                response = await self._send(
                    lambda **body: stack.enter_async_context(completions.create(**body)),
                    messages,
                    parameters,
                )
                answer = Answer(
                    response, messages, deadline=deadline, silence=self._silence, key=self._key
                )
                await answer.start()
                stack.pop_all()  # from here on, the answer closes the response
            return answer

        return await self._with_retries(attempt, Limits(self._seconds))

    # ------------------------------------------------------------ follow-ups

    async def rewrite_question(self, question: str, history: Sequence[Turn]) -> str:
        """Rewrite a follow-up so that it can be understood alone; `question` itself on failure."""
        if not history:
            return question
        messages = rewrite_messages(question, history)

        async def attempt() -> str:
            parameters = self._parameters(self._rewrite_model, _REWRITTEN_TOKENS)
            completions = self._connected().chat.completions
            completion = await self._send(completions.create, messages, parameters)
            message = completion.choices[0].message
            if message.refusal:
                raise UpstreamRejected("the model refused to rewrite", service=SERVICE)
            return str(message.content or "")

        try:
            text = await self._with_retries(attempt, self._rewrite_limits)
        except UpstreamError as error:
            log.warning("follow-up not rewritten, using the original question: %s", error)
            return question
        text = re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.S).strip().strip('"“”').strip()
        if not text or "\n" in text or len(text) > _LONGEST_REWRITE:
            log.warning("follow-up not rewritten, using the original question: no usable text")
            return question
        return text

    async def complete(
        self, messages: Sequence[Message], tokens: int, form: Mapping[str, Any]
    ) -> str:
        """Return a short reply as a whole. A server that refuses `form` is asked without it."""

        async def attempt() -> str:
            parameters = self._parameters(self._model, tokens) | {"response_format": form}
            completions = self._connected().chat.completions
            completion = await self._send(completions.create, messages, parameters)
            return str(completion.choices[0].message.content or "")

        text = await self._with_retries(attempt, Limits(self._seconds, attempts=1))
        return re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.S)

    async def ping(self) -> None:
        """Check the key and the model's name. Listing models costs no tokens."""

        async def attempt() -> None:
            known = {model.id async for model in self._connected().models.list()}
            if known and self._model not in known:
                raise UpstreamRejected(
                    f"there is no model {self._model}", service=SERVICE, reason="model"
                )

        await self._with_retries(attempt, _PING_LIMITS)

    # ------------------------------------------------------------ requests

    def _parameters(self, model: str, tokens: int) -> dict[str, Any]:
        if _REASONS.search(model):
            parameters: dict[str, Any] = {"reasoning_effort": "low"}
            tokens += _REASONING_TOKENS
        else:
            parameters = {"temperature": _TEMPERATURE}
        return parameters | {"model": model, "max_completion_tokens": tokens}

    async def _send(
        self,
        create: Callable[..., Awaitable[T]],
        messages: Sequence[Message],
        parameters: dict[str, Any],
    ) -> T:
        """Call `create` without the parameters that the server has refused, or refuses now.

        `extra_body` is sent as it is. The SDK looks for files in `messages`, which takes longer
        than the rest of the request.
        """
        from openai import BadRequestError, UnprocessableEntityError

        body = {"messages": [], "extra_body": {"messages": messages}, **parameters}
        while True:
            for name in self._refused & body.keys():
                value = body.pop(name)
                if name in _REPLACED_BY:
                    body[_REPLACED_BY[name]] = value
            try:
                return await create(**body)
            except (BadRequestError, UnprocessableEntityError) as error:
                text = f"{error.param} {error_text(error.body) or error.message}"
                optional = body.keys() - {"model", "stream", "messages", "extra_body"}
                refused = {name for name in optional if re.search(rf"\b{name}\b", text)}
                if not refused - self._refused or _TOO_LONG.search(text):
                    raise
                log.info("the chat server does not accept %s", ", ".join(sorted(refused)))
                self._refused |= refused

    async def _with_retries(self, attempt: Callable[[], Awaitable[T]], limits: Limits) -> T:
        return await with_retries(
            attempt,
            limits,
            service=SERVICE,
            errors=sdk_errors(),
            translate=lambda error: failure(error, self._key),
        )

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
