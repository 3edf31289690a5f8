"""The chat model's adapter, through the real SDK against an imitated API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from rag import deadlines
from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.answering.prompt import answer_messages, rewrite_messages
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.models import (
    AnswerRequest,
    Chunk,
    Passage,
    Turn,
    Usage,
)
from tests.support.served_site import served
from tests.upstreams import Reply, Upstreams, sections, words

T = TypeVar("T")

PASSAGE = Passage(
    Chunk("1", "The book runs on port 7860.", "Start", "Run", "start", "a.md", 0), 0.9
)
BRIEF = answer_messages(AnswerRequest("Which port?", [PASSAGE]))


Use = Callable[[OpenAIChatModel], Awaitable[T]]


class World(Upstreams):
    """The services and one event loop, with an answerer for each set of options."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.answerers: dict[str, OpenAIChatModel] = {}

    def using(self, use: Use[T], model: str = "gpt-4o-mini", key: str = "", **options: Any) -> T:
        name = repr((model, key, options))
        if name not in self.answerers:
            self.answerers[name] = OpenAIChatModel(
                key or self.openai.key, model, base_url=f"{self.openai.url}/v1", **options
            )
        return self.runner.run(_run(use(self.answerers[name])))

    def end(self) -> None:
        for answerer in self.answerers.values():
            self.runner.run(answerer.close())
        self.runner.close()


async def _run(use: Awaitable[T]) -> T:
    return await use


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        assert isinstance(world, World)
        yield world
        world.end()


@pytest.fixture
def up(world: World) -> World:
    world.heal()
    return world


def using(up: World, use: Use[T], *args: Any, **options: Any) -> T:
    return up.using(use, *args, **options)


async def told(answerer: OpenAIChatModel) -> tuple[str, Usage]:
    *text, usage = [part async for part in await answerer.answer(BRIEF)]
    assert isinstance(usage, Usage)
    assert all(isinstance(part, str) and part for part in text)
    return "".join(map(str, text)), usage


def body(up: World) -> dict[str, Any]:
    found: dict[str, Any] = up.openai.requests[-1].json()
    return found


# ---------------------------------------------------------------- answers


def test_an_answer_is_streamed_and_counted(up: World) -> None:
    up.openai.script("It listens on port 7860 [1].")
    text, usage = using(up, told)
    assert text == "It listens on port 7860 [1]."
    assert usage.finish_reason == "stop"
    assert usage.completion_tokens == 6
    assert usage.prompt_tokens > 10
    assert body(up)["max_completion_tokens"] == 900
    assert body(up)["temperature"] <= 0.3
    assert body(up)["stream_options"] == {"include_usage": True}


def test_the_first_text_is_there_before_the_second(up: World) -> None:
    up.openai.script(Reply("one two three", hang_after=1))

    async def use(answerer: OpenAIChatModel) -> str:
        parts: Any = await answerer.answer(BRIEF)
        first = await anext(parts)
        await parts.aclose()
        return str(first)

    assert using(up, use) == "one "


def test_a_line_separator_is_part_of_the_text(up: World) -> None:
    """JSON may hold U+2028 as it is, at which `iter_lines` of httpx ends a line."""
    delta = {"choices": [{"delta": {"content": "one\u2028two [1]"}, "finish_reason": "stop"}]}
    events = f"data: {json.dumps(delta, ensure_ascii=False)}\n\ndata: [DONE]\n\n"
    with served({"/chat/completions": events}) as site:

        async def use() -> str:
            answerer = OpenAIChatModel("key", base_url=site.url)
            try:
                return (await told(answerer))[0]
            finally:
                await answerer.close()

        assert asyncio.run(use()) == "one\u2028two [1]"


def test_a_silent_model_is_named_with_the_limit(up: World) -> None:
    up.openai.script(Reply("one two three", hang_after=2))
    with pytest.raises(UpstreamTimeout, match=r"no data from the model for 0\.3 s"):
        using(up, told, silence=0.3)
    up.openai.script(Reply(words(100), delay=0.05))
    with pytest.raises(UpstreamTimeout, match="not complete in time"):
        using(up, told, seconds=1.0)


def test_the_imitated_model_reads_the_passages(up: World) -> None:
    assert using(up, told)[0] == "The book runs on port 7860 [1]."
    assert sections(up.openai.requests[-1])["QUESTION"] == "Which port?"


@pytest.mark.parametrize(
    ("model", "effort", "tokens"),
    [
        ("gpt-6-luna", "none", 900),
        ("openai/gpt-5.1", "none", 900),
        ("gpt-5-mini", "minimal", 2900),
        ("o3-mini", "low", 2900),
        ("openai/gpt-oss-120b", "low", 2900),
    ],
)
def test_reasoning_models_think_as_little_as_they_can(
    up: World, model: str, effort: str, tokens: int
) -> None:
    using(up, told, model)
    assert "temperature" not in body(up)
    assert body(up)["reasoning_effort"] == effort
    assert body(up)["max_completion_tokens"] == tokens


@pytest.mark.parametrize(
    ("efforts", "used"), [({"low", "high"}, "low"), ({"minimal"}, "minimal"), ({"high"}, "high")]
)
def test_an_effort_that_is_refused_is_replaced_by_the_least_that_is_not(
    up: World, efforts: set[str], used: str
) -> None:
    up.openai.efforts = efforts

    async def use(answerer: OpenAIChatModel) -> None:
        await told(answerer)
        up.openai.forget()
        await told(answerer)

    using(up, use, "gpt-7", max_tokens=910 + len(used))
    assert [request.json()["reasoning_effort"] for request in up.openai.requests] == [used]


def test_a_model_that_takes_no_effort_gets_none(up: World) -> None:
    up.openai.lacks = {"reasoning_effort"}
    using(up, told, "gpt-8")
    assert "reasoning_effort" not in body(up)
    assert body(up)["max_completion_tokens"] == 2900


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5-chat-latest", "llama3.1", "foo-o1"])
def test_other_models_get_theirs(up: World, model: str) -> None:
    using(up, told, model)
    assert "reasoning_effort" not in body(up)
    assert "temperature" in body(up)


def test_what_a_server_does_not_know_is_left_out_from_then_on(up: World) -> None:
    up.openai.lacks = {"max_completion_tokens", "stream_options", "temperature"}

    async def use(answerer: OpenAIChatModel) -> None:
        await told(answerer)
        up.openai.forget()
        await told(answerer)

    using(up, use, max_tokens=901)
    assert len(up.openai.requests) == 1
    assert body(up)["max_tokens"] == 901
    assert not {"max_completion_tokens", "stream_options", "temperature"} & body(up).keys()


def test_a_prompt_that_is_too_long_costs_no_parameter(up: World) -> None:
    message = "'max_completion_tokens' is too large: 900. The maximum context length is 800 tokens"
    up.openai.fail(400, times=9, body={"error": {"message": message}})
    with pytest.raises(UpstreamRejected, match="context length"):
        using(up, told)
    assert len(up.openai.requests) == 1


def test_missing_usage_is_counted_here(up: World) -> None:
    up.openai.script(Reply("A fact that takes a few tokens [1].", usage=False))
    _, usage = using(up, told)
    assert 5 <= usage.completion_tokens <= 15
    assert usage.prompt_tokens > 100


@pytest.mark.parametrize(
    ("reply", "reason", "text"),
    [
        (Reply("Half of an", finish_reason="length"), "length", "Half of an"),
        (Reply("A bit", finish_reason="content_filter"), "content_filter", "A bit"),
        (Reply(refusal="I cannot help with that."), "refusal", "I cannot help with that."),
        (Reply("Done [1].", finish_reason="eos"), "stop", "Done [1]."),
    ],
)
def test_why_it_stopped(up: World, reply: Reply, reason: str, text: str) -> None:
    up.openai.script(reply)
    found, usage = using(up, told)
    assert (found, usage.finish_reason) == (text, reason)


def test_thoughts_written_as_text_are_left_out(up: World) -> None:
    up.openai.script(Reply(["<th", "ink>", "Hm, [2]", "</thi", "nk>\n", "\n", "So [1]", "."]))
    assert using(up, told)[0] == "So [1]."
    up.openai.script(Reply(["<the", "y> say"]))
    assert using(up, told)[0] == "<they> say"
    up.openai.script(Reply(["<"]))
    assert using(up, told)[0] == "<"


# ---------------------------------------------------------------- faults before the first text


@pytest.mark.parametrize(
    "fault", [429, 500, 502, 503, "reset", "malformed", "shape", "cut", "empty"]
)
def test_a_passing_fault_is_survived(up: World, fault: Any) -> None:
    up.openai.fail(fault)
    up.openai.reply = Reply("Fine [1].")
    assert using(up, told)[0] == "Fine [1]."
    assert len(up.openai.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(""),
        Reply("a b", cut_after=0),
        Reply("a b", junk_after=0),
        Reply("a b", junk_after=0, junk="[1, 2]"),
        Reply("a b", error_after=0),
        Reply("a b", end_after=0),
    ],
)
def test_a_stream_that_fails_at_once_is_repeated(up: World, reply: Reply) -> None:
    up.openai.script(reply, "Fine [1].")
    assert using(up, told)[0] == "Fine [1]."


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (429, UpstreamOverloaded, 3),
        (500, UpstreamError, 3),
        (503, UpstreamOverloaded, 3),
        (504, UpstreamTimeout, 3),
        (404, UpstreamRejected, 1),
        (400, UpstreamRejected, 1),
        ("reset", UpstreamError, 3),
        ("malformed", UpstreamError, 3),
    ],
)
def test_a_lasting_fault_is_raised_before_the_stream(
    up: World, fault: Any, error: type[UpstreamError], requests: int
) -> None:
    up.openai.fail(fault, times=99)

    async def use(answerer: OpenAIChatModel) -> None:
        with pytest.raises(UpstreamError) as caught:
            await answerer.answer(BRIEF)
        assert type(caught.value) is error
        assert caught.value.service == "openai"

    using(up, use)
    assert len(up.openai.requests) == requests


def test_a_used_up_quota_is_final(up: World) -> None:
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    up.openai.fail(429, times=9, body={"error": error})
    with pytest.raises(UpstreamRejected, match="quota"):
        using(up, told)
    assert len(up.openai.requests) == 1


def test_a_refused_key_is_final_and_stays_secret(up: World) -> None:
    with pytest.raises(UpstreamRejected, match="key was refused") as caught:
        using(up, told, key="sk-wrong-key-12345")
    assert "sk-" not in f"{caught.value}{caught.value.detail}"
    up.openai.fail(500, times=9, body={"error": {"message": f"bad: {up.openai.key}"}})
    with pytest.raises(UpstreamError) as failed:
        using(up, told)
    assert up.openai.key not in str(failed.value)


@pytest.mark.parametrize(
    ("reply", "match"),
    [
        (Reply(finish_reason="content_filter"), "content filter"),
        (Reply(finish_reason="length"), "MAX_ANSWER_TOKENS"),
    ],
)
def test_nothing_to_say_is_final(up: World, reply: Reply, match: str) -> None:
    up.openai.reply = reply
    with pytest.raises(UpstreamRejected, match=match):
        using(up, told)
    assert len(up.openai.requests) == 1


@pytest.mark.parametrize("how", ["hang", "silent", "slow"])
def test_nothing_lasts_longer_than_its_time(up: World, how: str) -> None:
    if how == "hang":
        up.openai.fail("hang", times=99)
    elif how == "silent":
        up.openai.reply = Reply("a b", hang_after=0)
    else:
        up.openai.reply = Reply("a b", first_delay=30)

    async def use(answerer: OpenAIChatModel) -> float:
        started = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamTimeout):
            await answerer.answer(BRIEF)
        return asyncio.get_running_loop().time() - started

    assert using(up, use, seconds=1.0, silence=0.5) < 3


# ---------------------------------------------------------------- faults after the first text


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply("one two three", cut_after=2), UpstreamError),
        (Reply("one two three", end_after=2), UpstreamError),
        (Reply("one two three", junk_after=2), UpstreamError),
        (Reply("one two three", junk_after=2, junk="[1]"), UpstreamError),
        (Reply("one two three", junk_after=2, junk='{"choices": 7}'), UpstreamError),
        (Reply("one two three", error_after=2), UpstreamError),
        (Reply("one two three", hang_after=2), UpstreamTimeout),
        (Reply(words(100), delay=0.05), UpstreamTimeout),
    ],
)
def test_a_stream_that_breaks_raises_after_its_text(
    up: World, reply: Reply, error: type[UpstreamError]
) -> None:
    up.openai.script(reply)

    async def use(answerer: OpenAIChatModel) -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(UpstreamError) as caught:  # noqa: PT012
            async for part in await answerer.answer(BRIEF):
                seen.append(part)
        assert type(caught.value) is error
        return seen

    assert len("".join(using(up, use, seconds=1.5, silence=0.5)).split()) >= 2
    assert len(up.openai.requests) == 1


def test_the_deadline_of_the_request_holds_for_every_part(up: World) -> None:
    up.openai.script(Reply(words(100), delay=0.05))

    async def use(answerer: OpenAIChatModel) -> float:
        clock = asyncio.get_running_loop().time
        started = clock()
        async with deadlines.until(started + 1):
            parts = await answerer.answer(BRIEF)
        with pytest.raises(UpstreamTimeout):
            async for _ in parts:
                pass
        return clock() - started

    assert 0.9 < using(up, use) < 3


@pytest.mark.parametrize("started", [True, False])
def test_a_reader_who_leaves_costs_no_more_tokens(up: World, started: bool) -> None:
    up.openai.script(Reply(words(500), delay=0.02))
    before = up.openai.abandoned

    async def use(answerer: OpenAIChatModel) -> int:
        parts: Any = await answerer.answer(BRIEF)
        if started:
            await anext(parts)
        await parts.aclose()
        await parts.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(parts)
        await asyncio.sleep(0.3)
        sent = up.openai.tokens_sent
        await asyncio.sleep(0.3)
        assert up.openai.tokens_sent == sent
        return sent

    assert using(up, use) < 100
    assert up.openai.abandoned > before


def test_a_cancelled_reader_hangs_up_too(up: World) -> None:
    up.openai.script(Reply(words(500), delay=0.02))

    async def use(answerer: OpenAIChatModel) -> None:
        async def read() -> None:
            async for _ in await answerer.answer(BRIEF):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.3)
        sent = up.openai.tokens_sent
        await asyncio.sleep(0.3)
        assert up.openai.tokens_sent == sent < 100

    using(up, use)


# ---------------------------------------------------------------- follow-ups

HISTORY = [Turn("How do I deploy on Lambda?", "With a container [1].")]
REWRITE = rewrite_messages("And on Vercel?", HISTORY)


def test_a_follow_up_is_rewritten(up: World) -> None:
    found = using(
        up, lambda a: a.rewrite_question("And on Vercel?", REWRITE), rewrite_model="small"
    )
    assert found.usage.total > 100
    assert found.text == "And on Vercel? (How do I deploy on Lambda?)"
    assert body(up)["model"] == "small"
    assert body(up)["max_completion_tokens"] < 300
    assert "[1]" not in body(up)["messages"][-1]["content"]


@pytest.mark.parametrize("fault", [401, 429, 500, "reset", "hang", "drip", "malformed", "shape"])
def test_a_failed_rewrite_leaves_the_question(
    up: World, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    up.openai.fail(fault, times=9)
    question = "And on Vercel?"

    async def use(answerer: OpenAIChatModel) -> float:
        started = asyncio.get_running_loop().time()
        assert (await answerer.rewrite_question(question, REWRITE)).text == question
        return asyncio.get_running_loop().time() - started

    assert using(up, use, rewrite_seconds=1.0) < 3
    assert "follow-up" in caplog.text
    assert "Vercel" not in caplog.text


@pytest.mark.parametrize("content", ["", "Two\nlines", "x" * 2000, None])
def test_a_useless_rewrite_leaves_the_question(up: World, content: str | None) -> None:
    refusal = "I cannot help with that." if content is None else None
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    up.openai.fail(200, body={"id": "1", "object": "chat.completion", "choices": choices})
    assert (
        using(up, lambda a: a.rewrite_question("And on Vercel?", REWRITE)).text == "And on Vercel?"
    )
