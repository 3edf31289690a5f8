"""The production path: the real SDKs against imitated services, a real PostgreSQL, real HTTP."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.crowd import UNLIMITED
from tests.support.service import Service, serving
from tests.upstreams import Reply, Upstreams, sections, words

QUESTION = "How do I delete a conversation?"
SITE = "https://book.example"
_asked = itertools.count(1)


@pytest.fixture(scope="module")
def production(
    upstreams: Upstreams, test_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("production") / "log"
    variables = upstreams.environ() | {
        "DATABASE_URL": test_database,
        "SITE_URL": SITE,
        "SPACE_ID": "author/book",  # a host: nothing embedded stands in for anything
        "DEADLINE_SECONDS": "9",
        **UNLIMITED,  # all tests are one reader
    }
    with serving(log, **variables) as running:
        for _ in range(10):  # on a starved machine, importing alone may take all of the 9 s
            if (first := post(running, QUESTION)).status_code != 503:
                break
        assert first.json()["sources"]
        yield running
        assert "sk-openai" not in running.log


@pytest.fixture
def http(production: Service) -> Iterator[httpx.Client]:
    with production.client() as client:
        yield client


def post(service: Service, message: str, **fields: Any) -> httpx.Response:
    with service.client() as client:
        return client.post("/chat", json={"message": message, **fields})


def ask(service: Service, message: str, **fields: Any) -> dict[str, Any]:
    response = post(service, message, **fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def fresh() -> str:
    """A question that no test has asked to the letter, so that nothing about it is cached."""
    return QUESTION + "!" * next(_asked)


def test_the_model_answers_from_numbered_passages(
    production: Service, upstreams: Upstreams
) -> None:
    upstreams.openai.script("Use the button [2], or a request [1, 2]. See also [19].")
    answer = ask(production, fresh())
    assert answer["message"] == "Use the button [2], or a request [1][2]. See also."
    assert [source["url"].startswith(SITE) for source in answer["sources"]] == [True, True]
    assert answer["metadata"]["answered_by"] == "gpt-6-luna"
    assert answer["metadata"]["tokens_used"] > 0
    assert answer["metadata"]["saved"] is True


def test_citations_are_numbered_by_falling_score_without_gaps(
    production: Service, upstreams: Upstreams
) -> None:
    upstreams.openai.script("First [4], then [2].")
    answer = ask(production, fresh())
    assert answer["message"] == "First [2], then [1]."
    scores = [source["score"] for source in answer["sources"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_a_model_that_says_the_book_is_silent_makes_the_answer_nothing(
    production: Service, upstreams: Upstreams
) -> None:
    upstreams.openai.script("The book does not say anything about that.")
    answer = ask(production, fresh())
    assert answer["message"] == "The book does not say anything about that."
    assert answer["sources"] == answer["related"] == []
    assert answer["metadata"]["found"] == "nothing"
    assert answer["metadata"]["answered"] is False


def test_an_answer_that_cites_nothing_has_the_passages_that_carry_it_as_sources(
    production: Service, upstreams: Upstreams
) -> None:
    with production.client() as http:
        found = http.post("/search", json={"query": QUESTION}).json()["results"][0]
    said = max(re.split(r"(?<=[.!?])\s+", found["text"]), key=len)
    upstreams.openai.script(said)
    answer = ask(production, fresh())
    assert answer["metadata"]["found"] == "answer"
    assert found["chunk_id"] in {source["chunk_id"] for source in answer["sources"]}


def test_a_follow_up_is_rewritten_and_searched_for_standalone(
    production: Service, upstreams: Upstreams
) -> None:
    session = ask(production, QUESTION)["session_id"]
    upstreams.openai.requests.clear()
    answer = ask(production, "and how long is it kept otherwise?", session_id=session)
    assert answer["metadata"]["turn"] == 2
    rewriting, *looks, answering = upstreams.openai.requests
    assert all("HEADINGS" in sections(look) for look in looks)
    assert QUESTION in json.dumps(rewriting.json())
    shown = sections(answering)
    assert any("and how long" in text for text in shown.values())


def test_a_question_is_embedded_once_and_forgotten_with_its_conversation(
    production: Service, upstreams: Upstreams, http: httpx.Client
) -> None:
    question = fresh()
    upstreams.cohere.requests.clear()
    first, second = ask(production, question), ask(production, question)
    assert len(upstreams.cohere.requests) == 1
    assert upstreams.cohere.requests[0].json()["input_type"] == "search_query"
    for answer in (first, second):
        assert http.delete(f"/chat/sessions/{answer['session_id']}").status_code == 200
    ask(production, question)
    assert len(upstreams.cohere.requests) == 2


def test_a_repeated_request_is_answered_from_the_history(
    production: Service, upstreams: Upstreams, http: httpx.Client
) -> None:
    body, headers = {"message": fresh()}, {"Idempotency-Key": str(uuid.uuid4())}
    first = http.post("/chat", json=body, headers=headers).json()
    upstreams.openai.requests.clear()
    again = http.post("/chat", json=body, headers=headers).json()
    assert again["session_id"] == first["session_id"]
    assert (again["message"], again["sources"]) == (first["message"], first["sources"])
    assert upstreams.openai.requests == []


def test_nothing_relevant_is_not_answered(production: Service, upstreams: Upstreams) -> None:
    """The model is asked where to look further, and names nothing."""
    upstreams.openai.requests.clear()
    answer = ask(production, f"zyx{uuid.uuid4().hex} wvu{uuid.uuid4().hex}")
    assert answer["sources"] == []
    assert len(upstreams.openai.requests) == 1
    assert "HEADINGS" in sections(upstreams.openai.requests[0])


def test_thanks_cost_nothing(production: Service, upstreams: Upstreams) -> None:
    session = ask(production, QUESTION)["session_id"]
    upstreams.openai.requests.clear()
    upstreams.cohere.requests.clear()
    answer = ask(production, "Thanks a lot!", session_id=session)
    assert answer["message"].startswith("You are welcome.")
    assert answer["metadata"]["turn"] == 2
    assert upstreams.openai.requests == []
    assert upstreams.cohere.requests == []


def test_tokens_stream_as_they_come(production: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply("one two three four five six [1].", delay=0.15))
    with (
        production.client() as client,
        client.stream(
            "POST",
            "/chat",
            json={"message": fresh()},
            headers={"Accept": "text/event-stream"},
        ) as response,
    ):
        assert response.headers["x-accel-buffering"] == "no"
        blocks = "".join(response.iter_text()).strip().split("\n\n")
    tokens = [block for block in blocks if block.startswith("event: token")]
    assert len(tokens) >= 4
    assert blocks[-1].startswith("event: done")


def test_when_the_reader_leaves_the_model_is_stopped(
    production: Service, upstreams: Upstreams
) -> None:
    upstreams.openai.script(Reply(words(400), delay=0.05))
    sent, upstreams.openai.abandoned = upstreams.openai.tokens_sent, 0
    with (
        production.client() as client,
        client.stream(
            "POST",
            "/chat",
            json={"message": fresh()},
            headers={"Accept": "text/event-stream"},
        ) as response,
    ):
        for text in response.iter_text():
            if "event: token" in text:
                break
    deadline = time.monotonic() + 5
    while not upstreams.openai.abandoned and time.monotonic() < deadline:
        time.sleep(0.05)
    assert upstreams.openai.abandoned
    assert upstreams.openai.tokens_sent - sent < 100


@pytest.mark.parametrize("service", ["cohere", "qdrant", "openai"])
@pytest.mark.parametrize("fault", [503, "reset"])
def test_one_failure_is_tried_again(
    production: Service, upstreams: Upstreams, service: str, fault: Any
) -> None:
    getattr(upstreams, service).fail(fault, times=1)
    answer = ask(production, fresh())
    assert answer["metadata"]["fallback"] is None
    assert answer["sources"]


def test_without_a_database_the_answer_is_not_saved(upstreams: Upstreams, tmp_path: Path) -> None:
    variables = upstreams.environ() | {
        "DATABASE_URL": "postgresql://reader:hunter2@127.0.0.1:9/book?sslmode=disable",
        "SITE_URL": SITE,
        "SPACE_ID": "author/book",
    }
    with serving(tmp_path / "log", **variables) as service, service.client() as client:
        answer = ask(service, QUESTION)
        assert answer["metadata"]["saved"] is False
        assert answer["sources"]
        assert client.get(f"/chat/sessions/{answer['session_id']}").status_code == 503
        known = ask(service, QUESTION, session_id=answer["session_id"])
        assert known["session_id"] == answer["session_id"]
        deep = client.get("/health", params={"deep": True}).json()
        assert deep["status"] == "degraded"
        assert deep["postgres"] == "down"
        assert list(deep["problems"]) == ["postgres"]
        assert "hunter2" not in service.log + json.dumps(deep)


def test_health_asks_each_service_only_when_told(
    production: Service, upstreams: Upstreams, http: httpx.Client
) -> None:
    for service in upstreams.services:
        service.forget()
    assert http.get("/health").json()["openai"] == "configured"
    assert not any(service.requests for service in upstreams.services)
    deep = http.get("/health", params={"deep": True}).json()
    names = ("qdrant", "postgres", "openai", "cohere")
    assert [deep[name] for name in names] == ["ok"] * 4
    assert all(service.requests or service.upkeep for service in upstreams.services)
    assert deep["problems"] == {}


def test_a_conversation_moves_between_processes(
    upstreams: Upstreams, test_database: str, tmp_path: Path
) -> None:
    variables = upstreams.environ() | {"DATABASE_URL": test_database, "WEB_CONCURRENCY": "2"}
    with serving(tmp_path / "log", **variables) as service:
        workers = {
            child.pid
            for child in psutil.Process(service.process.pid).children()
            if "resource_tracker" not in " ".join(child.cmdline())
        }
        assert len(workers) == 2
        answer = ask(service, fresh())  # each `ask` is a new connection, for any process to take
        for n in range(2, 8):
            answer = ask(service, fresh(), session_id=answer["session_id"])
            assert answer["metadata"]["turn"] == n
        with service.client() as client:
            history = client.get(f"/chat/sessions/{answer['session_id']}").json()
    assert [turn["n"] for turn in history["turns"]] == list(range(1, 8))


def test_embedded_engines_serve_one_process(handbook: Path, tmp_path: Path) -> None:
    data = shutil.copytree(handbook, tmp_path / "data")
    with serving(tmp_path / "log", DATA_DIR=str(data), WEB_CONCURRENCY="2") as service:
        assert "WEB_CONCURRENCY is not used" in service.log
        assert ask(service, QUESTION)["metadata"]["saved"]
