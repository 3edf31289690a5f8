"""The limits as readers meet them: real processes, a real PostgreSQL, imitated services."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.adapters.database.postgres import Postgres
from rag.answering.prompt import answer_messages
from rag.chat import admission, answer_stream, pipeline
from rag.chat.question import Question
from rag.conversations import rate_limit_keys
from rag.conversations.rate_limits import Cost, MemoryLimits
from rag.environment import load_settings
from rag.interfaces import Database
from rag.models import AnswerRequest, Chunk, Passage, Turn, Usage
from rag.providers import Clients
from rag.settings import Settings
from tests.support.postgres import new_database, query, using
from tests.support.service import ROOT, Service, serving, within
from tests.upstreams import Reply, Upstreams, words

QUESTION = "How do I delete a conversation?"
SITE = "http://localhost:3000"
NOBODY = "postgresql://reader:hunter2@127.0.0.1:9/book?sslmode=disable"
SLOW = {"RATE_PER_MINUTE": "0.01", "RATE_BURST": "4"}
"""So slow that nothing comes back within a test."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def service(
    upstreams: Upstreams, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("gate") / "log"
    with serving(log, **upstreams.environ(), **SLOW, DATABASE_URL=database) as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture
def reader(service: Service) -> Iterator[httpx.Client]:
    """Someone behind the trusted proxy, from an address of their own."""
    with reading(service, f"203.0.113.{next(_numbers)}") as client:
        yield client


def reading(service: Service, address: str) -> httpx.Client:
    headers = {"X-Forwarded-For": address, "Origin": SITE}
    return httpx.Client(base_url=service.url, timeout=60, headers=headers)


def ask(client: httpx.Client, message: str = "", **fields: Any) -> httpx.Response:
    message = message or QUESTION + "!" * next(_numbers)
    return client.post("/chat", json={"message": message, **fields})


def used(url: str) -> tuple[int, int]:
    """Questions and tokens booked so far."""
    rows = query(url, "SELECT questions::int, tokens::int FROM book.days")
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


def settled(url: str, before: tuple[int, int], most: int) -> int:
    """Tokens booked since `before`, as soon as they are not more than `most`."""
    deadline = time.monotonic() + 10
    while (spent := used(url)[1] - before[1]) > most and time.monotonic() < deadline:
        time.sleep(0.05)
    return spent


def test_over_the_rate_there_is_a_sentence_and_a_time(
    reader: httpx.Client, upstreams: Upstreams
) -> None:
    session = ask(reader).json()["session_id"]
    assert [ask(reader).status_code for _ in range(2)] == [200] * 2
    assert reader.post("/search", json={"query": "delete"}).status_code == 200
    upstreams.heal()
    for refused in (
        ask(reader),
        ask(reader, session_id=session),
        ask(reader, session_id=str(uuid.uuid4())),
        reader.post("/search", json={"query": "delete"}),
        reader.get("/health", params={"deep": True}),
    ):
        problem = refused.json()
        assert refused.status_code == problem["status"] == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert problem["code"] == "rate_limited"
        assert isinstance(problem["detail"], str)
        assert problem["detail"].endswith(".")
        assert 5990 < int(refused.headers["retry-after"]) <= 6000
        assert refused.headers["access-control-allow-origin"] == SITE
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
    # Nothing was paid for, and what costs nothing goes on.
    assert not any(service.requests for service in upstreams.services)
    assert reader.get(f"/chat/sessions/{session}").json()["total"] == 1
    assert reader.get("/health").status_code == 200
    assert reader.delete(f"/chat/sessions/{session}").status_code == 200


def test_ratings_and_downloads_have_a_limit_of_their_own(reader: httpx.Client) -> None:
    """They write to the database, or read much from it, and cost no question."""
    unknown = f"/chat/sessions/{uuid.uuid4()}"
    rated = [
        reader.post(f"{unknown}/turns/1/feedback", json={"rating": 1}).status_code
        for _ in range(admission.CHEAP_LIMITS.burst)
    ]
    assert set(rated) <= {404, 429}
    assert 429 in [reader.get(f"{unknown}/export").status_code for _ in range(100)]
    assert 429 in [
        reader.post(f"{unknown}/turns/1/feedback", json={"rating": 1}).status_code
        for _ in range(20)
    ]
    assert reader.get(unknown).status_code == 404
    assert ask(reader).status_code == 200


def test_retry_after_is_when_the_next_request_passes(reader: httpx.Client, database: str) -> None:
    body = {"query": "delete"}
    codes = [reader.post("/search", json=body).status_code for _ in range(5)]
    assert codes == [200] * 4 + [429]
    wait = int(reader.post("/search", json=body).headers["retry-after"])
    # Time goes by.
    later = "UPDATE book.rates SET free_at = free_at - make_interval(secs => :seconds)"
    query(database, later, seconds=wait - 60)
    refused = reader.post("/search", json=body)
    assert (refused.status_code, 0 < int(refused.headers["retry-after"]) <= 60) == (429, True)
    query(database, later, seconds=60)
    assert [reader.post("/search", json=body).status_code for _ in range(2)] == [200, 429]


def test_a_conversation_has_a_rate_of_its_own(service: Service) -> None:
    with reading(service, "198.51.100.2") as client:
        session = ask(client).json()["session_id"]
    codes = []
    for n in range(5):
        with reading(service, f"198.51.100.{10 + n}") as client:
            codes.append(ask(client, session_id=session).status_code)
    assert codes == [200] * 4 + [429]


def test_who_is_refused_leaves_no_row_behind(reader: httpx.Client, database: str) -> None:
    for _ in range(4):
        assert reader.post("/search", json={"query": "delete"}).status_code == 200
    before = query(database, "SELECT count(*)::int FROM book.rates")
    for _ in range(3):
        assert ask(reader, session_id=str(uuid.uuid4())).status_code == 429
    assert query(database, "SELECT count(*)::int FROM book.rates") == before


def test_only_the_trusted_proxy_is_believed(service: Service) -> None:
    """The proxy appends; whatever a reader has written before that changes nothing."""
    codes = []
    for n in range(5):
        forged = f"192.0.2.{n}, 10.0.0.{n}, 198.51.100.99"
        headers = {"X-Real-IP": f"192.0.2.{n}", "Forwarded": f"for=192.0.2.{n}"}
        with reading(service, forged) as client:
            client.headers.update(headers)
            codes.append(client.post("/search", json={"query": "delete"}).status_code)
    assert codes == [200] * 4 + [429]


def test_the_author_on_the_same_machine_is_not_counted(service: Service) -> None:
    with service.client() as client:
        body = {"query": "delete"}
        assert {client.post("/search", json=body).status_code for _ in range(8)} == {200}


def test_an_address_is_stored_as_a_hash_only(service: Service, database: str) -> None:
    with reading(service, "192.0.2.77") as client:
        assert ask(client).status_code == 200
    rows = "SELECT string_agg(r::text, ' ') FROM book.{} r"
    for table in ("rates", "days", "turns", "sessions"):
        assert "192.0.2.77" not in str(query(database, rows.format(table)))
    assert "192.0.2.77" not in service.log


# ---------------------------------------------------------------- the budget


def test_tokens_are_booked_as_the_model_reports_them(
    reader: httpx.Client, database: str, upstreams: Upstreams
) -> None:
    before = used(database)
    answer = ask(reader).json()
    assert answer["metadata"]["tokens_used"] > 100
    after = used(database)
    assert after == (before[0] + 1, before[1] + answer["metadata"]["tokens_used"])
    follow_up = ask(reader, "and then?", session_id=answer["session_id"]).json()
    assert used(database)[1] > after[1] + follow_up["metadata"]["tokens_used"]  # the rewriting


@pytest.mark.parametrize("service_down", ["openai", "qdrant", "none"])
def test_what_costs_nothing_is_given_back(
    reader: httpx.Client, database: str, upstreams: Upstreams, service_down: str
) -> None:
    before = used(database)
    if service_down == "none":
        assert ask(reader, "Thank you!").json()["sources"] == []
    else:
        getattr(upstreams, service_down).fail(401, times=9)
        assert ask(reader).status_code == (200 if service_down == "openai" else 503)
    assert used(database)[1] == before[1]


def test_an_answer_that_breaks_off_is_paid_for(
    reader: httpx.Client, database: str, upstreams: Upstreams
) -> None:
    before = used(database)
    upstreams.openai.script(Reply("The answer begins [1] but", cut_after=3))
    assert ask(reader).json()["metadata"]["tokens_used"] == 0
    assert 300 < used(database)[1] - before[1] < 4000


def test_a_reader_who_leaves_has_spent_what_was_written(
    reader: httpx.Client, database: str, upstreams: Upstreams
) -> None:
    before = used(database)
    upstreams.openai.script(Reply(words(400), delay=0.05))
    body, headers = {"message": QUESTION}, {"Accept": "text/event-stream"}
    with reader.stream("POST", "/chat", json=body, headers=headers) as response:
        texts = response.iter_text()
        while "event: token" not in next(texts):
            pass
        assert used(database)[1] - before[1] == expected(QUESTION)  # set aside until then
    spent = settled(database, before, expected(QUESTION) - 500)
    assert 300 < spent < expected(QUESTION) - 500


def test_a_reader_who_leaves_before_the_first_word_stops_the_model(
    reader: httpx.Client, database: str, upstreams: Upstreams
) -> None:
    before, upstreams.openai.abandoned = used(database), 0
    upstreams.openai.script(Reply(words(400), first_delay=1.5, delay=0.05))
    body, headers = {"message": QUESTION}, {"Accept": "text/event-stream"}
    with pytest.raises(httpx.ReadTimeout):
        reader.post("/chat", json=body, headers=headers, timeout=0.7)
    spent = settled(database, before, expected(QUESTION) - 500)
    assert 300 < spent < expected(QUESTION) - 500
    assert within(5, lambda: upstreams.openai.abandoned == 1)


def expected(question: str) -> int:
    return admission.estimate_tokens(load_settings({"OPENAI_API_KEY": "key"}), question)


def reranked(upstreams: Upstreams) -> int:
    return sum(request.path == "/v2/rerank" for request in upstreams.cohere.requests)


def test_over_the_budget_the_book_still_answers(
    upstreams: Upstreams, postgres_server: str, tmp_path: Path
) -> None:
    with new_database(postgres_server) as database, ExitStack() as stack:
        variables = {**upstreams.environ(), "DATABASE_URL": database}
        variables |= {"DAILY_TOKEN_BUDGET": str(expected(QUESTION) + 100)}
        variables |= {"DAILY_QUESTION_BUDGET": "2", "RERANK": "rerank-v3.5"}
        service = stack.enter_context(serving(tmp_path / "log", **variables))
        client = stack.enter_context(service.client())
        first = ask(client, QUESTION).json()
        assert first["metadata"]["fallback"] is None
        assert reranked(upstreams) == 1
        spent = expected(QUESTION) - 1000
        query(database, "UPDATE book.days SET tokens = :spent", spent=spent)
        upstreams.heal()
        for session in ("", first["session_id"]):
            answer = ask(client, "and how do I delete it?", session_id=session).json()
            assert answer["metadata"]["fallback"] == "over_budget"
            assert answer["metadata"]["answered_by"] == "extractive"
            assert answer["metadata"]["saved"] is True
        assert answer["session_id"] == first["session_id"]
        assert answer["sources"]
        assert upstreams.openai.requests == []  # not even to rewrite the follow-up
        assert reranked(upstreams) == 0
        assert used(database) == (1, spent)
        for _ in range(2):  # the second search is over the budget of questions
            assert client.post("/search", json={"query": "delete"}).json()["results"]
            assert reranked(upstreams) == 1
        assert used(database) == (2, spent)

        deep = client.get("/health", params={"deep": True}).json()
        assert deep["status"] == "degraded"
        assert "token" in deep["problems"]["budget"]
        assert deep["openai"] == "ok"
        assert [line.get("fallback") for line in service.requests if line["path"] == "/chat"] == [
            None,
            "over_budget",
            "over_budget",
        ]


@pytest.mark.slow
def test_limits_are_exact_over_three_processes(
    upstreams: Upstreams, postgres_server: str, tmp_path: Path
) -> None:
    """200 clients at once: 120 are within the rate, 70 of these within the budget."""
    rules = {"RATE_PER_MINUTE": "0.01", "RATE_BURST": "120", "DAILY_QUESTION_BUDGET": "70"}
    rules |= {"READER_SHARE": "100"}  # all of them are one reader
    with new_database(postgres_server) as database, ExitStack() as stack:
        variables = {**upstreams.environ(), **rules, "DATABASE_URL": database}
        services = [
            stack.enter_context(serving(tmp_path / f"log{n}", **variables)) for n in range(3)
        ]

        async def everybody() -> list[httpx.Response]:
            headers = {"X-Forwarded-For": "203.0.113.200"}
            async with httpx.AsyncClient(timeout=60, headers=headers) as client:
                asking = (
                    client.post(f"{services[n % 3].url}/chat", json={"message": QUESTION})
                    for n in range(200)
                )
                return list(await asyncio.gather(*asking))

        responses = asyncio.run(everybody())
        outcomes = Counter(
            response.json()["metadata"]["fallback"] or "model"
            if response.status_code == 200
            else response.status_code
            for response in responses
        )
        # On a machine that is too busy, an imitated service may be too slow for some: 503.
        assert (outcomes[429], used(database)[0]) == (80, 70), outcomes
        assert outcomes["model"] + outcomes["over_budget"] + outcomes[503] == 120
        assert (outcomes["model"] <= 70, outcomes["over_budget"] <= 50) == (True, True), outcomes
        assert "in memory" not in "".join(service.log for service in services)


def test_without_the_database_a_process_counts_by_itself(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    variables = {**upstreams.environ(), **SLOW, "DATABASE_URL": NOBODY}
    variables |= {"DAILY_TOKEN_BUDGET": str(2 * expected(QUESTION))}
    with serving(tmp_path / "log", **variables) as service:
        with reading(service, "203.0.113.250") as client:
            answers = [ask(client, QUESTION) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 5900
        assert {a.json()["metadata"]["saved"] for a in answers[:4]} == {False}
        assert "limits are counted in memory" in service.log
        assert "hunter2" not in service.log


def test_counting_deletes_what_is_old(reader: httpx.Client, database: str) -> None:
    """Also where nothing is ever saved."""
    assert reader.post("/search", json={"query": "delete"}).status_code == 200
    query(database, "UPDATE book.upkeep SET done_at = now() - interval '2 hours'")
    query(database, "INSERT INTO book.rates VALUES (gen_random_uuid(), now() - interval '2 days')")
    assert reader.post("/search", json={"query": "delete"}).status_code == 200
    old = "SELECT count(*)::int FROM book.rates WHERE free_at < now() - interval '1 day'"
    assert query(database, old) == [(0,)]


class Together(Clients):
    """Its database answers the first statement only when a second one has been asked."""

    def __init__(self, settings: Settings, db: Postgres) -> None:
        super().__init__(settings)
        self.db = db
        self.asked: list[str] = []
        self.second = asyncio.Event()

    async def database(self) -> Database:
        return self

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        if len(self.asked) == 2:
            self.second.set()
        async with asyncio.timeout(20):
            await self.second.wait()
        return await self.db.run(sql, **parameters)


@pytest.mark.parametrize("session_id", ["", "34c641e2-a0e9-49d1-99cd-b1d42cf6a836"])
def test_counting_takes_no_round_trip_of_its_own(
    upstreams: Upstreams, database: str, session_id: str
) -> None:
    """It goes on beside the look-up of the history, or of the question's embedding."""

    async def test(db: Postgres) -> None:
        clients = Together(load_settings(upstreams.environ()), db)
        question = Question(QUESTION, session_id, address="203.0.113.99")
        events: Any = await pipeline.ask(clients, question)
        assert (await answer_stream.collect(events)).metadata["saved"]
        assert events.ag_frame is None  # it has ended, not been left to the garbage collector
        assert sum("book.admit" in sql for sql in clients.asked[:2]) == 1
        assert sum("book.admit" in sql for sql in clients.asked) == 1
        await clients.close()

    using(database, test)


# ---------------------------------------------------------------- the same request again


def test_a_weak_key_shows_no_stranger_a_conversation(
    service: Service, upstreams: Upstreams
) -> None:
    asked = QUESTION + "!" * next(_numbers)

    def answer(address: str, key: str, session: str = "") -> dict[str, Any]:
        with reading(service, address) as client:
            client.headers["Idempotency-Key"] = key
            response: dict[str, Any] = ask(client, asked, session_id=session).json()
            return response

    first = answer("192.0.2.101", "1")
    assert answer("192.0.2.102", "1")["session_id"] != first["session_id"]
    for made_up in ("session_1731000000000_abc", "00000000-0000-4000-8000-000000000000"):
        one, two = answer("192.0.2.103", "1", made_up), answer("192.0.2.104", "1", made_up)
        assert one["session_id"] != two["session_id"]
    # In a conversation, whose id is a secret, any key will do, and from any network.
    known = first["session_id"]
    again = [answer(f"192.0.2.{105 + n}", "1", known)["metadata"]["turn"] for n in range(2)]
    assert again == [2, 2]
    # A random one will do anywhere.
    key = str(uuid.uuid4())
    assert answer("192.0.2.110", key)["session_id"] == answer("192.0.2.111", key)["session_id"]


# ---------------------------------------------------------------- a fair share


def calls(upstreams: Upstreams, path: str = "/v2/embed") -> int:
    return sum(request.path == path for request in upstreams.cohere.requests)


@pytest.fixture
def small(
    upstreams: Upstreams, postgres_server: str, tmp_path: Path
) -> Iterator[Callable[..., tuple[Service, str]]]:
    """Start a service with limits of its own, and return it with its database."""
    with ExitStack() as stack:

        def start(**rules: str) -> tuple[Service, str]:
            url = stack.enter_context(new_database(postgres_server))
            variables = {**upstreams.environ(), "DATABASE_URL": url, **rules}
            return stack.enter_context(serving(tmp_path / "log", **variables)), url

        yield start


Small = Callable[..., tuple[Service, str]]


def test_a_reader_over_their_share_is_quoted_and_others_keep_the_model(small: Small) -> None:
    service, url = small(
        DAILY_TOKEN_BUDGET="200000", READER_SHARE="4", DAILY_STORAGE_BUDGET="99000000"
    )
    with reading(service, "203.0.113.1") as greedy, reading(service, "203.0.113.2") as other:
        answers = [ask(greedy).json()["metadata"] for _ in range(30)]
        causes = [answer["fallback"] for answer in answers]
        assert set(causes) == {None, "over_share"}
        assert causes == sorted(causes, key=lambda cause: cause or "")
        assert answers[-1]["answered_by"] == "extractive"
        assert answers[-1]["saved"]
        assert answers[-1]["notice"].startswith("You have used your share")
        assert answers[0]["notice"] == ""
        assert used(url)[1] <= 8000
        assert ask(other).json()["metadata"]["fallback"] is None


def test_a_share_of_the_default_settings_is_enough_for_a_reader_s_day() -> None:
    """With the tokens and bytes that the handbook tells of a usual question."""
    page = (ROOT / "docs" / "limits.md").read_text()
    told = re.search(r"a share is about (\d+) answers of the chat model", page)
    rows = re.findall(r"^\| (?:an answer|a \[second.*?) \| ([\d,]+) \| (\d+) ", page, re.M)
    first, second = (int(read.replace(",", "")) + int(written) for read, written in rows)
    settings = Settings()
    limits = replace(admission._limits(settings), burst=10_000)
    estimate = admission.estimate_tokens(settings, QUESTION)
    memory, key = MemoryLimits(), rate_limit_keys.client_keys("", "203.0.113.1")
    answers = 0
    while (admitted := memory.admit(key, limits, Cost(1, estimate, 1))).within_budget:
        memory.settle(admitted, Cost(1, first + second * (answers % 2), 1))
        answers += 1
    assert told
    assert answers >= 40
    assert abs(answers - int(told[1])) <= 2


def test_a_conversation_has_a_share_of_its_own(small: Small) -> None:
    service, _ = small(DAILY_TOKEN_BUDGET="400000", READER_SHARE="5")
    session, causes = "", []
    for n in range(30):
        with reading(service, f"203.0.113.{n}") as client:
            answer = ask(client, session_id=session).json()
            session = answer["session_id"]
            causes.append(answer["metadata"]["fallback"])
    assert "over_share" in causes
    with reading(service, "203.0.113.99") as client:
        assert ask(client).json()["metadata"]["fallback"] is None


def test_a_tiny_share_still_allows_a_question(small: Small) -> None:
    service, _ = small(DAILY_TOKEN_BUDGET="20000", READER_SHARE="0.1", DAILY_EMBEDDING_BUDGET="4")
    with reading(service, "203.0.113.1") as client:
        assert ask(client).json()["metadata"]["fallback"] is None


def test_when_the_calls_are_used_up_words_are_looked_for(
    small: Small, upstreams: Upstreams
) -> None:
    service, url = small(DAILY_EMBEDDING_BUDGET="5", READER_SHARE="100")
    upstreams.heal()
    with service.client() as client:
        known = ask(client, QUESTION).json()["metadata"]
        assert known["notice"] == ""
        for n in range(8):
            answer = ask(client, f"{QUESTION} Again: {n}").json()
        assert "searches by meaning" in answer["metadata"]["notice"]
        assert "midnight UTC" in answer["metadata"]["notice"]
        assert answer["metadata"]["fallback"] is None, "the model has tokens left"
        assert answer["sources"]
        assert client.post("/search", json={"query": "delete"}).json()["results"]
        before = calls(upstreams)
        assert before == query(url, "SELECT calls::int FROM book.days")[0][0] <= 5
        assert ask(client, QUESTION).json()["metadata"]["notice"] == "", "its embedding is cached"
        for path, body in (("/chat", {"message": "zyx wvu"}), ("/search", {"query": "zyx wvu"})):
            refused = client.post(path, json=body)
            assert refused.status_code == 429
            assert "midnight UTC" in refused.json()["detail"]
            assert 0 < int(refused.headers["retry-after"]) <= 86400
        assert calls(upstreams) == before
        deep = client.get("/health", params={"deep": True}).json()
        assert deep["status"] in ("ok", "degraded")


def test_embeddings_have_a_share_too(small: Small, upstreams: Upstreams) -> None:
    service, _ = small(DAILY_EMBEDDING_BUDGET="100", READER_SHARE="5")
    upstreams.heal()
    with reading(service, "203.0.113.1") as greedy, reading(service, "203.0.113.2") as other:
        for _ in range(12):
            assert greedy.post("/search", json={"query": f"delete {next(_numbers)}"}).json()
        assert calls(upstreams) <= 5
        before = calls(upstreams)
        assert other.post("/search", json={"query": "delete"}).json()["results"]
        assert calls(upstreams) > before


def test_reranking_counts_as_a_paid_call(small: Small, upstreams: Upstreams) -> None:
    service, url = small(RERANK="rerank-v3.5", DAILY_EMBEDDING_BUDGET="9", READER_SHARE="100")
    upstreams.heal()
    with service.client() as client:
        for _ in range(9):
            assert client.post("/search", json={"query": "delete"}).status_code == 200
    paid = calls(upstreams) + calls(upstreams, "/v2/rerank")
    assert paid == query(url, "SELECT calls::int FROM book.days")[0][0] <= 9


def test_beyond_the_space_answers_are_given_but_not_saved(small: Small) -> None:
    service, url = small(DAILY_STORAGE_BUDGET="200000", READER_SHARE="10")
    with reading(service, "203.0.113.1") as greedy, reading(service, "203.0.113.2") as other:
        answers = [ask(greedy).json() for _ in range(30)]
        saved = [answer["metadata"]["saved"] for answer in answers]
        assert saved == sorted(saved, reverse=True)
        assert answers[-1]["message"]
        assert not saved[-1]
        assert "not saved" in answers[-1]["metadata"]["notice"]
        assert ask(other).json()["metadata"]["saved"]
    ((counted,),) = query(url, "SELECT bytes::int FROM book.days")
    ((size,),) = query(
        url,
        "SELECT sum(octet_length(question) + octet_length(answer) + octet_length(sources::text)"
        " + octet_length(metadata::text))::int FROM book.turns",
    )
    assert size <= counted <= 40_000


def test_comments_count_in_the_space(small: Small) -> None:
    service, url = small(DAILY_STORAGE_BUDGET="800000", READER_SHARE="5")
    with reading(service, "203.0.113.1") as greedy, reading(service, "203.0.113.2") as other:
        session = ask(greedy).json()["session_id"]
        path = f"/chat/sessions/{session}/turns"
        body = {"rating": -1, "comment": "語" * 1000}
        before = query(url, "SELECT bytes::int FROM book.days")[0][0]
        for _ in range(5):
            assert greedy.post(f"{path}/7/feedback", json=body).status_code == 404
        assert query(url, "SELECT bytes::int FROM book.days") == [(before,)]
        statuses = [greedy.post(f"{path}/1/feedback", json=body).status_code for _ in range(15)]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 429}
        refused = greedy.post(f"{path}/1/feedback", json=body)
        assert "not saved" in refused.json()["detail"]
        assert greedy.post(f"{path}/1/feedback", json={"rating": 1}).status_code == 200
        assert other.post(f"{path}/1/feedback", json=body).status_code == 200


def test_a_conversation_that_is_full_asks_for_a_new_one(small: Small, upstreams: Upstreams) -> None:
    service, _ = small(MAX_TURNS="2")
    with service.client() as client:
        session = ask(client).json()["session_id"]
        assert ask(client, session_id=session).json()["metadata"]["saved"]
        upstreams.heal()
        refused = ask(client, session_id=session)
        assert (refused.status_code, refused.json()["code"]) == (422, "conversation_full")
        assert "start a new one" in refused.json()["detail"]
        assert not upstreams.openai.requests
        assert client.get(f"/chat/sessions/{session}").json()["total"] == 2
        assert ask(client).status_code == 200


def test_the_reservation_covers_the_passages_that_are_sent(upstreams: Upstreams) -> None:
    """Passages in a script with many tokens, and text of the reader with more than usual."""
    chunk = Chunk("id", "ሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና። " * 60, "T", "S", "s", "a.md", 0)
    sent = AnswerRequest("qx zj " * 300, [Passage(chunk, 0.9)] * 10, highlighted="q!z#" * 2000)
    real = 10 * len(chunk.text.encode()) * 3 // 4 + 1000 + 4000

    async def test() -> None:
        clients = Clients(load_settings(upstreams.environ()))
        question = Question(sent.question, address="203.0.113.7", highlighted=sent.highlighted)
        meter = admission.UsageMeter(clients, question)
        first = (await meter.admission()).reserved
        assert first.tokens < real
        raised = await meter.reserve(sent, answer_messages(sent))
        assert raised.within_budget
        assert raised.reserved.tokens > real
        await meter.settle()
        await clients.close()

    asyncio.run(test())


def test_the_reservation_covers_thoughts(upstreams: Upstreams) -> None:
    """A model that cannot be asked not to think may use its thoughts' tokens in each reply."""
    passage = Passage(Chunk("id", "Text.", "T", "S", "s", "a.md", 0), 0.9)
    asked = AnswerRequest(QUESTION, [passage])

    async def reserved(model: str, *, follow_up: bool = False) -> tuple[int, int]:
        clients = Clients(load_settings({**upstreams.environ(), "CHAT_MODEL": model}))
        history = [Turn("Before?", "Yes.")] if follow_up else []
        meter = admission.UsageMeter(clients, Question(QUESTION, history=history))
        first = (await meter.admission()).reserved.tokens
        meter.add_usage(Usage(first, 0))  # so that the answer needs a reservation of its own
        raised = (await meter.reserve(asked, answer_messages(asked))).reserved.tokens
        await meter.settle()
        await clients.close()
        return first, raised - first

    first, raised = asyncio.run(reserved("gpt-6-luna"))
    for models in ("o4-mini", "gpt-6-luna, gpt-5-mini"):
        thinking = asyncio.run(reserved(models))
        assert thinking[0] == first + 2000
        assert abs(thinking[1] - raised - 2000) < 50  # the fence's random word varies
    later = asyncio.run(reserved("gpt-6-luna", follow_up=True))[0]
    assert asyncio.run(reserved("o4-mini", follow_up=True))[0] == later + 4000
