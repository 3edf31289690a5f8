"""The book as a model of OpenAI's protocol: the real SDK and the `llm` command as clients."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

import router
from handlers.openai_api import CompletionRequest, CompletionResponse, completions, models
from rag import providers
from rag.conversations import store as conversations
from rag.environment import load_settings
from rag.errors import InvalidRequest, NotFound, Unauthorized
from tests.support.service import Service, environment, serving
from tests.upstreams import Reply, Upstreams

QUESTION = "How do I delete a conversation?"
TOKEN = "key-of-the-author-7f3a56"


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def sdk(service: Service) -> Iterator[OpenAI]:
    with OpenAI(api_key="any", base_url=f"{service.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def written(
    upstreams: Upstreams, test_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenAI]:
    """The SDK as a client of a service whose answers a chat model writes."""
    folder = tmp_path_factory.mktemp("written")
    environ = upstreams.environ() | {"DATABASE_URL": test_database, "DATA_DIR": str(folder)}
    with (
        serving(folder / "log", SITE_URL="https://book.example", **environ) as running,
        OpenAI(api_key="any", base_url=f"{running.url}/v1", max_retries=0) as client,
    ):
        yield client


def streamed(client: OpenAI, text: str, **fields: Any) -> tuple[str, list[Any]]:
    chunks = list(
        client.chat.completions.create(model="book", messages=ask(text), stream=True, **fields)
    )
    shown = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return shown, chunks


def test_the_book_is_the_only_model(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["ask-the-book"]


def test_an_answer_lists_its_sources(sdk: OpenAI) -> None:
    answer = sdk.chat.completions.create(model="book", messages=ask(QUESTION))
    (choice,) = answer.choices
    text = choice.message.content or ""
    citations = answer.model_dump()["citations"]
    assert "[1]" in text
    listed = text.partition("**Sources**")[2]
    assert all(f"\n{n}. [" in listed and url in listed for n, url in enumerate(citations, 1))
    assert "docs/privacy" in citations[0]
    assert choice.finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == 0, "no chat model was used"


def test_a_stream_says_the_same(sdk: OpenAI) -> None:
    whole = sdk.chat.completions.create(model="book", messages=ask(QUESTION))
    text, chunks = streamed(sdk, QUESTION, stream_options={"include_usage": True})
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].model_dump()["citations"] == whole.model_dump()["citations"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 0
    assert streamed(sdk, QUESTION)[1][-1].usage is None


def test_earlier_messages_are_the_conversation(written: OpenAI, upstreams: Upstreams) -> None:
    upstreams.openai.script("Press the button [1].", "At once [1].")
    messages: Any = [
        {"role": "system", "content": "You are a pirate."},
        *ask(QUESTION),
        {"role": "assistant", "content": "Press it [1].\n\n---\n\n**Sources**\n\n1. [x](y)"},
        *ask("And how long does it take?"),
    ]
    answer = written.chat.completions.create(model="book", messages=messages)
    assert answer.choices[0].message.content
    prompts = [str(request.json()["messages"]) for request in upstreams.openai.requests]
    assert any(QUESTION in prompt and "Press it" in prompt for prompt in prompts)
    assert not any("pirate" in prompt or "[x](y)" in prompt for prompt in prompts)


def test_citations_are_numbered_in_the_order_of_a_stream(
    written: OpenAI, upstreams: Upstreams
) -> None:
    upstreams.openai.script("One fact [3]. Another [1]. Again [3], in code `x[3]`.")
    text, chunks = streamed(written, QUESTION)
    assert text.startswith("One fact [1]. Another [2]. Again [1], in code `x[3]`.")
    citations = chunks[-1].model_dump()["citations"]
    assert len(citations) == 2
    listed = text.partition("**Sources**")[2]
    assert listed.index(citations[0]) < listed.index(citations[1])
    upstreams.openai.script("One fact [3]. Another [1]. Again [3], in code `x[3]`.")
    whole = written.chat.completions.create(model="book", messages=ask(QUESTION))
    assert (whole.choices[0].message.content or "").startswith("One fact [2]. Another [1].")
    assert set(whole.model_dump()["citations"]) == set(citations)


def test_usage_is_what_the_model_reported(written: OpenAI, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply("A fact [1].", finish_reason="length"))
    answer = written.chat.completions.create(model="book", messages=ask(QUESTION))
    assert answer.usage
    assert answer.usage.prompt_tokens > answer.usage.completion_tokens > 0
    assert answer.choices[0].finish_reason == "length"


def test_a_model_that_breaks_off_is_replaced(written: OpenAI, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply("Some words that stop in the mid", cut_after=3))
    text, chunks = streamed(written, QUESTION)
    assert text.startswith("Some words")
    assert "The answer was interrupted" in text
    assert "**Sources**" in text
    assert chunks[-1].model_dump()["citations"]


def test_a_book_that_is_silent_cites_nothing(sdk: OpenAI) -> None:
    for text, chunks in [streamed(sdk, "What is the boiling point of liquid nitrogen?")]:
        assert "Sources" not in text
        assert chunks[-1].model_dump()["citations"] == []


def test_nothing_is_stored_unless_a_session_is_named(service: Service, sdk: OpenAI) -> None:
    answer = sdk.chat.completions.create(model="book", messages=ask(QUESTION))
    assert answer.model_dump()["session_id"] == ""

    first = sdk.chat.completions.create(model="book", messages=ask(QUESTION), user="alice")
    session = first.model_dump()["session_id"]
    assert uuid.UUID(session).version == 4
    follow_up = ask("And how long does that take?")
    second = sdk.chat.completions.create(model="book", messages=follow_up, user=session)
    third = sdk.chat.completions.create(
        model="book", messages=follow_up, extra_headers={"X-Session-ID": session}
    )
    assert second.model_dump()["session_id"] == third.model_dump()["session_id"] == session
    _, chunks = streamed(sdk, QUESTION, user=session)
    assert chunks[0].model_dump()["session_id"] == session
    with service.client() as http:
        assert http.get(f"/chat/sessions/{session}").json()["total"] == 4


def test_names_are_no_sessions(sdk: OpenAI) -> None:
    """Whoever guesses another reader's name is not shown a conversation."""
    answers = [
        sdk.chat.completions.create(model="book", messages=ask(QUESTION), user=user)
        for user in ("alice", "alice", "5f0c1b9e-6d0f-4c55-9a0e-0d8f3f1c2b7a")
    ]
    assert len({answer.model_dump()["session_id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "messages"),
        ([{"role": "assistant", "content": "Hello"}], "must contain a question"),
        (ask(" \x00 "), "must contain a question"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "must contain a question"),
        (ask("x" * 2001), "longer than 2,000 characters"),
        ([{"role": "user", "content": 5}], "content"),
        (ask("Why?") * 201, "messages"),
    ],
)
def test_errors_have_the_form_of_openai(sdk: OpenAI, messages: Any, sentence: str) -> None:
    with pytest.raises(openai.BadRequestError, match=sentence):
        sdk.chat.completions.create(model="book", messages=messages)


def test_parts_of_a_message_are_joined(sdk: OpenAI) -> None:
    parts = [{"type": "text", "text": "How do I delete"}, {"type": "text", "text": "a chat?"}]
    messages: Any = [{"role": "user", "content": parts}]
    answer = sdk.chat.completions.create(model="book", messages=messages, temperature=2, n=1)
    assert "delete" in (answer.choices[0].message.content or "")


def test_an_error_before_the_stream_has_its_status(written: OpenAI, upstreams: Upstreams) -> None:
    upstreams.qdrant.fail(503, times=99)
    with pytest.raises(openai.InternalServerError) as caught:
        streamed(written, f"{QUESTION} {uuid.uuid4()}")
    assert caught.value.status_code == 503
    assert "not responding" in caught.value.message


def test_there_are_no_other_endpoints(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        sdk.embeddings.create(model="book", input="x")


# ------------------------------------------------------------------ who may call


def test_a_key_is_checked(handbook: Path, tmp_path: Path) -> None:
    shutil.copytree(handbook, tmp_path / "data")
    data = {"DATA_DIR": str(tmp_path / "data"), "API_TOKEN": TOKEN}
    with serving(tmp_path / "log", **data) as running:
        for key, allowed in (("wrong", False), (TOKEN + "x", False), (TOKEN, True)):
            with OpenAI(api_key=key, base_url=f"{running.url}/v1", max_retries=0) as client:
                if allowed:
                    assert client.models.list().data
                    continue
                with pytest.raises(openai.AuthenticationError, match="key is missing or wrong"):
                    client.models.list()
                with pytest.raises(openai.AuthenticationError):
                    client.chat.completions.create(model="book", messages=ask(QUESTION))
        assert httpx.get(f"{running.url}/v1/models").status_code == 401


@pytest.mark.parametrize(
    ("environ", "mounted"),
    [
        ({}, True),
        ({"HOST": "0.0.0.0"}, False),
        ({"SPACE_ID": "a/b", "EMBEDDED": "1"}, False),
        ({"SPACE_ID": "a/b", "EMBEDDED": "1", "API_TOKEN": TOKEN}, True),
        ({"HOST": "0.0.0.0", "API_TOKEN": TOKEN}, True),
    ],
)
def test_it_is_off_except_on_a_laptop_or_with_a_key(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], mounted: bool
) -> None:
    monkeypatch.setattr(router, "get_settings", lambda: load_settings(environ))
    assert ("/v1/models" in [path for _, path, _ in router.selected_routes()]) is mounted


@pytest.fixture
def plain(in_process: Path) -> Iterator[None]:
    yield
    providers.reset()


def complete(**arguments: Any) -> Any:
    request = CompletionRequest.model_validate({"messages": ask(QUESTION)})
    return asyncio.run(completions(request, **arguments))


def test_a_laptop_answers_itself_alone(plain: None) -> None:
    for address in ("203.0.113.7", "unknown", "10.0.0.1"):
        with pytest.raises(NotFound):
            complete(address=address)
        with pytest.raises(NotFound):
            asyncio.run(models(address=address))
    assert isinstance(complete(address="127.0.0.1"), CompletionResponse)
    assert isinstance(complete(address="::1"), CompletionResponse)


def test_the_handler_is_a_plain_function(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise AssertionError("saved")

    monkeypatch.setattr(conversations, "save", fails)
    assert complete().choices[0].message.content
    with pytest.raises(InvalidRequest):
        asyncio.run(completions(CompletionRequest.model_validate({"messages": [{"role": "x"}]})))
    monkeypatch.setenv("API_TOKEN", TOKEN)
    providers.reset()
    with pytest.raises(Unauthorized):
        complete(authorization="Bearer wrong")
    assert complete(authorization=f"bearer {TOKEN}").choices


# ------------------------------------------------------------------ the command


def test_the_llm_command(service: Service, tmp_path: Path) -> None:
    pytest.importorskip("llm")
    folder = tmp_path / "llm"
    folder.mkdir()
    (folder / "extra-openai-models.yaml").write_text(
        f"- model_id: book\n  model_name: ask-the-book\n  api_base: {service.url}/v1\n"
    )
    env = environment(LLM_USER_PATH=str(folder), LLM_OPENAI_KEY="any", OPENAI_API_KEY="any")
    env |= {"HOME": str(tmp_path)}
    for options in ([], ["--no-stream"]):
        done = subprocess.run(
            [sys.executable, "-m", "llm", "-m", "book", *options, QUESTION],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "**Sources**" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "llm", "-c", "And how long does that take?"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[1]" in done.stdout
