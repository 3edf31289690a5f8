"""Warnings of models that are shut down, deprecated or cannot be used, and nothing that stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rag.chat import answer_stream, pipeline
from rag.chat.question import Question
from rag.environment import load_settings
from rag.ops import model_watch
from rag.ops.model_watch import model_warnings
from rag.providers import Clients
from tests.support.service import serving
from tests.upstreams import Upstreams
from tests.upstreams.http import Response

T = TypeVar("T")

QUESTION = "How do I delete a conversation?"
AUTHOR = {"Authorization": "Bearer the-author-of-the-book"}
LISTED = "/v1/models$"
MISSING = Response(404, {"error": {"message": "no such model", "code": "model_not_found"}})


@pytest.fixture(autouse=True)
def _as_it_was(upstreams: Upstreams) -> Iterator[None]:
    yield
    upstreams.cohere.deprecated = set()


def using(up: Upstreams, use: Callable[[Clients], Awaitable[T]], **variables: str) -> T:
    async def run() -> T:
        clients = Clients(load_settings({**up.environ(), **variables}))
        try:
            return await use(clients)
        finally:
            await clients.close()

    return asyncio.run(run())


def warnings(up: Upstreams, **variables: str) -> list[str]:
    return using(up, lambda clients: model_warnings(clients, wait=60), **variables)


def day(days: int) -> str:
    return str(datetime.now(UTC).date() + timedelta(days))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (day(-400), "gpt-6-luna was shut down on"),
        (day(0), "today"),
        (day(40), "in 40 days"),
        (day(400), ""),
        (None, ""),
        ("", ""),
        ("soon", ""),
        ("2027-02-31", ""),
        ([], ""),
        ({"at": day(1)}, ""),
        (-1, ""),
        (10**400, ""),
    ],
    ids=repr,
)
def test_a_day_is_told_if_it_is_near_or_past(up: Upstreams, value: object, said: str) -> None:
    up.openai.models = {"gpt-6-luna": {"shutdown_date": value}, "other": {"shutdown_date": day(-9)}}
    found = warnings(up)
    assert len(found) == bool(said), found
    assert said in "".join(found)


@pytest.fixture
def up(upstreams: Upstreams) -> Upstreams:
    upstreams.heal()
    return upstreams


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("hang", None),
        ("drip", None),
        ("reset", None),
        ("cut", None),
        ("empty", None),
        ("shape", None),
        (500, None),
        (404, b"<html>no such page</html>"),
        (200, b"\xff\x00" * 500_000),
        (200, b'{"data": [' + b'{"id": "x"},' * 90_000 + b'{"id": "y"}]}'),
        (200, b"[" * 100_000),
        (200, b'{"data": [{}, {"id": null, "shutdown_date": "2020-01-01"}]}'),
        (200, b'{"data": null}'),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_strange_list_of_models_delays_and_says_nothing(
    up: Upstreams, what: Any, body: Any
) -> None:
    up.openai.fail(what, path=LISTED, times=99, body=body)

    async def use(clients: Clients) -> None:
        question = Question(QUESTION, stored=False)
        for _ in range(2):  # the first one imports and connects
            started = time.monotonic()
            assert await model_warnings(clients, wait=0.5) == []
            assert time.monotonic() - started < 7, "a hanging list is given up after 10 s"
            answer = await answer_stream.collect(await pipeline.ask(clients, question))
            assert answer.metadata["answered_by"] == "gpt-6-luna"
        assert time.monotonic() - started < 5

    using(up, use)


def test_a_check_that_a_service_did_not_answer_is_made_again(
    up: Upstreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.openai.models = {"gpt-6-luna": {"shutdown_date": day(3)}}
    up.openai.forget()
    up.openai.fail(404, path=LISTED, times=1)

    async def use(clients: Clients) -> list[list[str]]:
        found = [await model_warnings(clients, wait=60) for _ in range(2)]
        monkeypatch.setattr(model_watch, "RETRY_SECONDS", 0)
        found += [await model_warnings(clients, wait=60) for _ in range(2)]
        return found

    *missing, first, again = using(up, use)
    assert missing == [[], []]
    assert first == again != []
    listings = [each for each in up.openai.upkeep if each.path.endswith("/models")]
    assert len(listings) == 2


def test_a_check_that_breaks_is_logged_and_made_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[Exception | list[str]] = [ZeroDivisionError("broken"), ["a was shut down."]]

    async def check(_: object, **__: object) -> list[str]:
        if not outcomes:
            raise asyncio.CancelledError
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(model_watch, "model_warnings", check)
    monkeypatch.setattr(model_watch, "START_SECONDS", 0)
    monkeypatch.setattr(model_watch, "DAY_SECONDS", 0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(model_watch.watch(Clients(load_settings({}))))
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("ERROR", "the models were not checked; they will be again in a day"),
        ("WARNING", "a was shut down."),
    ]


def test_deprecated_models_of_cohere_are_told(up: Upstreams) -> None:
    up.cohere.deprecated = {"embed-english-v3.0", "rerank-v3.5", "embed-v4.0"}
    assert warnings(up, RERANK="rerank-v3.5") == [
        "embed-english-v3.0 is deprecated or gone. Set COHERE_EMBED_MODEL to a current model and "
        "index the book again.",
        "rerank-v3.5 is deprecated or gone. Set RERANK to a current model.",
    ]
    assert warnings(up, COHERE_EMBED_MODEL="embed-multilingual-v3.0") == []


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("hang", None),
        (404, {"message": "model not found"}),
        (500, None),
        (200, {"name": "embed-english-v3.0"}),
        (200, {"name": "embed-english-v3.0", "is_deprecated": "perhaps"}),
        (200, b"x" * 1_000_000),
        (200, []),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_other_answers_of_cohere_are_no_warning(up: Upstreams, what: Any, body: Any) -> None:
    up.cohere.fail(what, path="/v1/models", times=99, body=body)
    up.openai.models = {"gpt-6-luna": {"shutdown_date": day(3)}}

    async def use(clients: Clients) -> list[str]:
        await model_warnings(clients, wait=0.2)
        return await model_warnings(clients, wait=60)

    (found,) = using(up, use)
    assert found.startswith("gpt-6-luna will be shut down")


def test_names_that_no_server_knows_leave_quotations_and_a_warning(
    up: Upstreams, test_database: str, tmp_path: Path
) -> None:
    up.openai.gone = {"gone-1": MISSING, "gone 2": MISSING}
    up.openai.fail("hang", path=LISTED, times=99)
    variables = {**up.environ(), "DATABASE_URL": test_database}
    variables |= {"CHAT_MODEL": " gone-1, ,gone 2,, ", "ADMIN_TOKEN": "the-author-of-the-book"}
    with serving(tmp_path / "log", **variables) as service, service.client() as client:
        answer = client.post("/chat", json={"message": QUESTION}).raise_for_status().json()
        assert answer["metadata"]["answered_by"] == "extractive"
        assert answer["metadata"]["fallback"] == "upstream_rejected"
        assert answer["sources"]
        rows = client.get("/admin/warnings", headers=AUTHOR).json()["rows"]
        said = [row["warning"] for row in rows]
        assert [text.split(" is not used")[0] for text in said] == ["gone-1", "gone 2"]
        assert "no such model" in said[0]
