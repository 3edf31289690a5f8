"""Imitate OpenAI's chat completions, plain and streamed, with a scripted model."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.upstreams.http import Request, Reset, Response, Service

_KNOWN = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "max_completion_tokens",
    "max_tokens",
    "reasoning_effort",
    "response_format",
}


def words(count: int) -> str:
    """Return so many different words: a model that only repeats one is stopped early."""
    return "".join(f"word{n} " for n in range(count))


@dataclass(frozen=True, slots=True)
class Reply:
    """A scripted reply of the model, and its fault."""

    text: str | Sequence[str] = ""
    """Split into tokens after each space, unless given as a sequence."""
    finish_reason: str = "stop"
    refusal: str = ""
    usage: bool = True
    first_delay: float = 0.0
    """Seconds before the first token; `delay` is between tokens."""
    delay: float = 0.0
    cut_after: int | None = None
    """Break the connection after this many tokens."""
    end_after: int | None = None
    """End the stream after this many tokens without a finish reason."""
    hang_after: int | None = None
    """Go silent after this many tokens, with the connection open."""
    junk_after: int | None = None
    """Send `junk` after this many tokens."""
    junk: str = '{"choices": [{"del'
    error_after: int | None = None
    """Send an error object after this many tokens, as OpenAI does during a stream."""

    @property
    def tokens(self) -> list[str]:
        if isinstance(self.text, str):
            return re.findall(r"\S*\s+|\S+", self.text)
        return list(self.text)


_MODELS = ("gpt-6-luna", "gpt-4o-mini", "gpt-5-mini")


class OpenAI(Service):
    """Replies as scripted; without a script it cites the passages in the prompt."""

    key = "sk-openai-test-key"

    def __init__(self) -> None:
        super().__init__()
        self._script: list[Reply] = []
        self.reply: Reply | None = None
        """The reply to every request without a script."""
        self.tokens_sent = 0
        self.lacks: set[str] = set()
        """Unsupported parameters; requests with one get 400."""
        self.models: dict[str, dict[str, object]] = {}
        """More models in the list, or more fields of those in it, such as `shutdown_date`."""
        self.gone: dict[str, Response] = {}
        """Models that cannot be used, and what requests for them get."""
        self.takes_system = True
        """Whether a system message is accepted; otherwise 400."""
        self.efforts: set[str] = set()
        """The reasoning efforts that are accepted; all if empty."""
        self.plan: str | Reply = '{"searches": [], "sections": []}'
        """The reply to the request for a second look."""
        self.quota: dict[str, str] = {}
        """Headers of every completion, such as `x-ratelimit-remaining-requests`."""

    def script(self, *replies: Reply | str) -> None:
        """Set the replies to the next streamed requests, in order."""
        self._script += [Reply(text) if isinstance(text, str) else text for text in replies]

    def unscript(self) -> None:
        self._script.clear()
        self.reply = None
        self.lacks = set()
        self.models, self.gone, self.efforts = {}, {}, set()
        self.takes_system = True
        self.plan = '{"searches": [], "sections": []}'
        self.tokens_sent = 0

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, f"Incorrect API key provided: {self.key[:6]}***", "invalid_api_key")
        if request.path == "/v1/models":
            models = [
                {"id": name, "object": "model", "created": 0, **self.models.get(name, {})}
                for name in (*_MODELS, *self.models.keys() - set(_MODELS))
            ]
            return Response(200, {"object": "list", "data": models})
        if request.path.removeprefix("/v1") != "/chat/completions":
            return _error(404, f"no such path {request.path}", "not_found")
        body = request.json()
        for name in body.keys() - _KNOWN | body.keys() & self.lacks:
            return _error(400, f"Unsupported parameter: '{name}'", "unsupported_parameter", name)
        if gone := self.gone.get(body["model"]):
            return gone
        if not self.takes_system and body["messages"][0]["role"] == "system":
            return _error(400, "System role not supported", "template_error")
        if self.efforts and (effort := body.get("reasoning_effort", "medium")) not in self.efforts:
            values = " and ".join(f"'{value}'" for value in sorted(self.efforts))
            message = f"'reasoning_effort' does not support '{effort}'. Supported: {values}."
            return _error(400, message, "unsupported_value", "reasoning_effort")
        if "response_format" in body or _asks_where_to_look(body):
            plan = Reply(self.plan) if isinstance(self.plan, str) else self.plan
            await asyncio.sleep(plan.first_delay)
            return Response(200, _completion(body, str(plan.text)), self.quota)
        if not body.get("stream"):
            return Response(200, _completion(body, _rewritten(body)), self.quota)
        reply = self._script.pop(0) if self._script else self.reply or Reply(_cited(body))
        return Response(headers=self.quota, stream=self._stream(body, reply))

    async def _stream(self, body: dict[str, Any], reply: Reply) -> AsyncIterator[str]:
        yield _event(_chunk(body, {"role": "assistant", "content": ""}))
        await asyncio.sleep(reply.first_delay)
        for n, token in enumerate([*reply.tokens, None]):
            if n == reply.cut_after:
                raise Reset
            if n == reply.end_after:
                return
            if n == reply.hang_after:
                await asyncio.sleep(3600)
            if n == reply.junk_after:
                yield f"data: {reply.junk}\n\n"
            if n == reply.error_after:
                yield _event(
                    {"error": {"message": "The server had an error", "type": "server_error"}}
                )
            if token is not None:
                self.tokens_sent += 1
                yield _event(_chunk(body, {"content": token}))
                if reply.delay:
                    await asyncio.sleep(reply.delay)
        if reply.refusal:
            yield _event(_chunk(body, {"refusal": reply.refusal}))
        yield _event(_chunk(body, {}, reply.finish_reason))
        if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
            usage = _usage(body, len(reply.tokens))
            yield _event(_chunk(body, None) | {"usage": usage})
        yield "data: [DONE]\n\n"


def sections(request: Request) -> dict[str, str]:
    """Return the fenced parts of a chat request's last message, by name."""
    content = request.json()["messages"][-1]["content"]
    found = re.findall(r"^<<<([A-Z0-9 \[\]]+) (\w+)\n(.*?)\n\2>>>$", content, re.S | re.M)
    return {name: text for name, _, text in found}


def _cited(body: dict[str, Any]) -> str:
    """Return the first words of each passage with its number."""
    content = body["messages"][-1]["content"]
    found = re.findall(r"^<<<\[(\d+)\] (\w+)\n(.*?)\n\2>>>$", content, re.S | re.M)
    if not found:
        return "The book does not say that."
    said = []
    for number, _, text in found[:2]:
        line = text.split("\n\n", 1)[-1].strip().splitlines()[0].rstrip(".")
        said.append(f"{line} [{number}].")
    return " ".join(said)


def _asks_where_to_look(body: dict[str, Any]) -> bool:
    return "\n<<<HEADINGS " in f"\n{body['messages'][-1]['content']}"


def _rewritten(body: dict[str, Any]) -> str:
    """Return the last question preceded by the previous one."""
    content = body["messages"][-1]["content"]
    asked = re.findall(r"^Reader: (.*)$", content, re.M)
    last = re.search(r"^<<<LAST QUESTION (\w+)\n(.*?)\n\1>>>$", content, re.S | re.M)
    question = last[2] if last else content
    return f"{question} ({asked[-1]})" if asked else str(question)


def _usage(body: dict[str, Any], completion: int) -> dict[str, int]:
    prompt = sum(len(message["content"].split()) for message in body["messages"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(body, len(text.split())),
    }


def _chunk(
    body: dict[str, Any], delta: dict[str, str] | None, finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
        "choices": [] if delta is None else [choice],
    }


def _event(data: object) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _error(status: int, message: str, code: str, param: str | None = None) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Response(status, {"error": error})
