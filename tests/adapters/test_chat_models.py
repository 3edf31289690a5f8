"""Lists of chat models, what each accepts, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from rag.adapters.chat_model.models import Models, read_listing
from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.adapters.chat_model.parameters import refuses_role
from rag.answering.prompt import answer_messages, rewrite_messages
from rag.environment import load_settings
from rag.errors import UpstreamError, UpstreamRejected
from rag.interfaces import Retirement
from rag.models import AnswerRequest, Chunk, Passage, Turn, Usage
from rag.ops.model_watch import describe
from rag.settings import DEFAULT_CHAT_MODEL, Settings, is_local, model_names
from tests.upstreams import Reply, Upstreams
from tests.upstreams.http import Response

PASSAGE = Passage(Chunk("1", "It runs on port 7860.", "Start", "Run", "start", "a.md", 0), 0.9)
BRIEF = answer_messages(AnswerRequest("Which port?", [PASSAGE]))
NOT_THERE = {"message": "The model `x` does not exist", "code": "model_not_found"}
RAW = '{"error": {"code": 400, "message": "Developer instruction is not enabled"}}'
GONE = [
    Response(404, {"error": NOT_THERE}),
    Response(404, {}),
    Response(410, {"error": {"message": "This model has been retired."}}),
    Response(400, {"error": {"message": "The model x has been decommissioned"}}),
    Response(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
    Response(402, {"error": {"message": "Insufficient credits"}}),
]


@pytest.fixture
def up(upstreams: Upstreams) -> Iterator[Upstreams]:
    upstreams.heal()
    yield upstreams
    upstreams.heal()


def using(up: Upstreams, model: str, use: Any, **options: Any) -> Any:
    async def run() -> Any:
        answerer = OpenAIChatModel(up.openai.key, model, base_url=f"{up.openai.url}/v1", **options)
        try:
            return await use(answerer)
        finally:
            await answerer.close()

    return asyncio.run(run())


async def told(answerer: OpenAIChatModel) -> str:
    """Return the name of the model that answered."""
    *_, usage = [part async for part in await answerer.answer(BRIEF)]
    assert isinstance(usage, Usage)
    return usage.model


def asked(up: Upstreams) -> list[str]:
    return [request.json()["model"] for request in up.openai.requests]


@pytest.mark.parametrize("reply", GONE, ids=lambda reply: str(reply.status))
def test_the_next_model_answers_for_one_that_is_gone(up: Upstreams, reply: Response) -> None:
    up.openai.gone = {"first": reply}

    async def use(answerer: OpenAIChatModel) -> list[str]:
        found = [await told(answerer), await told(answerer)]
        assert list(answerer.unusable) == ["first"]
        return found

    assert using(up, "first, second", use) == ["second", "second"]
    assert asked(up) == ["first", "second", "second"]  # it is remembered


def test_a_list_of_which_all_are_gone_is_tried_again(up: Upstreams) -> None:
    up.openai.gone = {"a": GONE[0], "b": GONE[0]}

    async def use(answerer: OpenAIChatModel) -> str:
        with pytest.raises(UpstreamRejected):
            await answerer.answer(BRIEF)
        up.openai.gone = {}
        name = await told(answerer)
        assert list(answerer.unusable) == ["b"]
        return name

    assert using(up, "a,b", use) == "a"


def test_other_failures_are_not_passed_on(up: Upstreams) -> None:
    up.openai.gone = {"a": Response(401, {"error": {"message": "no"}})}

    async def use(answerer: OpenAIChatModel) -> None:
        with pytest.raises(UpstreamRejected, match="key"):
            await answerer.answer(BRIEF)

    using(up, "a, b", use)
    assert asked(up) == ["a"]


def test_a_follow_up_is_rewritten_by_the_next_model_too(up: Upstreams) -> None:
    up.openai.gone = {"small": GONE[0]}
    history = [Turn("How do I deploy?", "With a container [1].")]
    messages = rewrite_messages("And on Vercel?", history)

    async def use(answerer: OpenAIChatModel) -> str:
        return (await answerer.rewrite_question("And on Vercel?", messages)).text

    assert using(up, "a", use, rewrite_model="small") == "And on Vercel? (How do I deploy?)"
    assert asked(up) == ["small", "a"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ("a",)),
        (" a , b,,a, ", ("a", "b")),
        ("org/a:free, b", ("org/a:free", "b")),
        (" , ,", ()),
        ("", ()),
    ],
)
def test_a_list_may_hold_blanks(text: str, names: tuple[str, ...]) -> None:
    assert model_names(text) == names


@pytest.mark.parametrize("text", [" , ,", "", " "])
def test_a_list_of_blanks_is_the_default_model(text: str) -> None:
    assert load_settings({"CHAT_MODEL": text}).chat_model == DEFAULT_CHAT_MODEL
    assert OpenAIChatModel("key", text).model == DEFAULT_CHAT_MODEL


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Only user and assistant roles are supported!",
        "system_role_not_supported",
        "SystemMessages are not supported by this model",
        "`systemInstruction` is not supported",
        "[{'loc': ('messages', 0, 'role'), 'msg': \"Input should be 'user' or 'assistant'\"}]",
        "Unsupported message type: system",
        "A conversation must start with a user message.",
        "Template error: invalid operation: System not supported",
        "system is not one of the supported values",
        "模型不支持系统角色",
    ],
)
def test_a_system_role_that_is_refused_goes_into_the_message(
    up: Upstreams, message: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[dict[str, str]]] = []
    plain = up.openai.answer

    async def answer(request: Any) -> Response:
        seen.append(request.json()["messages"])
        if seen[-1][0]["role"] == "system":
            return Response(status, {"error": {"message": message}})
        return await plain(request)

    monkeypatch.setattr(up.openai, "answer", answer)

    async def use(answerer: OpenAIChatModel) -> None:
        await told(answerer)
        await told(answerer)

    using(up, "gemma", use)
    assert [len(messages) for messages in seen] == [2, 1, 1]  # it is remembered
    assert seen[1][0]["content"].startswith("You answer readers")
    assert "Which port?" in seen[1][0]["content"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": RAW}}}),
        (400, {"errors": [{"message": "System role not supported"}]}),
        (422, {"detail": [{"loc": ["messages", 0, "role"], "msg": "Input should be 'user'"}]}),
        (424, {"error": "Template error: System role not supported", "error_type": "template"}),
        (200, b'event: error\ndata: {"error": {"message": "System role not supported"}}\n\n'),
    ],
)
def test_a_system_role_may_be_refused_in_other_places(
    up: Upstreams, status: int, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    plain = up.openai.answer

    async def answer(request: Any) -> Response:
        seen.append(len(request.json()["messages"]))
        return Response(status, body) if seen[-1] == 2 else await plain(request)

    monkeypatch.setattr(up.openai, "answer", answer)

    async def use(answerer: OpenAIChatModel) -> None:
        await told(answerer)
        await told(answerer)

    using(up, "gemma", use)
    assert seen == [2, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "The system is overloaded, try again later",
        "Internal system error",
        "The operating system ran out of memory",
        "temperature is not supported with this model",
    ],
)
def test_other_errors_say_nothing_about_the_role(text: str) -> None:
    assert not refuses_role(text)


def test_a_model_that_is_being_loaded_is_waited_for(up: Upstreams) -> None:
    up.openai.fail(503, times=2, body={"error": {"message": "Loading model", "code": 503}})
    assert using(up, "a", told) == "a"
    assert len(up.openai.requests) == 3
    up.openai.fail(503, times=99, body={"error": {"message": "Loading model", "code": 503}})
    with pytest.raises(UpstreamError):
        using(up, "a", told, first_token=1.5, seconds=3)


def test_a_server_that_ignores_the_limit_is_cut_off(up: Upstreams) -> None:
    words = [f"word{n} " for n in range(3000)]
    up.openai.reply = Reply(words, delay=0.001)

    async def use(answerer: OpenAIChatModel) -> tuple[str, Usage]:
        *texts, usage = [part async for part in await answerer.answer(BRIEF)]
        assert isinstance(usage, Usage)
        return "".join(map(str, texts)), usage

    text, usage = using(up, "a", use, max_tokens=100)
    assert 800 < len(text) < 5000
    assert usage.finish_reason == "length"


def test_the_first_token_may_take_longer_than_others(up: Upstreams) -> None:
    up.openai.script(Reply("one two", first_delay=1.0))
    assert using(up, "a", told, first_token=3, silence=0.5) == "a"
    up.openai.reply = Reply("one two", first_delay=3.0)
    with pytest.raises(UpstreamError, match="no data from the model"):
        using(up, "a", told, first_token=0.5, silence=9, seconds=9)


def test_hidden_thoughts_are_no_silence(up: Upstreams) -> None:
    up.openai.script(Reply(["<think>", *["hm "] * 10, "</think>", "Yes [1]."], delay=0.2))
    assert using(up, "a", told, silence=0.7) == "a"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:8080/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://ollama:11434/v1", True),
        ("http://host.docker.internal:11434/v1", True),
        ("", False),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_a_model_at_home_may_take_longer(url: str, local: bool) -> None:
    assert is_local(url) is local
    settings = Settings(openai_base_url=url)
    assert settings.first_token == (120 if local else 20)
    assert settings.answer_seconds == (150 if local else 50)
    assert Settings(openai_base_url=url, first_token_seconds=30).answer_seconds == 60


# ---------------------------------------------------------------- retirement


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("2027-01-14", date(2027, 1, 14)),
        ("2027-01-14T00:00:00Z", date(2027, 1, 14)),
        (1799884800, date(2027, 1, 14)),
        ("1999-12-31", date(1999, 12, 31)),
        (None, None),
        ("soon", None),
        ("", None),
        (0, None),
        (1e300, None),
        (float("inf"), None),
        (True, None),
        ({"year": 2027}, None),
        ("2027-13-45", None),
    ],
)
def test_a_shutdown_date_is_read_or_ignored(value: object, end: date | None) -> None:
    import json

    body = json.dumps({"data": [{"id": "a", "shutdown_date": value}, {"id": "b"}]}).encode()
    assert read_listing(body) == {"a": end, "b": None}


def test_models_with_an_end_are_found(up: Upstreams) -> None:
    up.openai.models = {
        "old": {"shutdown_date": "2027-01-14"},
        "small": {"shutdown_date": "2026-12-11"},
        "new": {"shutdown_date": None},
        "other": {"shutdown_date": "2020-01-01"},
    }

    async def use(answerer: OpenAIChatModel) -> list[Retirement]:
        return await answerer.retirements()

    assert using(up, "old, new, away", use, rewrite_model="small") == [
        Retirement("old", date(2027, 1, 14)),
        Retirement("small", date(2026, 12, 11)),
        Retirement("away", None),
    ]
    assert using(up, "away", use) == []  # which the check of the service reports


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 1_000_000,
        b"[]",
        b'{"data": 7}',
        b"",
        b"x" * 3_000_000,
        b'{"data": [' + b'{"id": "x"},' * 200_000 + b'{"id": "a"}]}',
    ],
    ids=lambda body: f"{body[:9]!r} of {len(body)}",
)
def test_a_list_of_noise_is_a_failure_that_is_known(up: Upstreams, body: bytes) -> None:
    async def use(answerer: OpenAIChatModel) -> None:
        with pytest.raises(UpstreamError):
            await answerer.listing()

    up.openai.fail(200, path="/v1/models", times=9, body=body)
    using(up, "a", use)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (91, ""),
        (46, "old will be shut down on {end}, in 46 days. Set CHAT_MODEL to a current model, such"),
        (1, "old will be shut down on {end}, tomorrow."),
        (0, "old will be shut down on {end}, today."),
        (-1, "old was shut down on {end}."),
    ],
)
def test_a_warning_names_the_day_and_what_to_set(days: int, said: str) -> None:
    today = date(2026, 11, 29)
    end = today + timedelta(days)
    found = describe(Retirement("old", end), Settings(chat_model="old, new"), today)
    assert found.startswith(said.format(end=end)) if said else not found


def test_a_model_that_works_again_is_used_again() -> None:
    async def use() -> list[str]:
        models, used = Models(("a", "b")), []

        async def fail_once(name: str) -> str:
            used.append(name)
            if name == "a" and len(used) == 1:
                raise UpstreamRejected("gone", service="openai", reason="model")
            return name

        await models.first_usable(models.names, fail_once)
        await models.first_usable(("a",), fail_once)
        await models.first_usable(models.names, fail_once)
        return used

    assert asyncio.run(use()) == ["a", "b", "a", "a"]
