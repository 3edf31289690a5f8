"""A second look: when it is taken, what it finds, and what happens if it fails."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from rag.chat import second_look
from rag.chat.admission import UsageMeter
from rag.chat.second_look import SearchedText, look_further
from rag.errors import UpstreamError
from rag.models import AnswerRequest, Chunk, Completion, Passage, SearchResult, Usage
from rag.providers import Clients
from tests.support.crowd import UNLIMITED
from tests.support.postgres import new_database, query
from tests.support.service import Service, serving
from tests.upstreams import Reply, Request, Upstreams, sections

STRONG = "How do I delete a conversation?"
PLAN = '{"searches": ["delete a conversation", "retention of conversations"], "sections": [1]}'
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def started(
    upstreams: Upstreams, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Service]]:
    running: dict[str, Service] = {}
    with ExitStack() as stack:

        def start(**settings: str) -> Service:
            key = json.dumps(settings)
            if key not in running:
                log = tmp_path_factory.mktemp("look") / "log"
                env = {**upstreams.environ(), "DATABASE_URL": database, **UNLIMITED, **settings}
                running[key] = stack.enter_context(serving(log, **env))
            return running[key]

        yield start


@pytest.fixture(autouse=True)
def _fresh(upstreams: Upstreams) -> None:
    upstreams.heal()
    upstreams.openai.unscript()
    upstreams.openai.requests.clear()


def weak() -> str:
    """A question in words that the book does not have."""
    return f"expunge{next(_numbers)} chitchat{next(_numbers)} dossiers"


def ask(service: Service, message: str, **headers: str) -> httpx.Response:
    with service.client() as client:
        return client.post("/chat", json={"message": message}, headers=headers)


def looks(upstreams: Upstreams) -> list[Request]:
    return [request for request in upstreams.openai.requests if "HEADINGS" in sections(request)]


def test_a_weak_first_result_is_looked_at_again(
    started: Callable[..., Service], upstreams: Upstreams
) -> None:
    upstreams.openai.plan = PLAN
    question = weak()
    answer = ask(started(), question).json()
    (look,) = looks(upstreams)
    assert sections(look)["QUESTION"] == question
    assert "# " in sections(look)["HEADINGS"]
    assert look.json()["response_format"]["json_schema"]["strict"] is True
    answering = sections(upstreams.openai.requests[-1])
    assert any("delete" in text.lower() for name, text in answering.items() if "[" in name)
    assert answer["metadata"]["second_look"] is True
    assert answer["metadata"]["found"] == "answer"
    assert answer["sources"]


def test_the_stream_says_that_it_looks_further(
    started: Callable[..., Service], upstreams: Upstreams
) -> None:
    upstreams.openai.plan = PLAN
    text = ask(started(), weak(), Accept="text/event-stream").text
    names = [line.removeprefix("event: ") for line in text.splitlines() if line[:6] == "event:"]
    assert names[:3] == ["status", "session", "sources"]
    assert 'data: {"state":"looking_further"}' in text
    assert names[-1] == "done"


@pytest.mark.parametrize("message", [STRONG, "hello", "What is this book about?"])
def test_a_strong_first_result_and_a_greeting_need_none(
    started: Callable[..., Service], upstreams: Upstreams, message: str
) -> None:
    metadata = ask(started(), message).json()["metadata"]
    assert looks(upstreams) == []
    assert metadata["second_look"] is False


def test_it_can_be_switched_off(started: Callable[..., Service], upstreams: Upstreams) -> None:
    service = started(SECOND_LOOK="0")
    assert ask(service, weak()).json()["metadata"]["second_look"] is False
    assert upstreams.openai.requests == []


def test_beyond_the_budget_there_is_none(
    started: Callable[..., Service], upstreams: Upstreams
) -> None:
    service = started(DAILY_TOKEN_BUDGET="1")
    assert ask(service, weak()).json()["metadata"]["second_look"] is False
    assert upstreams.openai.requests == []


def test_its_tokens_are_counted(
    started: Callable[..., Service], upstreams: Upstreams, database: str
) -> None:
    def used() -> int:
        rows = query(database, "SELECT sum(tokens)::int FROM book.days")
        return int(rows[0][0] or 0)

    before = used()
    ask(started(), weak())  # the imitated model names nothing, so there is no answer to pay for
    (look,) = looks(upstreams)
    words = sum(len(message["content"].split()) for message in look.json()["messages"])
    assert used() - before >= words > 200


@pytest.mark.parametrize(
    "plan",
    [
        "I cannot help with that.",
        '{"searches": ["delete a conv',
        "[]",
        '{"searches": "delete", "sections": {"1": 2}}',
        '{"searches": [], "sections": [99999, -1, 0, true, null, "x", 1.5]}',
        '{"searches": ["", "   ", "???", 7, null], "sections": []}',
        Reply(PLAN.replace("[1]", "[]") + "}" * 5000),
    ],
)
def test_after_an_unusable_plan_the_first_result_stands(
    started: Callable[..., Service], upstreams: Upstreams, plan: str | Reply
) -> None:
    upstreams.openai.plan = plan
    answer = ask(started(), weak()).json()
    assert answer["metadata"]["found"] == "nothing"
    assert answer["sources"] == []
    assert len(upstreams.openai.requests) == 1


def test_a_server_without_json_schemas_is_asked_without(
    started: Callable[..., Service], upstreams: Upstreams
) -> None:
    upstreams.openai.plan = f"Sure! Here it is:\n```json\n{PLAN}\n```"
    upstreams.openai.lacks = {"response_format"}
    answer = ask(started(LOG_QUESTIONS="0"), weak()).json()
    assert answer["metadata"]["found"] == "answer"
    assert "response_format" not in looks(upstreams)[-1].json()


# ---------------------------------------------------------------- failures


CHUNK = Chunk("1", "Text.", "Page", "Section", "page#section", "page.md", 0)
REQUEST = AnswerRequest("x", [Passage(CHUNK, 0.2)], grade="nearest")


class _Model:
    def __init__(self, reply: str | Exception, seconds: float = 0.0) -> None:
        self._reply, self._seconds = reply, seconds

    async def complete(self, *_: Any) -> Completion:
        await asyncio.sleep(self._seconds)
        if isinstance(self._reply, Exception):
            raise self._reply
        return Completion(self._reply)


class _Meter:
    async def start_look(self, *_: Any) -> bool:
        return True

    def add_usage(self, usage: Usage) -> None: ...

    def stop(self, error: Exception) -> None: ...

    async def calls(self) -> None: ...


@pytest.mark.parametrize(
    ("model", "grade"),
    [
        (_Model(PLAN, seconds=5), "nearest"),
        (_Model(UpstreamError("down", service="openai")), "nearest"),
        (_Model(PLAN), "nearest"),
    ],
)
def test_a_slow_or_failing_model_changes_nothing(
    model: _Model, grade: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wide(*_: Any) -> SearchResult:
        return SearchResult((Passage(CHUNK, 0.2),), "nearest")

    async def fails(*_: Any) -> list[SearchResult]:
        raise UpstreamError("down", service="qdrant")

    monkeypatch.setattr(second_look, "search_wide", wide)
    monkeypatch.setattr(second_look, "search_each", fails)
    monkeypatch.setattr(second_look, "LOOK_SECONDS", 0.1)

    async def chat_model() -> _Model:
        return model

    settings = SimpleNamespace(book_title="", context_passages=10)
    clients = cast(Clients, SimpleNamespace(settings=settings, chat_model=chat_model))
    looked = look_further(clients, cast(UsageMeter, _Meter()), REQUEST, SearchedText("x"))
    assert asyncio.run(looked) == REQUEST
    assert grade == REQUEST.grade
