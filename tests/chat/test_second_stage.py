"""Which second stage a question gets: the reranker, the local embedder, or none."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag.adapters.embedding.minilm import LocalEmbedder
from rag.chat.admission import PaidCalls
from rag.chat.retrieval import retrieve, search_each, search_wide
from rag.interfaces import Reranker
from rag.models import Passage, SearchResult
from rag.providers import Clients
from rag.retrieval.search import MATCHED
from rag.settings import Settings

QUESTION = "How do I keep the bill small?"


class First:
    """A reranker that prefers the first text it is given, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        self.calls += 1
        return [1 / n for n in range(1, len(texts) + 1)]

    async def close(self) -> None:
        pass


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The texts that the local embedder has compared with a question. The last is the nearest."""
    seen: list[Sequence[str]] = []

    async def max_sim(_: LocalEmbedder, question: str, texts: Sequence[str]) -> list[float]:
        assert question == QUESTION
        seen.append(texts)
        return [float(n) for n in range(len(texts))]

    monkeypatch.setattr(LocalEmbedder, "max_sim", max_sim)
    return seen


def ask(
    handbook: Path, tmp_path: Path, calls: PaidCalls, reranker: Reranker | None
) -> list[Passage]:
    shutil.copytree(handbook, tmp_path / "data")

    async def found() -> SearchResult:
        clients = Clients(Settings(data_dir=tmp_path / "data"))

        async def given() -> Reranker | None:
            return reranker

        clients.reranker = given  # type: ignore[method-assign]
        try:
            return await retrieve(clients, [QUESTION], 10, calls)
        finally:
            await clients.close()

    return list(asyncio.run(found()).passages)


def test_without_a_reranker_the_local_embedder_compares(
    handbook: Path, tmp_path: Path, compared: list[Sequence[str]]
) -> None:
    passages = ask(handbook, tmp_path, PaidCalls(), None)
    [texts] = compared
    assert len(texts) == MATCHED
    assert [p.chunk.embedded_text for p in passages[:MATCHED]] == [*reversed(texts)]


def test_a_reranker_takes_its_place(
    handbook: Path, tmp_path: Path, compared: list[Sequence[str]]
) -> None:
    reranker, calls = First(), PaidCalls()
    passages = ask(handbook, tmp_path, calls, reranker)
    assert (reranker.calls, calls.made, compared) == (1, 1, [])
    assert [p.score for p in passages[:3]] == [1, 1 / 2, 1 / 3]


def test_a_reranker_over_its_budget_is_replaced(
    handbook: Path, tmp_path: Path, compared: list[Sequence[str]]
) -> None:
    reranker, calls = First(), PaidCalls(rerank=False)
    ask(handbook, tmp_path, calls, reranker)
    assert (reranker.calls, calls.made, len(compared)) == (0, 0, 1)


def test_a_second_look_compares_nothing(
    handbook: Path, tmp_path: Path, compared: list[Sequence[str]]
) -> None:
    shutil.copytree(handbook, tmp_path / "data")

    async def look() -> None:
        clients = Clients(Settings(data_dir=tmp_path / "data"))
        try:
            assert (await search_wide(clients, QUESTION, [1.0] + [0.0] * 383, 5)).passages
            assert all(r.passages for r in await search_each(clients, [QUESTION], PaidCalls()))
        finally:
            await clients.close()

    asyncio.run(look())
    assert compared == [], "its many searches would make it slow"
