"""A client that leaves, whichever way it asked: the model stops, what it used is charged."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rag.chat import admission
from rag.environment import load_settings
from tests.support.postgres import new_database, query
from tests.support.service import Service, serving, within
from tests.upstreams import Reply, Upstreams, words

QUESTION = "How do I delete a conversation?"
ACCEPT = {"plain": "application/json", "streamed": "text/event-stream"}
WRITING = Reply(words(400), delay=0.05)
THINKING = Reply(words(400), first_delay=30)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def service(
    upstreams: Upstreams, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("disconnect") / "log"
    with serving(log, **upstreams.environ(), DATABASE_URL=database) as running:
        yield running
        assert "Traceback" not in running.log


def ask(service: Service, how: str = "plain", *, seconds: float = 60, **fields: Any) -> Any:
    """Ask something new, and leave after so many seconds."""
    body = {"message": QUESTION + "!" * next(_numbers), **fields}
    with httpx.Client(base_url=service.url, timeout=seconds) as client:
        return client.post("/chat", json=body, headers={"Accept": ACCEPT[how]}).json()


def leave(service: Service, how: str, **fields: Any) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask(service, how, seconds=0.8, **fields)


def tokens(url: str) -> int:
    return int(query(url, "SELECT coalesce(sum(tokens), 0)::int FROM book.days")[0][0])


def turns(url: str) -> int:
    return int(query(url, "SELECT count(*)::int FROM book.turns")[0][0])


def reserved() -> int:
    return admission.estimate_tokens(load_settings({"OPENAI_API_KEY": "key"}), QUESTION)


@pytest.mark.parametrize(
    ("how", "reply"),
    [("plain", WRITING), ("plain", THINKING), ("streamed", THINKING)],
    ids=["while it writes", "before the first word", "before the stream begins"],
)
def test_the_model_is_stopped_and_the_prompt_is_charged(
    service: Service, upstreams: Upstreams, database: str, how: str, reply: Reply
) -> None:
    assert ask(service)["metadata"]["saved"]  # the imports are done, the tables are there
    before, kept = tokens(database), turns(database)
    upstreams.openai.abandoned, upstreams.openai.tokens_sent = 0, 0
    upstreams.openai.script(reply)
    leave(service, how)
    assert within(5, lambda: upstreams.openai.abandoned == 1)
    written = upstreams.openai.tokens_sent
    assert written < 40
    assert within(5, lambda: 300 < tokens(database) - before < reserved() - 500)
    time.sleep(0.3)
    assert turns(database) == kept
    assert upstreams.openai.tokens_sent == written
    assert within(2, lambda: service.requests[-1]["status"] == 499)


def test_nothing_is_asked_of_the_model_for_a_client_that_left_during_the_search(
    service: Service, upstreams: Upstreams, database: str
) -> None:
    ask(service)
    before, kept = tokens(database), turns(database)
    upstreams.heal()
    upstreams.cohere.latency = 1.5
    leave(service, "plain")
    time.sleep(1.5)
    assert upstreams.openai.requests == []
    assert (tokens(database), turns(database)) == (before, kept)


def test_a_follow_up_that_is_being_rewritten_is_charged(
    service: Service, upstreams: Upstreams, database: str
) -> None:
    session = ask(service)["session_id"]
    before = tokens(database)
    upstreams.heal()
    upstreams.openai.fail("hang", times=9)
    upstreams.openai.abandoned = 0
    leave(service, "plain", message="and then?", session_id=session)
    assert within(5, lambda: upstreams.openai.abandoned == 1)
    assert within(5, lambda: 50 < tokens(database) - before < reserved() - 500)
    upstreams.heal()
    again = ask(service, message="and then?", session_id=session)
    assert again["metadata"]["turn"] == 2


def test_the_same_request_again_is_a_turn_of_its_own(
    service: Service, upstreams: Upstreams, database: str
) -> None:
    """What was interrupted has left nothing behind that its repetition could stumble over."""
    key, question = "9b2f62a2-7a0c-4f5e-9b6c-3a2f1f0d7c11", "How do I delete it all?"
    upstreams.openai.script(WRITING)
    with (
        httpx.Client(base_url=service.url, timeout=0.8) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.post("/chat", json={"message": question}, headers={"Idempotency-Key": key})
    with service.client() as client:
        answer = client.post("/chat", json={"message": question}, headers={"Idempotency-Key": key})
    assert answer.json()["metadata"]["turn"] == 1
    kept = query(database, "SELECT answer FROM book.turns WHERE question = :q", q=question)
    assert [row[0] for row in kept] == [answer.json()["message"]]
