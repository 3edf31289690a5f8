"""One streamed answer of a chat model: its text, its end, its failures."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rag.adapters.chat_model.event_stream import COMPLETE, events
from rag.adapters.chat_model.response_text import (
    ModelText,
    content_text,
    fence_word,
    loop_length,
    read_usage,
    received_text,
)
from rag.adapters.failures import (
    connection_error,
    error_text,
    malformed_error,
    quota_error,
    status_error,
)
from rag.answering.prompt import Message
from rag.errors import UpstreamError, UpstreamOverloaded, UpstreamRejected, UpstreamTimeout
from rag.interfaces import AnswerPart
from rag.models import Restart, Usage

if TYPE_CHECKING:
    from openai import AsyncAPIResponse

SERVICE = "openai"

log = logging.getLogger(__name__)

_ENDS: tuple[tuple[re.Pattern[str], Literal["length", "content_filter", "broken"]], ...] = (
    (re.compile("length|max_|limit|context|incomplete"), "length"),
    (re.compile("filter|safety|sensitive|recitation|block|prohibited|spii"), "content_filter"),
    (re.compile("error|abort|cancel|interrupt|time_?out|resource"), "broken"),
)
"""Reasons of servers for an end before the end of the answer."""
_LONGEST_TOKEN = 8
"""Characters per token that no whole answer has."""
_LOOP_CHECK = 100
"""Characters of new text after which to look for endless repetition."""


class Answer:
    """The stream of one answer.

    A class, not a generator: closing a generator that was never started closes nothing.
    """

    def __init__(
        self,
        response: AsyncAPIResponse[Any],
        messages: Sequence[Message],
        *,
        model: str,
        deadline: float,
        first_token: float,
        silence: float,
        key: str,
        tokens: int = 100_000,
    ) -> None:
        """`deadline` and that of the `first_token` are in the event loop's time.

        `silence` is the longest pause after it, in seconds. `key` is removed from error messages.
        An answer much longer than `tokens` is cut off: some servers ignore the limit.
        """
        self._model = model
        self._response = response
        self._deadline = deadline
        self._limit = first_token
        """When the next data must be there."""
        self._silence = silence
        self._key = key
        self._longest = tokens * _LONGEST_TOKEN
        self._messages = messages
        self._visible = ModelText(fence_word(messages))
        self._parts = self._read()
        self._first: str | None = None
        self._received: list[str] = []
        """All text of the model, to count its tokens."""
        self._answer = ""
        self._checked = 0
        """Characters of the answer that were looked through for endless repetition."""
        self._usage: Mapping[str, Any] = {}
        self._reason = ""
        self._refusal = False
        self._done = False

    async def start(self) -> None:
        """Wait for the first text. Raises UpstreamError if there is none."""
        part = await self._next_part()
        while isinstance(part, Restart):
            part = await self._next_part()
        if isinstance(part, str):
            self._first = part
            return
        end = self._end()
        if end == "content_filter":
            raise UpstreamRejected("the content filter removed the whole answer", service=SERVICE)
        if end == "length":
            raise UpstreamRejected(
                "the model used all of MAX_ANSWER_TOKENS for reasoning and wrote no answer",
                service=SERVICE,
            )
        raise UpstreamError("an empty answer", service=SERVICE)

    def __aiter__(self) -> AsyncIterator[AnswerPart]:
        return self

    async def __anext__(self) -> AnswerPart:
        if self._done:
            raise StopAsyncIteration
        if self._first is not None:
            text, self._first = self._first, None
            return text
        part: AnswerPart | None = None
        try:
            part = await self._next_part()
        finally:
            if part is None or isinstance(part, Usage):
                await self.aclose()
        return part

    async def aclose(self) -> None:
        """Close the response, even if the caller is cancelled meanwhile."""
        if not self._done:
            self._done = True
            await asyncio.shield(asyncio.ensure_future(self._response.close()))

    async def _next_part(self) -> AnswerPart:
        part: AnswerPart = ""
        try:
            while part == "":
                async with asyncio.timeout_at(min(self._limit, self._deadline)):
                    part = await anext(self._parts)
                self._limit = asyncio.get_running_loop().time() + self._silence
        except TimeoutError:
            seconds = f" for {self._silence:g} s" if self._received else " in time"
            silent = f"no data from the model{seconds}"
            late = "the answer was not complete in time"
            message = silent if self._limit < self._deadline else late
            raise UpstreamTimeout(message, service=SERVICE) from None
        except sdk_errors() as error:
            raise failure(error, self._key) from error
        return part

    async def _read(self) -> AsyncIterator[AnswerPart]:
        """Yield text as it arrives, then the usage. Tokens that arrive together are one piece.

        The text is empty while the model writes what readers do not see.
        """
        async for group in events(self._response):
            error, contents, refusals, received = None, [], [], len(self._received)
            try:
                for event in group:
                    content, refusal = self._text_of(event)
                    contents.append(content)
                    refusals.append(refusal)
            except sdk_errors() as failed:  # what arrived before it is shown
                error = failed
            text = self._visible.feed(contents) + "".join(refusals)
            for part in self._new_parts(text, restarts=self._visible.restarted):
                yield part
            if error:
                raise error
            if not text and len(self._received) > received:
                yield ""
            if self._answer and (extra := self._repeated()):
                log.warning("%s repeats itself: the answer is cut off", self._model)
                self._reason = "length"
                for part in self._new_parts(self._answer[:-extra], restarts=True):
                    yield part
                break
            if len(self._answer) > self._longest:
                log.warning("%s ignores MAX_ANSWER_TOKENS: the answer is cut off", self._model)
                self._reason = "length"
                break
        else:
            text = self._visible.flush()
            for part in self._new_parts(text, restarts=self._visible.restarted):
                yield part
        end = self._end()
        if not self._reason or end == "broken":
            raise UpstreamError("the answer was cut off", service=SERVICE, reason="connection")
        usage = read_usage(self._usage, self._messages, "".join(self._received))
        reason = "refusal" if self._refusal else end
        yield replace(usage, finish_reason=reason, model=self._model)

    def _new_parts(self, text: str, *, restarts: bool) -> list[str | Restart]:
        if restarts:
            self._answer, self._checked = "", 0
        self._answer += text
        return [*([Restart()] if restarts else []), *([text] if text else [])]

    def _repeated(self) -> int:
        """Return how many characters at the end of the answer are endless repetition."""
        if len(self._answer) < self._checked + _LOOP_CHECK:
            return 0
        self._checked = len(self._answer)
        return loop_length(self._answer)

    def _text_of(self, event: Mapping[str, Any]) -> tuple[object, str]:
        """Return the content of an event's message, and the text of a refusal."""
        if event is COMPLETE:
            self._reason = self._reason or "stop"  # which some servers leave out
        usage, choices = event.get("usage"), event.get("choices")
        self._usage = usage if isinstance(usage, Mapping) else self._usage
        choice = next(iter(choices or ()), None)
        if choice is None:
            if self._usage is usage and not self._reason:  # sent at the end, in place of a reason
                self._reason = "stop"
            return "", ""
        self._reason = str(choice.get("finish_reason") or self._reason).lower()
        message = choice.get("delta") or choice.get("message") or choice.get("text")
        if not isinstance(message, Mapping):
            message = {"content": message}
        if choice.get("message"):  # a whole answer, from a server that does not stream
            self._reason = self._reason or "stop"
        refusal, content = content_text(message.get("refusal")), message.get("content")
        self._refusal |= bool(refusal)
        if received := received_text(message):
            self._received.append(received)
        return content, refusal

    def _end(self) -> Literal["stop", "length", "content_filter", "broken"]:
        """Return how the answer ended."""
        return next((end for names, end in _ENDS if names.search(self._reason)), "stop")


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return what a failed request or a malformed response raises. The SDK wraps only a part."""
    from aiohttp import ClientError
    from httpx2 import HTTPError
    from openai import OpenAIError

    return (OpenAIError, HTTPError, ClientError, ValueError, TypeError, AttributeError, LookupError)


def failure(error: Exception, key: str) -> UpstreamError:
    """Translate an error of the SDK. Its messages may repeat the key, which is removed."""
    from aiohttp import ClientError
    from httpx2 import TransportError
    from openai import APIConnectionError, APIError, APIStatusError

    if isinstance(error, APIConnectionError | TransportError | ClientError):
        return connection_error(SERVICE, error)
    if not isinstance(error, APIError):
        return malformed_error(SERVICE, error)
    message = error_text(error.body, key) or error_text(error.message, key)
    if "insufficient_quota" in (error.code, error.type):
        return quota_error(SERVICE, message)
    is_missing = isinstance(error, APIStatusError) and error.status_code in (404, 410)
    if is_missing or error.code in ("model_not_found", "model_decommissioned"):
        return UpstreamRejected(message, service=SERVICE, reason="model")
    if isinstance(error, APIStatusError):
        return status_error(SERVICE, error.status_code, message, error.response.headers)
    if "rate_limit" in f"{error.code} {error.type}":
        return UpstreamOverloaded(message, service=SERVICE)
    return UpstreamError(message, service=SERVICE)
