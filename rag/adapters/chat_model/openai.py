"""Answer with OpenAI's chat completions, or any server that implements them.

https://platform.openai.com/docs/api-reference/chat. If a server does not report usage, tokens are
counted here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from rag import deadlines
from rag.adapters.chat_model.event_stream import parse_json
from rag.adapters.chat_model.loading import when_loaded
from rag.adapters.chat_model.models import Models, read_listing
from rag.adapters.chat_model.openai_stream import SERVICE, Answer, failure, sdk_errors
from rag.adapters.chat_model.parameters import Capabilities, refuses_role, without_system_role
from rag.adapters.chat_model.response_text import ModelText, fence_word, read_usage, received_text
from rag.adapters.failures import error_text
from rag.adapters.retry import RetryLimits, with_retries
from rag.answering.prompt import Message
from rag.errors import UpstreamError, UpstreamRejected, UpstreamTimeout
from rag.interfaces import AnswerPart, Retirement
from rag.models import Completion
from rag.settings import DEFAULT_CHAT_MODEL, model_names

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

log = logging.getLogger(__name__)

NOTHING: Mapping[str, Any] = MappingProxyType({})
_URL = "https://api.openai.com/v1"
_REWRITTEN_TOKENS = 120
_LONGEST_REWRITE = 600
"""In characters. A longer text is an answer, not a question."""
_LISTING_LIMITS = RetryLimits(10.0, attempts=2)
_LISTING_BYTES = 2_000_000
_CONNECTIONS = 2000
"""Answers streamed at once by one process; further requests wait."""


class OpenAIChatModel:
    """Answers with the first chat model of a list that can be used, streamed."""

    def __init__(
        self,
        api_key: str,
        model: str = DEFAULT_CHAT_MODEL,
        *,
        base_url: str = "",
        rewrite_model: str = "",
        max_tokens: int = 900,
        seconds: float = 45.0,
        first_token: float = 20.0,
        silence: float = 20.0,
        rewrite_seconds: float = 4.0,
    ) -> None:
        """An answer may take `seconds`, retries included.

        Its first token may take `first_token` seconds, and later ones `silence` seconds. `model`
        may be several names with commas between them, best first.
        """
        self._key = api_key
        self._models = Models(model_names(model) or (DEFAULT_CHAT_MODEL,))
        self._url = base_url
        self._rewrite_models = model_names(rewrite_model)
        self._max_tokens = max_tokens
        self._seconds = seconds
        self._first_token = first_token
        self._silence = silence
        self._rewrite_limits = RetryLimits(rewrite_seconds, attempts=2)
        self._accepted: dict[str, Capabilities] = {}
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        """The first model of the list. An answer's `Usage` names the one that wrote it."""
        return self._models.names[0]

    @property
    def thinking_tokens(self) -> int:
        """Tokens that each reply may take for thoughts, beyond its own maximum."""
        return max(self._capabilities(name).thinking_tokens for name in self._configured)

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

    async def answer(self, messages: Sequence[Message]) -> AsyncIterator[AnswerPart]:
        """Stream the text, then `Usage`. Closing the iterator stops the model.

        Raises UpstreamError: here if it fails before the first text, else from the iterator.
        """
        clock = asyncio.get_running_loop().time
        deadline = min(clock() + self._seconds, deadlines.deadline())

        async def attempt(model: str) -> Answer:
            first_token, accepted = clock() + self._first_token, self._capabilities(model)
            options = {"stream": True, "stream_options": {"include_usage": True}}
            completions = self._connected().chat.completions.with_streaming_response
            async with AsyncExitStack() as stack:

                def send() -> Awaitable[Any]:
                    return self._send(
                        lambda **body: stack.enter_async_context(completions.create(**body)),
                        messages,
                        accepted,
                        self._max_tokens,
                        options,
                    )

                try:
                    response = await when_loaded(send, first_token)
                except TimeoutError:
                    message = f"no data from the model for {self._first_token:g} s"
                    raise UpstreamTimeout(message, service=SERVICE) from None
                answer = Answer(
                    response,
                    messages,
                    model=model,
                    deadline=deadline,
                    first_token=first_token,
                    silence=self._silence,
                    key=self._key,
                    tokens=self._max_tokens,
                )
                try:
                    await answer.start()
                except UpstreamError as error:
                    if refuses_role(str(error)):  # some servers say so within the stream
                        accepted.system_role = False  # from the next attempt on
                    raise
                stack.pop_all()  # from here on, the answer closes the response
            return answer

        return await self._ask(self._models.names, attempt, RetryLimits(self._seconds))

    # ------------------------------------------------------------ follow-ups

    async def rewrite_question(self, question: str, messages: Sequence[Message]) -> Completion:
        """Return the reply to `messages`, which ask to rewrite it; `question` itself on failure."""

        async def attempt(model: str) -> Completion:
            return await self._reply(messages, self._capabilities(model), _REWRITTEN_TOKENS)

        try:
            names = (*self._rewrite_models, *self._models.names)
            reply = await self._ask(names, attempt, self._rewrite_limits)
        except UpstreamError as error:
            log.warning("follow-up not rewritten, using the original question: %s", error)
            return Completion(question, read_usage(None, messages, ""))
        text = reply.text.strip().strip('"“”').strip()
        if not text or "\n" in text or len(text) > _LONGEST_REWRITE:
            log.warning("follow-up not rewritten, using the original question: no usable text")
            text = question
        return Completion(text, reply.usage)

    async def complete(
        self, messages: Sequence[Message], tokens: int, form: Mapping[str, Any]
    ) -> Completion:
        """Return a short reply as a whole. A server that refuses `form` is asked without it."""

        async def attempt(model: str) -> Completion:
            accepted = self._capabilities(model)
            return await self._reply(messages, accepted, tokens, {"response_format": form})

        limits = RetryLimits(self._seconds, attempts=1)
        return await self._ask(self._models.names, attempt, limits)

    async def _reply(
        self,
        messages: Sequence[Message],
        accepted: Capabilities,
        tokens: int,
        options: Mapping[str, Any] = NOTHING,
    ) -> Completion:
        """Return what readers may see of a reply that is not streamed."""
        create = self._connected().chat.completions.with_raw_response.create
        response = await self._send(create, messages, accepted, tokens, options)
        body = parse_json(response.content)
        message = body["choices"][0]["message"]
        text = ModelText(fence_word(messages)).flush(message.get("content"))
        return Completion(text, read_usage(body.get("usage"), messages, received_text(message)))

    # ------------------------------------------------------------ which models there are

    async def listing(self) -> dict[str, date | None]:
        """Return the server's models, and when they will be shut down. It costs no tokens."""

        async def attempt() -> dict[str, date | None]:
            models = self._connected().models.with_streaming_response
            async with models.list() as response:
                body = bytearray()
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LISTING_BYTES:
                        raise ValueError("a list of models that is too long")
            return read_listing(bytes(body))

        return await self._with_retries(attempt, _LISTING_LIMITS)

    async def retirements(self) -> list[Retirement]:
        """Return the configured models that the server will shut down or does not list."""
        known, names = await self.listing(), self._models.names
        found = [Retirement(name, known[name]) for name in self._configured if known.get(name)]
        if known.keys() & {*names}:  # otherwise none may be listed, or `ping` reports it
            found += [Retirement(name, None) for name in names if name not in known]
        return found

    @property
    def _configured(self) -> list[str]:
        return list(dict.fromkeys((*self._models.names, *self._rewrite_models)))

    @property
    def unusable(self) -> dict[str, str]:
        """Why models of the list cannot be used at the moment, by name."""
        return self._models.unusable

    async def ping(self) -> None:
        """Check the key, and that there is one of the models."""
        known = await self.listing()
        if known and not known.keys() & {*self._models.names}:
            names = " or ".join(self._models.names)
            raise UpstreamRejected(f"there is no model {names}", service=SERVICE, reason="model")

    # ------------------------------------------------------------ requests

    def _capabilities(self, model: str) -> Capabilities:
        return self._accepted.setdefault(model, Capabilities(model))

    async def _send(
        self,
        create: Callable[..., Awaitable[T]],
        messages: Sequence[Message],
        accepted: Capabilities,
        tokens: int,
        options: Mapping[str, Any] = NOTHING,
    ) -> T:
        """Call `create` without what the server has refused, or refuses now.

        `extra_body` is sent as it is. The SDK looks for files in `messages`, which takes longer
        than the rest of the request.
        """
        from openai import APIStatusError

        system_role = accepted.system_role
        while True:
            sent = messages if system_role else without_system_role(messages)
            body = accepted.parameters(tokens, options)
            try:
                found = await create(messages=[], extra_body={"messages": sent}, **body)
            except APIStatusError as error:
                text = f"{error.code} {error.param} {error_text(error.body) or error.message}"
                if error.status_code in (400, 422) and accepted.learn(body, text):
                    continue
                if not (system_role and refuses_role(text, error.status_code)):
                    raise
                system_role = False
            else:
                if system_role != accepted.system_role:
                    log.info("%s takes no system message", body["model"])
                accepted.system_role = system_role
                return found

    async def _ask(
        self, names: Sequence[str], attempt: Callable[[str], Awaitable[T]], limits: RetryLimits
    ) -> T:
        """Run `attempt` with the first of these models that can be used, with retries."""
        return await self._models.first_usable(
            names, lambda model: self._with_retries(lambda: attempt(model), limits)
        )

    async def _with_retries(self, attempt: Callable[[], Awaitable[T]], limits: RetryLimits) -> T:
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
