"""One streamed answer of a chat model: its text, its end, its failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from rag.adapters.failures import (
    connection_error,
    error_text,
    malformed_error,
    quota_error,
    status_error,
)
from rag.answering.prompt import Message, count_tokens
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.interfaces import AnswerPart
from rag.models import Usage

if TYPE_CHECKING:
    from openai import AsyncAPIResponse

SERVICE = "openai"

_DRAIN_SECONDS = 0.1
"""How long to wait for the end of a response after `[DONE]`, to reuse the connection."""


class Answer:
    """The stream of one answer.

    A class, not a generator: closing a generator that was never started closes nothing.
    """

    def __init__(
        self,
        response: AsyncAPIResponse[Any],
        messages: Sequence[Message],
        *,
        deadline: float,
        silence: float,
        key: str,
    ) -> None:
        """`deadline` is in the event loop's time, `silence` the longest pause in seconds.

        `key` is removed from error messages.
        """
        self._response = response
        self._deadline = deadline
        self._silence = silence
        self._key = key
        self._messages = messages
        self._thoughts = _ThoughtFilter()
        self._texts = self._read()
        self._first: str | None = None
        self._text: list[str] = []
        self._usage: Mapping[str, Any] = {}
        self._reason = ""
        self._refusal = False
        self._done = False

    async def start(self) -> None:
        """Wait for the first text. Raises UpstreamError if there is none."""
        self._first = await self._next_text()
        if self._first is not None:
            return
        if self._reason == "content_filter":
            raise UpstreamRejected("the content filter removed the whole answer", service=SERVICE)
        if self._reason == "length":
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
        try:
            found = await self._next_text()
        except BaseException:
            await self.aclose()
            raise
        if found is not None:
            return found
        usage = self._usage_total()
        await self.aclose()
        return usage

    async def aclose(self) -> None:
        """Close the response, even if the caller is cancelled meanwhile."""
        if not self._done:
            self._done = True
            await asyncio.shield(asyncio.ensure_future(self._response.close()))

    async def _next_text(self) -> str | None:
        """Return the next piece of text, or None at the proper end."""
        limit = asyncio.get_running_loop().time() + self._silence
        try:
            async with asyncio.timeout_at(min(limit, self._deadline)):
                text = await anext(self._texts, None)
        except TimeoutError:
            silent = f"no data from the model for {self._silence:g} s"
            late = "the answer was not complete in time"
            message = silent if limit < self._deadline else late
            raise UpstreamTimeout(message, service=SERVICE) from None
        except sdk_errors() as error:
            raise failure(error, self._key) from error
        if text is None and not self._reason:
            raise UpstreamError("the answer was cut off", service=SERVICE, reason="connection")
        return text

    async def _read(self) -> AsyncIterator[str]:
        """Yield text as it arrives. Tokens that arrive together are one piece."""
        async for events in _events(self._response):
            text = ""
            try:
                for event in events:
                    text += self._text_of(event)
            except Exception:
                if text:  # show what arrived before the failure
                    yield text
                raise
            if text:
                yield text
        if rest := self._record(self._thoughts.end()):
            yield rest

    def _text_of(self, event: Mapping[str, Any]) -> str:
        self._usage = event.get("usage") or self._usage
        choice = next(iter(event.get("choices") or ()), None)
        if choice is None:
            return ""
        self._reason = choice.get("finish_reason") or self._reason
        delta = choice.get("delta") or {}
        refusal = delta.get("refusal") or ""
        self._refusal |= bool(refusal)
        return self._record(self._thoughts.feed(delta.get("content") or "") + refusal)

    def _record(self, text: str) -> str:
        self._text.append(text)
        return text

    def _usage_total(self) -> Usage:
        """Return the reported usage; where the server reports none, count tokens."""
        reason: Any = self._reason
        if self._refusal:
            reason = "refusal"
        elif reason not in ("length", "content_filter"):
            reason = "stop"
        prompt = self._usage.get("prompt_tokens")
        completion = self._usage.get("completion_tokens")
        if prompt is None:
            prompt = sum(count_tokens(message["content"]) + 4 for message in self._messages)
        if completion is None:
            completion = count_tokens("".join(self._text))
        return Usage(prompt, completion, reason)


async def _events(response: AsyncAPIResponse[Any]) -> AsyncIterator[Iterator[dict[str, Any]]]:
    """Yield the JSON events of a streamed completion up to `[DONE]`, one group per read.

    The SDK's own stream makes a model of every token, which costs ten times the CPU, and its
    `iter_lines` also splits at U+2028, which JSON may contain. An event's data is on one line.
    """
    rest = b""
    pieces = response.iter_bytes()
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        yield (_event(text, response) for text in data if text != b"[DONE]")
        if b"[DONE]" in data:
            await _drain(pieces)
            return


def _event(text: bytes, response: AsyncAPIResponse[Any]) -> dict[str, Any]:
    """Parse one event. Raises APIError if it reports an error."""
    event: dict[str, Any] = from_json(text)
    if error := event.get("error"):
        from openai import APIError

        message = error.get("message") if isinstance(error, Mapping) else error
        raise APIError(str(message), request=response.http_request, body=error)
    return event


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of the response, so that its connection can be reused."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass


class _ThoughtFilter:
    """Removes a leading `<think>` block, which some open models write as text."""

    _BEGIN, _END = "<think>", "</think>"

    def __init__(self) -> None:
        self._held: str | None = ""
        self._thought = False

    def feed(self, text: str) -> str:
        if self._held is None:
            return text
        self._held = (self._held + text).lstrip() if self._thought else self._held + text
        begun = self._held.lstrip()
        if not self._thought and begun.startswith(self._BEGIN) and self._END in begun:
            self._thought = True
            self._held = begun = begun.partition(self._END)[2].lstrip()
        if not begun or (
            not self._thought and (self._BEGIN.startswith(begun) or begun.startswith(self._BEGIN))
        ):
            return ""
        return self.end()

    def end(self) -> str:
        """Return text that was held back and is not a thought."""
        text, self._held = self._held or "", None
        return text if self._thought or not text.lstrip().startswith(self._BEGIN) else ""


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
    if error.code == "model_not_found":
        return UpstreamRejected(message, service=SERVICE, reason="model")
    if isinstance(error, APIStatusError):
        return status_error(SERVICE, error.status_code, message, error.response.headers)
    if "rate_limit" in f"{error.code} {error.type}":
        return UpstreamOverloaded(message, service=SERVICE)
    return UpstreamError(message, service=SERVICE)
