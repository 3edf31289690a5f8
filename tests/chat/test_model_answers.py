"""What readers get of a chat model that is slow, silent, cut off or not the first choice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.service import Service, serving
from tests.upstreams import Reply, Upstreams, words
from tests.upstreams.http import Response

QUESTION = "How do I delete a conversation?"


@pytest.fixture(scope="module")
def service(
    upstreams: Upstreams, test_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    variables = upstreams.environ() | {
        "DATABASE_URL": test_database,
        "SITE_URL": "https://book.example",
        "CHAT_MODEL": "gpt-6-luna, gpt-5-mini",
        "ADMIN_TOKEN": "the-author-of-the-book",
    }
    with serving(tmp_path_factory.mktemp("models") / "log", **variables) as running:
        ask(running)  # the first question loads the index
        yield running


@pytest.fixture(autouse=True)
def _healed(upstreams: Upstreams) -> Iterator[None]:
    upstreams.heal()
    yield
    upstreams.heal()


def ask(service: Service, **fields: Any) -> dict[str, Any]:
    with service.client() as client:
        response = client.post("/chat", json={"message": QUESTION, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def streamed(service: Service) -> list[tuple[float, str, Any]]:
    """Return the events and comments of an answer, each with its time in seconds."""
    started, found = time.monotonic(), []
    with (
        service.client() as client,
        client.stream(
            "POST",
            "/chat",
            json={"message": QUESTION},
            headers={"Accept": "text/event-stream"},
        ) as response,
    ):
        assert response.status_code == 200
        name = ""
        for line in response.iter_lines():
            at = time.monotonic() - started
            if line.startswith(":"):
                found.append((at, "comment", line))
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((at, name, json.loads(line.removeprefix("data: "))))
    return found


def test_a_stream_begins_before_a_slow_model(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply("Use the button [1].", first_delay=6))
    found = streamed(service)
    names = [name for _, name, _ in found]
    assert names[:3] == ["session", "sources", "status"]
    assert "comment" in names[3:]
    assert names[-1] == "done"
    assert next(data for _, name, data in found if name == "status") == {"state": "loading"}
    assert max(at for at, name, _ in found if name == "status") < 5
    assert found[-1][2]["message"] == "Use the button [1]."


def test_a_fast_model_has_no_status(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script("Use the button [1].")
    assert "status" not in [name for _, name, _ in streamed(service)]


def test_a_reader_who_leaves_a_slow_model_stops_it(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply(words(200), first_delay=4, delay=0.1))
    with (
        service.client() as client,
        client.stream(
            "POST", "/chat", json={"message": QUESTION}, headers={"Accept": "text/event-stream"}
        ) as response,
    ):
        assert any("loading" in line for line in response.iter_lines())
    time.sleep(4)
    sent = upstreams.openai.tokens_sent
    time.sleep(1)
    assert upstreams.openai.tokens_sent == sent < 20


def test_what_was_streamed_of_a_thought_is_replaced(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply(["Let me look [1]. ", "</think>", " Use the button [2]."]))
    done = streamed(service)[-1][2]
    assert done["message"] == "Use the button [1]."
    assert len(done["sources"]) == 1
    with service.client() as client:
        history = client.get(f"/chat/sessions/{done['session_id']}").json()
    assert history["turns"][0]["answer"] == "Use the button [1]."


@pytest.mark.parametrize(
    "text",
    [
        *("[99]", "[1]", " \u200b ", "…", "**"),
        *("\u3164\u115f", "\u2800", "\x00\x1b[0m", "&nbsp;&#8203;&zwnj;", "<br>\n<p></p>"),
        *("[Source 9: T]", "(Source 1)", "<sup>1</sup> ²", "**Answer:**", "</details>"),
        *("```text\n```", "<!-- nothing to say -->", "![](a.png)", "[](https://a.example)"),
    ],
)
def test_an_answer_without_words_is_quoted_instead(
    service: Service, upstreams: Upstreams, text: str
) -> None:
    upstreams.openai.reply = Reply(text)
    answer = ask(service)
    assert answer["metadata"]["answered_by"] == "extractive"
    assert answer["metadata"]["fallback"] == "upstream"
    assert len(answer["message"]) > 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Use it [1]:\n\n```sh\ncurl", "Use it [1]:\n\n```sh\ncurl\n```"),
        ("1. Use it [1]:\n   ~~~~\n   curl", "1. Use it [1]:\n   ~~~~\n   curl\n   ~~~~"),
        ("> Use [1]\n> ```\n> a", "> Use [1]\n> ```\n> a\n> ```"),
        ("Use it [1] <!-- so", "Use it [1] <!-- so -->"),
        ("Use [1]:\n- a\n  - b\n    ~~~\n    c", "Use [1]:\n- a\n  - b\n    ~~~\n    c\n    ~~~"),
        ("Use [1]:\n\n````md\n```\na\n```", "Use [1]:\n\n````md\n```\na\n```\n````"),
        ("Use [1].\n<details>\na", "Use [1].\n<details>\na\n\n</details>"),
        (
            "```html\n<details>\n```\nThe <details> [1], or",
            "```html\n<details>\n```\nThe <details> [1], or",
        ),
        ("Use `<!--` [1], or", "Use `<!--` [1], or"),
        ("Use the button [1], or", "Use the button [1], or"),
    ],
)
def test_a_truncated_answer_says_so_and_closes_what_it_opened(
    service: Service, upstreams: Upstreams, text: str, message: str
) -> None:
    upstreams.openai.script(Reply(text, finish_reason="length"))
    answer = ask(service)
    assert answer["message"] == message
    assert answer["metadata"]["truncated"] is True
    with service.client() as client:
        at = f"/chat/sessions/{answer['session_id']}"
        assert client.get(at).json()["turns"][0]["metadata"]["truncated"] is True
        exported = client.get(f"{at}/export", params={"format": "json"}).json()
        assert exported["turns"][0]["truncated"] is True
        markdown = client.get(f"{at}/export", params={"format": "markdown"}).text
    assert "cut off" in markdown


def test_an_answer_that_a_content_filter_stops_says_so(
    service: Service, upstreams: Upstreams
) -> None:
    upstreams.openai.script(Reply("Use the button [1], or", finish_reason="content_filter"))
    metadata = ask(service)["metadata"]
    assert metadata["finish_reason"] == "content_filter"
    assert metadata["truncated"] is True


def test_code_alone_is_an_answer(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script("```sh\nmake\n```")
    assert ask(service)["metadata"]["fallback"] is None


def test_a_whole_answer_is_not_truncated(service: Service, upstreams: Upstreams) -> None:
    upstreams.openai.script("Use it [1]:\n```\ncurl\n```")
    assert ask(service)["metadata"]["truncated"] is False


def test_the_author_learns_that_another_model_answers(
    service: Service, upstreams: Upstreams
) -> None:
    error = {"message": "The model does not exist", "code": "model_not_found"}
    upstreams.openai.gone = {"gpt-6-luna": Response(404, {"error": error})}
    answer = ask(service)
    assert answer["metadata"]["answered_by"] == "gpt-5-mini"
    assert answer["metadata"]["fallback"] is None
    assert "gpt-6-luna cannot be used, trying gpt-5-mini" in service.log
    with service.client() as client:
        headers = {"Authorization": "Bearer the-author-of-the-book"}
        deep = client.get("/health", params={"deep": True}, headers=headers).json()
        assert deep["openai"] == "ok"
        assert any("gpt-6-luna is not used at the moment" in each for each in deep["warnings"])
        assert client.get("/health", params={"deep": True}).json()["warnings"] == []
        rows = client.get("/admin/warnings", headers=headers).json()["rows"]
        assert [row["warning"] for row in rows] == deep["warnings"]
        sheet = client.get("/admin/warnings", headers=headers, params={"format": "csv"}).text
        assert "gpt-6-luna is not used" in sheet
