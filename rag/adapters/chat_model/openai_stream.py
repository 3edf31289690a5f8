"""One streamed answer of a chat model: its text, its end, its failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from rag.adapters.retry import said, status_error, timed_out
from rag.answering.prompt import Message, count_tokens
from rag.deadlines import Patience
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.interfaces import AnswerPart
from rag.models import Usage

if TYPE_CHECKING:
    from httpx2 import Response

SERVICE = "openai"

_FAREWELL_SECONDS = 0.1
"""How long a connection may take to end its answer after `[DONE]`, to be used again."""


class Answer:
    """The stream of one answer, as the domain reads it.

    A class, not a generator: closing a generator that was never started closes nothing.
    """

    def __init__(
        self,
        response: Response,
        messages: Sequence[Message],
        *,
        deadline: float,
        silence: float,
        key: str,
    ) -> None:
        """`deadline` is a time of the loop's clock; `key` is only kept out of messages."""
        self._response = response
        self._patience = Patience(deadline, silence)
        self._key = key
        self._messages = messages
        self._thoughts = _Thoughts()
        self._texts = self._read()
        self._first: str | None = None
        self._text: list[str] = []
        self._usage: Mapping[str, Any] = {}
        self._reason = ""
        self._refusal = False
        self._done = False

    async def start(self) -> None:
        """Wait for the first text. Raises if there is none. Another task may read the rest."""
        self._first = await self._next_text()
        self._patience.end()
        if self._first is not None:
            return
        if self._reason == "content_filter":
            raise UpstreamRejected("the content filter left nothing", service=SERVICE)
        if self._reason == "length":
            raise UpstreamRejected(
                "all of MAX_ANSWER_TOKENS went into thinking, none into an answer", service=SERVICE
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
            found = await self._translated()
        except BaseException:
            await self.aclose()
            raise
        if found is not None:
            return found
        usage = self._counted()
        await self.aclose()
        return usage

    async def aclose(self) -> None:
        """Hang up. The connection closes even if the caller is cancelled meanwhile."""
        if not self._done:
            self._done = True
            self._patience.end()
            await asyncio.shield(asyncio.ensure_future(self._response.aclose()))

    async def _translated(self) -> str | None:
        try:
            return await self._next_text()
        except TimeoutError:
            raise UpstreamTimeout("the answer stopped coming", service=SERVICE) from None
        except sdk_errors() as error:
            raise failure(error, self._key) from error

    async def _next_text(self) -> str | None:
        """The next piece with text in it, None at a proper end."""
        text = await self._patience.wait(anext(self._texts, None))
        if text is None and not self._reason:
            raise UpstreamError("the answer was cut off", service=SERVICE)
        return text

    async def _read(self) -> AsyncIterator[str]:
        """Text as it comes; the tokens that come together are one piece."""
        async for events in _events(self._response):
            text = ""
            try:
                for event in events:
                    text += self._text_of(event)
            except Exception:
                if text:  # what came before the fault is worth showing
                    yield text
                raise
            if text:
                yield text
        if rest := self._told(self._thoughts.end()):
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
        return self._told(self._thoughts.feed(delta.get("content") or "") + refusal)

    def _told(self, text: str) -> str:
        self._text.append(text)
        return text

    def _counted(self) -> Usage:
        reason: Any = self._reason
        if self._refusal:
            reason = "refusal"
        elif reason not in ("length", "content_filter"):
            reason = "stop"
        asked = self._usage.get("prompt_tokens")
        told = self._usage.get("completion_tokens")
        if asked is None:
            asked = sum(count_tokens(message["content"]) + 4 for message in self._messages)
        return Usage(asked, count_tokens("".join(self._text)) if told is None else told, reason)


async def _events(response: Response) -> AsyncIterator[Iterator[dict[str, Any]]]:
    """The JSON events of a streamed completion up to `[DONE]`, those of each read together.

    Read from the bytes: the SDK makes models of every token, which costs it four times as much.
    Every server writes an event's data on one line.
    """
    rest = b""
    pieces = response.aiter_raw()
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        yield (_event(text, response) for text in data if text != b"[DONE]")
        if b"[DONE]" in data:
            await _drain(pieces)
            return


def _event(text: bytes, response: Response) -> dict[str, Any]:
    """Raises APIError for an event that is one."""
    event: dict[str, Any] = from_json(text)
    if error := event.get("error"):
        from openai import APIError

        message = error.get("message") if isinstance(error, Mapping) else error
        raise APIError(str(message), request=response.request, body=error)
    return event


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            async for _ in pieces:
                pass
    except TimeoutError:
        return  # this connection is not used again


class _Thoughts:
    """Leaves out a `<think>` block at the beginning, which some open models write as text."""

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
        """What was held back and is no thought."""
        text, self._held = self._held or "", None
        return text if self._thought or not text.lstrip().startswith(self._BEGIN) else ""


def sdk_errors() -> tuple[type[Exception], ...]:
    """What a broken answer raises: the SDK neither validates nor wraps all that it reads."""
    from aiohttp import ClientError
    from openai import OpenAIError

    return (OpenAIError, ClientError, ValueError, TypeError, AttributeError)


def failure(error: Exception, key: str) -> UpstreamError:
    """Name an error of the SDK. Its own texts can repeat the key, so they are cleaned."""
    from aiohttp import ClientError
    from openai import APIConnectionError, APIError, APIStatusError

    if isinstance(error, APIConnectionError | ClientError):
        if timed_out(error):
            return UpstreamTimeout("no answer", service=SERVICE)
        reason = type(error.__cause__ or error).__name__
        return UpstreamError(f"no connection ({reason})", service=SERVICE)
    if isinstance(error, APIError):
        message = said(error.body, key) or said(error.message, key)
        quota = error.code == "insufficient_quota" or error.type == "insufficient_quota"
        if quota:
            return UpstreamRejected(f"the quota is used up: {message}", service=SERVICE)
        if isinstance(error, APIStatusError):
            if error.status_code in (401, 403):
                return UpstreamRejected(f"{error.status_code} the key was refused", service=SERVICE)
            return status_error(SERVICE, error.status_code, message, error.response.headers)
        if "rate_limit" in f"{error.code} {error.type}":
            return UpstreamOverloaded(message, service=SERVICE)
        return UpstreamError(message, service=SERVICE)
    return UpstreamError(f"an answer of another form: {type(error).__name__}", service=SERVICE)
