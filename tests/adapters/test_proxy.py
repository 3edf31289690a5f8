"""A proxy between this machine and the services, as the environment names it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from rag.adapters.chat_model.openai import OpenAIAnswerer
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.adapters.http import proxy_for
from rag.adapters.vector_store.qdrant_rest import Rest
from rag.models import AnswerRequest, Chunk, Passage
from tests.support.served_site import Served, served

NOWHERE = "http://service.invalid:80"
"""A name that only the proxy is told."""
DELTA = {"choices": [{"delta": {"content": "Yes. [1]"}, "finish_reason": "stop"}]}
PAGES = {
    "/v2/embed": json.dumps({"embeddings": {"float": [[0.6, 0.8]]}}),
    "/chat/completions": f"data: {json.dumps(DELTA)}\n\ndata: [DONE]\n\n",
    "/collections/book/points/scroll": json.dumps({"result": {"points": []}}),
}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served(PAGES) as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        yield running


async def _embedding() -> object:
    embedder = CohereEmbedder("key", "any-model", base_url=NOWHERE, seconds=5)
    try:
        return list((await embedder.embed_questions(["why?"]))[0])
    finally:
        await embedder.close()


async def _passages() -> object:
    rest = Rest(NOWHERE, "key", "book", seconds=5, attempt_seconds=5)
    try:
        return (await rest.post("/points/scroll", {}))["points"]
    finally:
        await rest.close()


async def _answer() -> object:
    answerer = OpenAIAnswerer("key", base_url=NOWHERE, seconds=5)
    brief = AnswerRequest("so?", [Passage(Chunk("1", "So it is.", "T", "", "t", "t.md", 0), 0.9)])
    try:
        parts = await answerer.answer(brief)
        return "".join([part async for part in parts if isinstance(part, str)])
    finally:
        await answerer.close()


def test_the_services_are_asked_through_it(proxy: Served) -> None:
    assert asyncio.run(_embedding()) == pytest.approx([0.6, 0.8])
    assert asyncio.run(_passages()) == []
    assert asyncio.run(_answer()) == "Yes. [1]"
    assert sorted(proxy.asked) == sorted(PAGES)


@pytest.mark.parametrize(
    ("no_proxy", "url", "used"),
    [
        ("", "http://service.invalid", True),
        ("", "https://service.invalid", False),  # that proxy is for http
        ("other.invalid", "http://service.invalid", True),
        ("service.invalid", "http://service.invalid:6333/collections", False),
        (".invalid", "http://service.invalid", False),
        ("*", "http://service.invalid", False),
        ("", "http://localhost:11434/v1", False),
        ("", "http://127.0.0.2:6333", False),
        ("", "http://[::1]:6333", False),
    ],
)
def test_what_no_proxy_names_is_asked_directly(
    proxy: Served, monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, used: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == (proxy.url if used else None)
