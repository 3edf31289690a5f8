"""Whatever JSON a service answers with: a result, or an error of the family."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.adapters.embedding.cohere import CohereEmbedder, CohereReranker
from rag.adapters.vector_store.qdrant import QdrantStore
from rag.answering.prompt import answer_messages, rewrite_messages
from rag.errors import BookError
from rag.models import (
    AnswerRequest,
    Candidates,
    Chunk,
    Completion,
    Passage,
    SparseVector,
    Turn,
)
from tests.support.leaks import leak
from tests.upstreams import Reply, Upstreams

FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAMES = st.sampled_from(
    [
        *("embeddings", "float", "base64", "texts", "id", "results", "index", "relevance_score"),
        *("choices", "delta", "message", "content", "role", "finish_reason", "usage", "error"),
        *("result", "points", "payload", "score", "vector", "status", "time", "total_tokens"),
        *("text", "title", "chunk_id", "dense", "bm25", "config", "params", "vectors", "size"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["ok", "stop", "AAAA", "1d6bb07f-20dd-5b4c-acb1-9a1b2c3d4e5f"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=15,
)
PASSAGE = Passage(
    Chunk("1", "The book runs on port 7860.", "Start", "Run", "start", "a.md", 0), 0.9
)


@pytest.fixture(scope="module")
def up() -> Iterator[Upstreams]:
    with Upstreams() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    """Attempts follow each other at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag.adapters.retry._FIRST_WAIT", 0.0001)
        yield


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def clients(up: Upstreams, runner: asyncio.Runner) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {
        "embedder": CohereEmbedder(up.cohere.key, "embed-english-v3.0", base_url=up.cohere.url),
        "reranker": CohereReranker(up.cohere.key, "rerank-v3.5", base_url=up.cohere.url),
        "answerer": OpenAIChatModel(up.openai.key, "gpt-4o-mini", base_url=f"{up.openai.url}/v1"),
        "store": QdrantStore(up.qdrant.url, up.qdrant.key, "book"),
    }
    yield made
    for client in made.values():
        runner.run(client.close())


def outcome(runner: asyncio.Runner, work: Any) -> Any:
    """The result, or the error, which must be one of ours and hold no key."""
    try:
        found = runner.run(work)
    except BookError as error:
        found = error
    assert not isinstance(found, BookError) or leak(str(found)) == ""
    return found


@FEW
@given(body=JSON)
@example(body={"id": "x", "embeddings": {"float": [[math.inf] * 1024]}, "texts": []})
@example(body={"id": "x", "embeddings": {"float": []}, "texts": []})
def test_embeddings(up: Upstreams, runner: Any, clients: dict[str, Any], body: Any) -> None:
    up.heal()
    up.cohere.fail(200, times=9, body=body)
    found = outcome(runner, clients["embedder"].embed_questions(["Which port?"]))
    if not isinstance(found, BookError):
        assert len(found) == 1024
        assert all(isinstance(x, float) and math.isfinite(x) for x in found)


@FEW
@given(body=JSON)
@example(body={"id": "x", "results": [{"index": 7, "relevance_score": 0.5}]})
@example(body={"id": "x", "results": [{"index": 0, "relevance_score": 0.5}] * 2})
def test_relevances(up: Upstreams, runner: Any, clients: dict[str, Any], body: Any) -> None:
    up.heal()
    up.cohere.fail(200, times=9, body=body)
    found = outcome(runner, clients["reranker"].rerank("Which port?", ["one", "two"]))
    if not isinstance(found, BookError):
        assert len(found) == 2
        assert all(0 <= x <= 1 for x in found)


@FEW
@given(body=JSON)
def test_rewritten_questions(
    up: Upstreams, runner: Any, clients: dict[str, Any], body: Any
) -> None:
    up.heal()
    up.openai.fail(200, times=9, body=body)
    history = [Turn("How do I deploy?", "With a container [1].")]
    messages = rewrite_messages("And there?", history)
    found = outcome(runner, clients["answerer"].rewrite_question("And there?", messages))
    assert isinstance(found, Completion)
    assert found.text.strip()
    assert found.usage.total >= 0


@FEW
@given(chunk=JSON | st.fixed_dictionaries({"choices": st.lists(JSON, max_size=2)}))
@example(chunk={"choices": [{"index": 0, "delta": {"content": 7}}]})
@example(chunk={"choices": [{"index": 0, "delta": {"content": ["a"]}, "finish_reason": 3}]})
@example(chunk={"choices": [], "usage": {"total_tokens": "many"}})
@example(chunk={"choices": [{"index": 0, "delta": {"refusal": {}}}]})
def test_streamed_answers(up: Upstreams, runner: Any, clients: dict[str, Any], chunk: Any) -> None:
    async def answer() -> list[Any]:
        request = answer_messages(AnswerRequest("q", [PASSAGE]))
        return [part async for part in await clients["answerer"].answer(request)]

    up.heal()
    up.openai.reply = Reply("It runs on a port [1].", junk_after=2, junk=json.dumps(chunk))
    outcome(runner, answer())


@FEW
@given(
    body=JSON
    | st.fixed_dictionaries({"result": JSON, "status": st.just("ok"), "time": st.just(0.1)})
)
def test_searches(up: Upstreams, runner: Any, clients: dict[str, Any], body: Any) -> None:
    up.heal()
    up.qdrant.fail(200, times=9, body=body)
    sparse = SparseVector((1, 2), (0.5, 0.5))
    found = outcome(runner, clients["store"].candidates([0.1] * 4, sparse, 5))
    assert isinstance(found, BookError | Candidates)
    up.heal()
    up.qdrant.fail(200, times=9, body=body)
    outcome(runner, clients["store"].neighbours(3, 2))
    up.heal()
    up.qdrant.fail(200, times=9, body=body)
    outcome(runner, clients["store"].info())
