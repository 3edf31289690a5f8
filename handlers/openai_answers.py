"""Convert conversations and answers for `handlers/openai_api.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from handlers.openai_api import (
    AnswerMessage,
    ChoiceModel,
    CompletionResponse,
    MessageModel,
    UsageModel,
)
from rag.answering.citation_filter import CitationOrder, renumber
from rag.answering.quotes import markdown_link
from rag.chat import sse
from rag.chat.answer_stream import Event, FinalAnswer, SessionEvent, SourcesEvent, TokenEvent
from rag.chat.session import HISTORY_TURNS
from rag.models import Source, Turn, Usage

SOURCES = "\n\n---\n\n**Sources**\n"
"""Between an answer and the list of its sources."""
REPLACED = "\n\n---\n\nThe answer was interrupted. This is what the book says:\n\n"
_FINISH_REASONS = {"refusal": "content_filter"}
"""Finish reasons that have other names in OpenAI's protocol."""


def history(messages: Sequence[MessageModel]) -> list[Turn]:
    """Return the turns before the last user message, oldest first."""
    asked = [n for n, message in enumerate(messages) if message.role == "user"]
    turns: list[Turn] = []
    for message in messages[: asked[-1]] if asked else ():
        if message.role == "user" and message.text:
            turns.append(Turn(message.text, ""))
        elif message.role == "assistant" and turns:
            answer = message.text.partition(SOURCES.strip())[0].strip()
            turns[-1] = Turn(turns[-1].question, f"{turns[-1].answer}\n{answer}".strip())
    return turns[-HISTORY_TURNS:]


def completion(head: Mapping[str, Any], answer: FinalAnswer) -> CompletionResponse:
    """Return a finished answer with the list of its sources."""
    text = answer.message + _listed(answer.sources)
    return CompletionResponse(
        **head,
        choices=[
            ChoiceModel(message=AnswerMessage(content=text), finish_reason=_finish_reason(answer))
        ],
        usage=_usage(answer.usage),
        citations=[source.url for source in answer.sources],
        session_id=answer.session_id,
    )


async def chunks(
    head: Mapping[str, Any], events: AsyncGenerator[Event], *, with_usage: bool
) -> AsyncGenerator[sse.Event]:
    """Yield the chunks of a streamed answer, as events for `encode`."""
    base = {"object": "chat.completion.chunk", **head}
    offered: tuple[Source, ...] = ()
    order, written = CitationOrder(0), ""
    try:
        async for event in events:
            match event:
                case SessionEvent():
                    base["session_id"] = event.session_id
                    yield "chunk", _chunk(base, {"role": "assistant", "content": ""})
                case SourcesEvent():
                    offered, order = event.sources, CitationOrder(len(event.sources))
                case TokenEvent():
                    text = order.feed(event.text)
                    written += text
                    yield "token", {"text": text, "base": base}
                case FinalAnswer():
                    rest = order.flush()
                    written += rest
                    ending, sources = _ending(written, offered, order, event)
                    yield "token", {"text": rest + ending + _listed(sources), "base": base}
                    end = _chunk(base, {}, _finish_reason(event))
                    yield "chunk", {**end, "citations": [source.url for source in sources]}
                    if with_usage:
                        usage = _usage(event.usage).model_dump()
                        yield "chunk", {**base, "choices": [], "usage": usage}
        yield "end", {}
    finally:
        await events.aclose()


def encode(event: sse.Event) -> bytes:
    """Encode one event of `chunks`, or an error."""
    name, data = event
    if name == "end":
        return b"data: [DONE]\n\n"
    if name == "token":
        data = _chunk(data["base"], {"content": data["text"]})
    return b"data: %b\n\n" % to_json(data)


def _chunk(
    base: Mapping[str, Any], delta: Mapping[str, str], finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**base, "choices": [choice]}


def _ending(
    written: str, offered: Sequence[Source], order: CitationOrder, answer: FinalAnswer
) -> tuple[str, Sequence[Source]]:
    """Return what is left to write, and the sources in the order of the written numbers.

    If the finished answer is another one than was written, it follows as a whole.
    """
    ids = [offered[number - 1].chunk_id for number in order.cited]
    by_id = {source.chunk_id: n for n, source in enumerate(answer.sources)}
    if all(chunk_id in by_id for chunk_id in ids):
        final = {n: by_id[chunk_id] + 1 for n, chunk_id in enumerate(ids, 1)}
        if renumber(written, final).strip() == answer.message:
            cited = [answer.sources[by_id[chunk_id]] for chunk_id in ids]
            return "", [*cited, *(s for s in answer.sources if s.chunk_id not in ids)]
    return (REPLACED if written.strip() else "") + answer.message, answer.sources


def _listed(sources: Sequence[Source]) -> str:
    """Return the list of sources as Markdown."""
    lines = [
        f"{n}. {markdown_link(_title(source), source.url)}" for n, source in enumerate(sources, 1)
    ]
    return "\n".join([SOURCES, *lines]) if lines else ""


def _title(source: Source) -> str:
    return " › ".join(part for part in (source.title, source.section) if part) or source.slug


def _finish_reason(answer: FinalAnswer) -> str:
    reason = answer.usage.finish_reason
    return _FINISH_REASONS.get(reason, reason)


def _usage(usage: Usage) -> UsageModel:
    return UsageModel(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total,
    )
