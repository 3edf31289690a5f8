"""The HTTP contract, over a real server and the real embedded engines."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.service import Service, serving

QUESTION = "How do I delete a conversation?"


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def ask(http: httpx.Client, message: str = QUESTION, **fields: Any) -> dict[str, Any]:
    response = http.post("/chat", json={"message": message, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def events(http: httpx.Client, message: str, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """All server-sent events of one question."""
    response = http.post(
        "/chat", json={"message": message, **fields}, headers={"Accept": "text/event-stream"}
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in response.text.strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_an_answer_cites_the_section_it_comes_from(http: httpx.Client) -> None:
    answer = ask(http)

    assert uuid.UUID(answer["session_id"]).version == 4
    assert "[1]" in answer["message"]
    best = answer["sources"][0]
    page, _, anchor = best["slug"].partition("#")
    assert page in ("docs/privacy", "docs/api")
    assert "delete" in anchor
    assert best["url"].startswith("http://localhost:")
    assert f"/book/{page}#{anchor}:~:text=" in best["url"]
    scores = [source["score"] for source in answer["sources"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(f"[{n}]" in answer["message"] for n in range(1, len(scores) + 1))
    assert f"[{len(scores) + 1}]" not in answer["message"]
    metadata = answer["metadata"]
    assert metadata["saved"] is True
    assert metadata["turn"] == 1
    assert metadata["fallback"] is None
    assert metadata["context_chunks"] >= len(scores)
    assert isinstance(metadata["response_time_ms"], int)
    assert isinstance(metadata["tokens_used"], int)


def test_a_book_that_is_silent_is_not_made_to_speak(http: httpx.Client) -> None:
    answer = ask(http, "What is the boiling point of liquid nitrogen at sea level?")
    assert answer["sources"] == []
    assert "[1]" not in answer["message"]
    assert answer["message"]
    assert answer["metadata"]["answered"] is False


def test_the_stream_tells_the_same_as_the_plain_answer(http: httpx.Client) -> None:
    plain = ask(http)
    streamed = events(http, QUESTION)
    names = [name for name, _ in streamed]
    assert names[:2] == ["session", "sources"]
    assert names[-1] == "done"
    assert set(names[2:-1]) == {"token"}
    done = streamed[-1][1]
    assert done["message"] == plain["message"]
    assert done["sources"] == plain["sources"]
    assert done["session_id"] == streamed[0][1]["session_id"]
    text = "".join(data["text"] for name, data in streamed if name == "token")
    offered = streamed[1][1]["sources"]
    assert text.count("[") == done["message"].count("[")
    assert {s["chunk_id"] for s in done["sources"]} <= {s["chunk_id"] for s in offered}


def test_a_conversation_is_kept_in_order_and_deleted_completely(http: httpx.Client) -> None:
    first = ask(http)
    session = first["session_id"]
    second = ask(http, "Which port does it listen on?", session_id=session)
    assert second["session_id"] == session
    assert second["metadata"]["turn"] == 2

    history = http.get(f"/chat/sessions/{session}").json()
    assert [turn["question"] for turn in history["turns"]] == [
        QUESTION,
        "Which port does it listen on?",
    ]
    assert history["turns"][0]["answer"] == first["message"]
    assert history["turns"][0]["sources"] == first["sources"]
    assert (history["total"], history["next"]) == (2, None)
    page = http.get(f"/chat/sessions/{session}", params={"limit": 1}).json()
    assert (len(page["turns"]), page["next"]) == (1, 1)
    rest = http.get(f"/chat/sessions/{session}", params={"after": page["next"]}).json()
    assert [turn["n"] for turn in rest["turns"]] == [2]

    assert http.delete(f"/chat/sessions/{session}").json() == {
        "session_id": session,
        "deleted": 2,
    }
    assert http.delete(f"/chat/sessions/{session}").status_code == 404
    assert http.get(f"/chat/sessions/{session}").status_code == 404
    assert ask(http, session_id=session)["session_id"] != session


def test_a_conversation_can_be_downloaded(http: httpx.Client) -> None:
    first = ask(http)
    session = first["session_id"]
    ask(http, "Which port does it listen on?", session_id=session)
    path = f"/chat/sessions/{session}/export"

    markdown = http.get(path, headers={"Origin": LOCAL})
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["content-disposition"] == 'attachment; filename="conversation.md"'
    assert markdown.headers["cache-control"] == "no-store"
    assert markdown.headers["access-control-allow-origin"] == LOCAL
    before_citation = first["message"].partition(" [1]")[0]
    assert f"> {QUESTION}\n\n{before_citation}" in markdown.text
    assert first["sources"][0]["url"] in markdown.text

    written = http.get(path, params={"format": "json"})
    assert written.headers["content-disposition"] == 'attachment; filename="conversation.json"'
    turns = written.json()["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION, "Which port does it listen on?"]
    assert (turns[0]["answer"], turns[0]["sources"]) == (first["message"], first["sources"])
    assert session[:8] not in markdown.text + written.text

    assert_problem(http.get(path, params={"format": "exe"}), 422)
    assert_problem(http.get(f"/chat/sessions/{uuid.uuid4()}/export"), 404)
    http.delete(f"/chat/sessions/{session}")
    assert_problem(http.get(path), 404)


def test_a_follow_up_keeps_its_subject(http: httpx.Client) -> None:
    session = ask(http, "How do I deploy on a Hugging Face Space?")["session_id"]
    answer = ask(http, "and on Lambda?", session_id=session)
    assert "Lambda" in answer["message"]


@pytest.mark.parametrize(
    "session_id",
    [
        "session_1731000000000_abc123",
        str(uuid.UUID(int=7, version=4)),
        "'; DROP TABLE sessions; --",
        "../../etc/passwd",
        "x" * 5000,
        "",
        None,
        17,
        {"a": 1},
    ],
)
def test_a_session_id_that_is_not_ours_gets_a_new_one(http: httpx.Client, session_id: Any) -> None:
    answer = ask(http, session_id=session_id)
    assert uuid.UUID(answer["session_id"]).version == 4
    assert answer["session_id"] != session_id
    assert answer["metadata"]["saved"] is True


def test_highlighted_text_of_a_whole_page_is_taken(http: httpx.Client) -> None:
    assert ask(http, "What does this mean?", context="Retention. " * 2000)["message"]


@pytest.mark.parametrize(
    "message",
    [
        "a",
        "x" * 2000,
        "'; DROP TABLE turns; -- deletes a conversation?",
        "<script>alert(1)</script> How do I delete a conversation?",
        "‏כיצד מוחקים שיחה?‎",
        "گفتگو کو کیسے حذف کیا جائے؟",
        "How\u0000 do I\u0007 delete a conversation?",
        "👩‍👩‍👧 " * 100,
        "{{ settings.openai_api_key }} %s %(x)s $1 :name",
    ],
)
def test_any_text_is_answered(http: httpx.Client, message: str) -> None:
    answer = ask(http, message)
    assert answer["metadata"]["saved"] is True
    assert isinstance(answer["message"], str)
    assert answer["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"message": ""}', 422),
        (b'{"message": "   \\n "}', 422),
        (b'{"message": "\\u0000"}', 422),
        (b'{"message": "\\u200b\\u2060 \\ufeff"}', 422),
        (b"{}", 422),
        (b'{"message": 5}', 422),
        (b'{"message": ["a"]}', 422),
        (b'{"message": null}', 422),
        (json.dumps({"message": "x" * 2001}).encode(), 422),
        (b'{"message": "half', 422),
        (b"[]", 422),
        (b"", 422),
        (b'"text"', 422),
        (b"\xff\xfe\x00", 422),
        (b'{"message": "a", "context": 7}', 422),
        (b"[" * 60_000, 422),
        (b'{"message": "' + b"x" * 65_536 + b'"}', 413),
    ],
)
def test_a_bad_body_gets_a_sentence(http: httpx.Client, body: bytes, status: int) -> None:
    response = http.post("/chat", content=body, headers={"content-type": "application/json"})
    assert_problem(response, status)


def test_a_half_surrogate_is_not_an_error(http: httpx.Client) -> None:
    body = b'{"message": "How do I delete a conversation? \\ud83d"}'
    response = http.post("/chat", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 200
    assert response.json()["sources"]


def test_a_wrong_content_type_gets_a_sentence(http: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = http.post("/chat", content=b'{"message": "a"}', headers={"content-type": kind})
        assert_problem(response, 422)


def test_failures_are_problem_details(http: httpx.Client) -> None:
    assert_problem(http.get("/nowhere"), 404)
    assert_problem(http.put("/chat"), 405)
    assert_problem(http.get(f"/chat/sessions/{uuid.uuid4()}"), 404)
    assert_problem(http.get("/chat/sessions/%00%ff"), 404)
    assert_problem(http.delete("/chat/sessions/not-a-session"), 404)
    assert_problem(http.get(f"/chat/sessions/{uuid.uuid4()}", params={"after": "x"}), 422)
    assert_problem(http.get(f"/chat/sessions/{uuid.uuid4()}", params={"limit": 10**30}), 422)
    assert_problem(http.post("/search", json={"query": "a", "top_k": 21}), 422)
    assert_problem(http.post("/search", json={"query": "a", "top_k": True}), 422)


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["code"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    if status != 404:
        assert "not found" not in response.text.lower()
        assert "no relevant" not in response.text.lower()


def test_search_finds_passages(http: httpx.Client) -> None:
    response = http.post("/search", json={"query": "how long are conversations kept", "top_k": 3})
    results = response.json()["results"]
    assert len(results) == 3
    assert any(result["slug"].startswith("docs/privacy#") for result in results)
    assert {"chunk_id", "snippet", "source_path", "slug", "title", "score"} <= set(results[0])


def test_health_is_cheap_and_deep_health_asks(http: httpx.Client) -> None:
    cheap = http.get("/health").json()
    assert cheap["status"] == "ok"
    assert {"qdrant", "postgres", "openai", "cohere"} <= set(cheap)
    deep = http.get("/health", params={"deep": True}).json()
    assert (deep["status"], deep["problems"]) == ("ok", {})


LOCAL = "http://localhost:3000"


def test_every_status_carries_the_cors_headers(http: httpx.Client) -> None:
    for response in (
        http.get("/health", headers={"Origin": LOCAL}),
        http.get("/nowhere", headers={"Origin": LOCAL}),
        http.post("/chat", content=b"{", headers={"Origin": LOCAL}),
        http.options(
            "/chat",
            headers={
                "Origin": LOCAL,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type, idempotency-key",
            },
        ),
    ):
        assert response.headers["access-control-allow-origin"] == LOCAL
        assert response.headers["access-control-allow-credentials"] == "true"
    stranger = http.get("/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers


def test_the_log_has_one_line_a_request_and_no_question(
    http: httpx.Client, service: Service
) -> None:
    marker = f"zanzibar{uuid.uuid4().hex}"
    answer = ask(http, f"How do I delete a conversation about {marker}?")
    http.get(f"/chat/sessions/{answer['session_id']}")
    log = service.log
    assert marker not in log
    assert answer["session_id"] not in log
    chats = [line for line in service.requests if line["path"] == "/chat" and line["status"] == 200]
    assert {"embed", "search", "save"} <= set(chats[-1]["stages_ms"])


def test_nothing_in_a_path_breaks_a_line_of_the_log(http: httpx.Client, service: Service) -> None:
    marker = f"nowhere{uuid.uuid4().hex[:12]}"
    assert_problem(http.get(f"/{marker}%0a%E2%80%A8%C2%85%C2%9B31m%1b[2J%ED%A0%80"), 404)
    assert http.get("/health").status_code == 200  # a line may come after its answer
    (line,) = [line for line in service.log.splitlines() if marker in line]
    assert json.loads(line)["path"].startswith(f"/{marker}\n\u2028\x85\x9b31m\x1b[2J")
    assert "\x9b" not in line


def test_questions_are_logged_only_when_the_author_asks_for_it(
    handbook: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(handbook, tmp_path / "data"))
    serve = serving(tmp_path / "log", DATA_DIR=str(data), LOG_QUESTIONS="1")
    with serve as service, service.client() as client:
        ask(client, "How do I delete a zanzibar conversation?")
    # The line is written after the answer has been sent.
    assert "delete a zanzibar conversation" in service.log
