"""Answers that a proxy has compressed on their way to the clients of the SDKs."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator

import pytest

from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.answering.prompt import answer_messages
from rag.models import AnswerRequest, Chunk, Passage
from tests.support.served_site import Served, served
from tests.upstreams.http import Response

EMBEDDINGS = {"embeddings": {"float": [[0.6, 0.8]]}}
DELTA = {"choices": [{"delta": {"content": "It is so. [1]"}, "finish_reason": "stop"}]}
EVENTS = f"data: {json.dumps(DELTA)}\n\ndata: [DONE]\n\n"


def _compressed(text: str, kind: str) -> Response:
    return Response(
        200, gzip.compress(text.encode()), {"Content-Type": kind, "Content-Encoding": "gzip"}
    )


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    pages = {
        "/v2/embed": _compressed(json.dumps(EMBEDDINGS), "application/json"),
        "/v1/chat/completions": _compressed(EVENTS, "text/event-stream"),
    }
    with served(pages) as running:
        yield running


def test_an_embedding(site: Served) -> None:
    async def embed() -> list[float]:
        embedder = CohereEmbedder("key", "any-model", base_url=site.url)
        try:
            return list((await embedder.embed_questions(["why?"]))[0])
        finally:
            await embedder.close()

    assert asyncio.run(embed()) == pytest.approx([0.6, 0.8])
    assert "gzip" in site.requests[-1].headers["accept-encoding"]


def test_an_answer(site: Served) -> None:
    chunk = Chunk("1", "So it is.", "T", "", "t", "t.md", 0)

    async def answer() -> str:
        answerer = OpenAIChatModel("key", base_url=f"{site.url}/v1")
        try:
            request = answer_messages(AnswerRequest("why?", [Passage(chunk, 0.9)]))
            parts = await answerer.answer(request)
            return "".join([part async for part in parts if isinstance(part, str)])
        finally:
            await answerer.close()

    assert asyncio.run(answer()) == "It is so. [1]"
    assert "gzip" in site.requests[-1].headers["accept-encoding"]
