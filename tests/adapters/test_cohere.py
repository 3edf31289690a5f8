"""The Cohere adapter, through the real SDK against an imitated API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from rag.adapters.embedding.cohere import CohereEmbedder, CohereReranker
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from tests.upstreams import Upstreams

T = TypeVar("T")


@pytest.fixture(scope="module")
def running() -> Iterator[Upstreams]:
    with Upstreams() as up:
        yield up


@pytest.fixture
def up(running: Upstreams) -> Upstreams:
    running.heal()
    return running


def embed(
    up: Upstreams,
    use: Callable[[CohereEmbedder], Awaitable[T]],
    model: str = "embed-english-v3.0",
    key: str = "",
    **options: Any,
) -> T:
    async def run() -> T:
        embedder = CohereEmbedder(key or up.cohere.key, model, base_url=up.cohere.url, **options)
        try:
            return await use(embedder)
        finally:
            await embedder.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        ("embed-english-v3.0", 1024),
        ("embed-english-light-v3.0", 384),
        ("embed-multilingual-v3.0", 1024),
        ("embed-v4.0", 1024),
        ("embed-of-tomorrow", 256),
    ],
)
def test_models_and_their_dimensions(up: Upstreams, model: str, dimensions: int) -> None:
    async def use(embedder: CohereEmbedder) -> int:
        assert embedder.model == model
        assert embedder.dimensions in (dimensions, 0)
        vector = (await embedder.embed_questions(["How do I deploy?"]))[0]
        assert len(vector) == dimensions
        assert sum(x * x for x in vector) == pytest.approx(1)
        return embedder.dimensions

    assert embed(up, use, model) == dimensions


@pytest.mark.parametrize("dimensions", [256, 512, 1024, 1536])
def test_the_dimensions_of_version_4_can_be_chosen(up: Upstreams, dimensions: int) -> None:
    async def use(embedder: CohereEmbedder) -> list[int]:
        found = [*await embedder.embed_questions(["a"]), *await embedder.embed_passages(["b", "c"])]
        return [embedder.dimensions, *map(len, found)]

    assert embed(up, use, "embed-v4.0", dimensions=dimensions) == [dimensions] * 4
    sent = [request.json().get("output_dimension") for request in up.cohere.requests]
    assert sent == [dimensions] * 2
    up.cohere.forget()
    assert embed(up, use, dimensions=dimensions) == [1024] * 4
    assert not any("output_dimension" in request.json() for request in up.cohere.requests)


def test_questions_and_passages_are_told_apart(up: Upstreams) -> None:
    async def use(embedder: CohereEmbedder) -> None:
        (await embedder.embed_questions(["a question"]))[0]
        await embedder.embed_passages(["a passage"])

    embed(up, use)
    bodies = [request.json() for request in up.cohere.requests]
    assert [body["input_type"] for body in bodies] == ["search_query", "search_document"]
    assert {body["truncate"] for body in bodies} == {"END"}


def test_a_server_without_base64_is_asked_for_numbers(up: Upstreams) -> None:
    async def use(embedder: CohereEmbedder) -> tuple[float, ...]:
        vectors = [(await embedder.embed_questions(["question"]))[0] for _ in "ab"]
        assert vectors[0] == vectors[1]
        return tuple(vectors[0])

    packed = embed(up, use)
    assert len(up.cohere.requests) == 2
    up.cohere.lacks = {"base64"}
    try:
        assert embed(up, use) == pytest.approx(packed, abs=1e-6)
    finally:
        up.cohere.lacks = set()
    kinds = [request.json()["embedding_types"] for request in up.cohere.requests]
    assert kinds == [["base64"], ["base64"], ["base64"], ["float"], ["float"]]


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "AAAAAA==" * 8, "/////w=="])
def test_base64_that_means_something_else_is_not_believed(up: Upstreams, text: str) -> None:
    body = {"id": "1", "embeddings": {"base64": [text]}, "texts": ["question"]}
    up.cohere.fail(200, body=body)
    [vector] = embed(up, lambda e: e.embed_questions(["question"]))
    assert len(vector) == 1024
    kinds = [request.json()["embedding_types"] for request in up.cohere.requests]
    assert kinds == [["base64"], ["float"]]


def test_passages_go_in_batches_and_come_back_in_order(up: Upstreams) -> None:
    texts = [f"passage about topic{n}" for n in range(200)]

    async def use(embedder: CohereEmbedder) -> None:
        vectors = await embedder.embed_passages(texts)
        alone = await embedder.embed_passages(texts[150:151])
        assert len(vectors) == 200
        assert vectors[150] == pytest.approx(alone[0])
        assert await embedder.embed_passages([]) == []

    embed(up, use, "embed-english-light-v3.0")
    assert sorted(len(r.json()["texts"]) for r in up.cohere.requests) == [1, 8, 96, 96]


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "reset", "malformed", "cut", "shape"])
def test_a_passing_fault_is_survived(up: Upstreams, fault: int) -> None:
    up.cohere.fail(fault)
    assert embed(up, lambda e: e.embed_questions(["question"]))
    assert len(up.cohere.requests) == 2


def test_a_hanging_attempt_is_given_up_and_repeated(up: Upstreams) -> None:
    up.cohere.fail("hang")
    assert embed(up, lambda e: e.embed_questions(["question"]), attempt_seconds=0.5)
    assert len(up.cohere.requests) == 2


def test_retry_after_is_kept(up: Upstreams) -> None:
    up.cohere.fail(429, retry_after=1)

    async def use(embedder: CohereEmbedder) -> float:
        started = asyncio.get_running_loop().time()
        (await embedder.embed_questions(["question"]))[0]
        return asyncio.get_running_loop().time() - started

    assert embed(up, use) >= 1.0


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (429, UpstreamOverloaded, 3),
        (500, UpstreamError, 3),
        (503, UpstreamOverloaded, 3),
        (400, UpstreamRejected, 2),
        (404, UpstreamRejected, 1),
        (422, UpstreamRejected, 2),
        ("reset", UpstreamError, 3),
        ("malformed", UpstreamError, 3),
        ("shape", UpstreamError, 3),
        ("empty", UpstreamError, 3),
    ],
)
def test_a_lasting_fault_has_a_name(
    up: Upstreams, fault: int, error: type[UpstreamError], requests: int
) -> None:
    up.cohere.fail(fault, times=99)
    with pytest.raises(UpstreamError) as caught:
        embed(up, lambda e: e.embed_questions(["question"]), seconds=60.0)
    assert isinstance(caught.value, error)
    assert caught.value.code == error.code
    assert caught.value.service == "cohere"
    assert len(up.cohere.requests) == requests


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_nothing_lasts_longer_than_its_time(up: Upstreams, fault: str) -> None:
    up.cohere.fail(fault, times=99)  # type: ignore[arg-type]

    async def use(embedder: CohereEmbedder) -> float:
        started = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamTimeout):
            (await embedder.embed_questions(["question"]))[0]
        return asyncio.get_running_loop().time() - started

    assert embed(up, use, seconds=1.0, attempt_seconds=0.4) < 3


def test_a_wait_that_would_not_end_in_time_is_not_begun(up: Upstreams) -> None:
    up.cohere.fail(429, times=99, retry_after=30)
    with pytest.raises(UpstreamOverloaded) as caught:
        embed(up, lambda e: e.embed_questions(["question"]), seconds=20.0)
    assert caught.value.retry_after == 30
    assert len(up.cohere.requests) == 1


def test_a_refused_key_is_final_and_stays_secret(up: Upstreams) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        embed(up, lambda e: e.embed_questions(["question"]), key="wrong-key-12345")
    assert "wrong-key-12345" not in f"{caught.value}{caught.value.detail}"
    assert len(up.cohere.requests) == 1


def test_a_used_up_month_is_final(up: Upstreams) -> None:
    up.cohere.fail(429, times=9, body={"message": "Trial key is limited to 1000 calls / month"})
    with pytest.raises(UpstreamRejected, match="quota"):
        embed(up, lambda e: e.embed_questions(["question"]))
    assert len(up.cohere.requests) == 1


def test_one_failed_batch_fails_the_whole(up: Upstreams) -> None:
    up.cohere.fail(404, times=1)
    with pytest.raises(UpstreamRejected):
        embed(up, lambda e: e.embed_passages(["text"] * 200), "embed-english-light-v3.0")


def test_an_unreachable_service_has_a_name(up: Upstreams) -> None:
    async def run() -> None:
        embedder = CohereEmbedder("key", base_url="http://127.0.0.1:9", seconds=2.0)
        try:
            (await embedder.embed_questions(["question"]))[0]
        finally:
            await embedder.close()

    with pytest.raises(UpstreamError, match="cohere"):
        asyncio.run(run())


def test_reranking_scores_every_text_in_its_place(up: Upstreams) -> None:
    async def run() -> None:
        reranker = CohereReranker(up.cohere.key, base_url=up.cohere.url)
        try:
            texts = ["nothing here", "deploy the book on a host", "deploy"]
            scores = await reranker.rerank("deploy book", texts)
            assert scores[1] > scores[2] > scores[0]
            assert all(0 <= score <= 1 for score in scores)
            assert await reranker.rerank("deploy", []) == []
            up.cohere.fail("shape", times=9)
            with pytest.raises(UpstreamError):
                await reranker.rerank("deploy", texts)
        finally:
            await reranker.close()

    asyncio.run(run())
