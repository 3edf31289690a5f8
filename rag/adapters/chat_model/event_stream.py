"""Read the events of a streamed chat completion, in the forms in which servers send them.

The SDK's own stream makes a model of every token, which costs ten times the CPU, and its
`iter_lines` also splits at U+2028, which JSON may contain.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    from openai import AsyncAPIResponse

Event = dict[str, Any]

_DRAIN_SECONDS = 0.1
"""How long to wait for the end of a response after `[DONE]`, to reuse the connection."""
_MAX_BODY = 4_000_000
"""Bytes of a body without events, or of an event on several lines."""
_DONE = b"DONE"
COMPLETE: Event = {}
"""The event that stands for `[DONE]`."""
_between = re.compile(rb'(?<=\})\s{0,9}(?:data:\s{0,9})?(?=\{"\w+"\s?:)')
"""What is between two events of a line. In a string, the quote would be escaped or the last one."""
_line_end = re.compile(rb"\r\n|\r|\n")


async def events(response: AsyncAPIResponse[Any]) -> AsyncIterator[Iterable[Event]]:
    """Yield the events up to `[DONE]`, as COMPLETE, one group per read.

    The data of an event may be on several lines, and one line may hold several events. A line feed
    after the last one may be missing. A server that ignores `stream` sends one JSON body, which is
    yielded as one event. Signs of life, such as `ping` or `null`, are skipped. Raises ValueError if
    something else arrives.
    """
    reader = _Reader(response)
    pieces = response.iter_bytes()
    async for piece in pieces:
        yield reader.feed(piece)
        if reader.done:
            await _drain(pieces)
            return
    yield reader.end()


class _Reader:
    def __init__(self, response: AsyncAPIResponse[Any]) -> None:
        self._response = response
        self._rest = b""
        """A line that has not ended."""
        self._data = b""
        """Data lines that are no JSON yet."""
        self._is_body: bool | None = None
        """Whether there are no events, but a JSON body; None before the first byte."""
        self.done = False

    def feed(self, piece: bytes) -> Iterable[Event]:
        rest = self._rest + piece
        if self._is_body is None:
            rest = rest.lstrip(b"\xef\xbb\xbf \t\r\n")  # a byte order mark
            self._is_body = rest.startswith((b"{", b"[")) if rest else None
        *lines, self._rest = _line_end.split(rest)
        return self._events(lines)

    def end(self) -> Iterable[Event]:
        rest, self._rest = self._rest, b""
        yield from self._events([rest])
        if self._data:
            yield from _events(self._data, self._response)

    def _events(self, lines: Iterable[bytes]) -> Iterable[Event]:
        for line in lines:
            line = line.lstrip()
            if line.startswith(b"data:"):
                data = line[5:]
            elif self._is_body or line.startswith((b"{", b"[")):
                data = line
            elif line or not self._data:  # another field, a comment, or the end of an event
                continue
            else:
                yield from _events(self._data, self._response)  # raises, as it is no JSON
                continue
            data = data.strip()
            if data.strip(b'[]"').upper() == _DONE:
                self.done = True
                yield COMPLETE
                return
            if data:
                yield from self._parse(data)

    def _parse(self, data: bytes) -> Iterable[Event]:
        """Yield the event that a line completes, if it does."""
        is_first = not self._data
        if is_first and not data.startswith((b"{", b"[")):
            return
        self._data = data if is_first else self._data + b"\n" + data
        if len(self._data) > _MAX_BODY:
            raise ValueError("an event that is too long")
        if self._is_body and not is_first:
            return  # one body on many lines
        try:
            found = _events(self._data, self._response)
        except ValueError:
            if not (self._is_body or self._data.startswith(b"{")):
                raise
        else:
            self._data = b""
            yield from found


def parse_json(data: bytes) -> Any:
    """Parse JSON that may hold halves of surrogate pairs or broken UTF-8. Raises ValueError."""
    try:
        return from_json(data)
    except ValueError:
        return json.loads(data.decode("utf-8", "replace"), strict=False)


def _events(data: bytes, response: AsyncAPIResponse[Any]) -> list[Event]:
    """Parse the events of a line. Raises APIError if one is an error, ValueError if not events."""
    found: list[Any] = []
    for part in _between.split(data):
        parsed = parse_json(part)
        found += parsed if isinstance(parsed, list) else [parsed]
    for event in found:
        if not isinstance(event, Mapping):
            raise ValueError("an event that is not an object")
        if error := event.get("error"):
            from openai import APIError

            message = error.get("message") if isinstance(error, Mapping) else error
            raise APIError(str(message), request=response.http_request, body=error)
    return found


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of the response, so that its connection can be reused."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass
