"""Streams in the shapes that models and their servers send, and what readers see of them.

To add a stream, add a line to one of the tables.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rag.adapters.chat_model.openai_stream import Answer
from rag.adapters.chat_model.response_text import ModelText
from rag.errors import UpstreamError
from rag.models import Restart, Usage

SAID = "Send DELETE [2]."
WORD = "0a1b2c3d4e5f"
EVENT = 40
"""Bytes of a read with one token at most. Tokens of the same read are seen as one text."""
MESSAGES = [{"role": "user", "content": f"<<<QUESTION {WORD}\nHow?\n{WORD}>>>\n\nAnswer."}]

CONTROL = [
    # The end of a thought whose beginning was in the prompt.
    ("Let me look. </think> Send DELETE [2].", SAID),
    ("Hm [1].\n</THINKING>\n\nSend DELETE [2].", SAID),
    ("Hm.[/THINK]Send DELETE [2].", SAID),
    ("Hm.◁/think▷Send DELETE [2].", SAID),
    ("Hm.<|END_THINKING|>Send DELETE [2].", SAID),
    ("We need to.<|end|><|start|>assistant<|channel|>final<|message|>Send DELETE [2].", SAID),
    # Whole thoughts, anywhere.
    ("<think>Hm [1]</think>\n\nSend DELETE [2].", SAID),
    ("<Thinking>Hm</thinking>Send DELETE [2].", SAID),
    ('<thinking duration="3">Hm</thinking>Send DELETE [2].', SAID),
    ("<seed:think>Hm</seed:think>Send DELETE [2].", SAID),
    ("Send DELETE [2].<think>Is that all? Yes.</think>", SAID),
    ("<longcat_think>Hm</longcat_think>Send DELETE [2].", SAID),
    ("Hm.</my_reasoning>Send DELETE [2].", SAID),
    ("<reasoning>a</reasoning><answer>Send DELETE [2].</answer>", SAID),
    ("<think>a</think>b<think>c</think>Send DELETE [2].", "bSend DELETE [2]."),
    ("Send DELETE [2].\n<think>It never ends", SAID),
    ("<think>a `code` and\n```\nfence\n</think>Send DELETE [2].", SAID),
    ("Hm.[/REASONING]Send DELETE [2].", SAID),
    ("<antThinking>Hm</antThinking>Send DELETE [2].", SAID),
    ("<ThoughtProcess>Hm</ThoughtProcess>\nSend DELETE [2].", SAID),
    ("<search_quality_reflection>Hm</search_quality_reflection>Send DELETE [2].", SAID),
    ("<seed:cot_budget_reflect>Hm</seed:cot_budget_reflect>Send DELETE [2].", SAID),
    ("<rationale>Hm</rationale><output>Send DELETE [2].</output>", SAID),
    ("<think/>Send DELETE [2].", SAID),
    ("<think>Hm<\\/think>Send DELETE [2].", SAID),
    ("Send DELETE [2]. <think> Is that all? </think>", SAID),
    ('<details type="reasoning" done="true">\n> Hm\n</details>\nSend DELETE [2].', SAID),
    ("```thinking\nHm [1]\n```\n\nSend DELETE [2].", SAID),
    # Signs that are escaped, or full-width.
    ("&lt;think&gt;Hm&lt;/think&gt;Send DELETE [2].", SAID),
    ("Hm &lt;/think&gt;\nSend DELETE [2].", SAID),
    ("\\<think\\>Hm\\</think\\>Send DELETE [2].", SAID),
    ("＜think＞Hm＜/think＞Send DELETE [2].", SAID),
    # Words around thoughts, and before the answer.
    ("Thinking...\nHm [1].\n...done thinking.\n\nSend DELETE [2].", SAID),
    ("Thinking…\nHm\n…done thinking.\nSend DELETE [2].", SAID),
    ("Hm.\n...done thinking.\nSend DELETE [2].", SAID),
    ("Hm.\n…done thinking.\nSend DELETE [2].", SAID),
    ("Here are my reasoning steps:\nHm.\n[BEGIN FINAL RESPONSE]\nSend DELETE [2].\n", SAID),
    ("Hm\n[BEGIN FINAL RESPONSE]Send DELETE [2].\n[END FINAL RESPONSE]\n<|end|>", SAID),
    ("Here is my thought process: Hm. Here is my response: Send DELETE [2].", SAID),
    ("Here’s my thought process:\nHm.\n\nHere’s my response:\nSend DELETE [2].", SAID),
    ("Thought: Hm.\nFinal Answer: Send DELETE [2].", SAID),
    ("Assistant: Send DELETE [2].\n\nHuman: And then?\n\nAssistant: No.", SAID),
    ("**Answer:** Send DELETE [2].", SAID),
    # Switches and citations that are not ours.
    ("/no_think\nSend DELETE [2].", SAID),
    ("Send DELETE [2]. /nothink", SAID),
    ("/think Send DELETE [2].\n/no_think", SAID),
    ("[cite_start]Send DELETE [2].[cite_end]", SAID),
    ("Send DELETE [2].\ue200cite\ue202turn0search0\ue201", SAID),
    ("Send DELETE [2].citeturn0search1turn0search0", SAID),
    # Channels, roles and end marks of open-weight models.
    (
        "<|channel|>analysis<|message|>We<|end|><|start|>assistant<|channel|>final<|message|>"
        "Send DELETE [2].<|return|>",
        SAID,
    ),
    ("analysisWe need to.assistantfinalSend DELETE [2].", SAID),
    ("<|channel>thought\nhm\n<channel|>Send DELETE [2].<turn|>", SAID),
    ("<unused94>thought\nx<unused95>Send DELETE [2].", SAID),
    ("<|im_start|>assistant\nSend DELETE [2].<|im_end|>", SAID),
    (
        "Send DELETE [2].<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\nNo",
        SAID,
    ),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nSend DELETE [2].<|eot_id|>", SAID),
    ("<s>[INST] <<SYS>>\nr\n<</SYS>>\n\nq [/INST] Send DELETE [2].</s>", SAID),
    ("<start_of_turn>model\nSend DELETE [2].<end_of_turn>\n<start_of_turn>user\nHi", SAID),
    ("<|system|>\nr<|user|>q<|assistant|>Send DELETE [2].<|endoftext|>Human: x", SAID),
    ("<｜Assistant｜>Send DELETE [2].<｜end▁of▁sentence｜>", SAID),
    ("<SPECIAL_12>Send DELETE [2].<SPECIAL_11>", SAID),
    ("[|assistant|]Send DELETE [2].[|endofturn|]", SAID),
    ("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Send DELETE [2].<|END_OF_TURN_TOKEN|>", SAID),
    ("### Response:\nSend DELETE [2].\n\n### Instruction:\nNext\n### Response:\nNo", SAID),
    ("<|start_of_role|>assistant<|end_of_role|>Send DELETE [2].<|end_of_text|>", SAID),
    ("commentaryHm.assistantfinal Send DELETE [2].", SAID),
    ("We need.assistantanalysisHmassistantfinal**Send** it.", "**Send** it."),
    ("<extra_id_1>Assistant\nSend DELETE [2].\n<extra_id_1>User\nx", SAID),
    ("[UNUSED_TOKEN_145]Send DELETE [2].<eoa>", SAID),
    ("<im_start>assistant\nSend DELETE [2].<im_end>", SAID),
    ("Send DELETE [2].<end_of_utterance>\n", SAID),
    ("<|observation|>x<|assistant|><reserved_106>Send DELETE [2].<|im_e", SAID),
    # Tool calls.
    ('<tool_call>\n{"name": "x"}\n</tool_call>\nSend DELETE [2].', SAID),
    ("<｜tool▁calls▁begin｜>x<｜tool▁call▁end｜><｜tool▁calls▁end｜>Send DELETE [2].", SAID),
    ('Send DELETE [2].<|python_tag|>{"a": 1}', SAID),
    (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="x">\n</｜DSML｜invoke>\n'
        "</｜DSML｜function_calls>Send DELETE [2].",
        SAID,
    ),
    ("<｜｜DSML｜｜tool_calls>x</｜｜DSML｜｜tool_calls>Send DELETE [2].", SAID),
    ('<xai:function_call name="x">y</xai:function_call>Send DELETE [2].', SAID),
    ("<function=x><parameter=a>1</parameter></function>Send DELETE [2].", SAID),
    ("[TOOL_REQUEST]{}[END_TOOL_REQUEST]Send DELETE [2].", SAID),
    ("```tool_code\nprint(1)\n```\nSend DELETE [2].", SAID),
    ("<observation>x</observation><|python_start|>y<|python_end|>Send DELETE [2].", SAID),
    ("<|assistant|>: Send DELETE [2].", SAID),
    # Fence lines of our own prompt.
    (f"<<<PASSAGE 1 {WORD}\nSend DELETE [2].\n{WORD}>>>", SAID),
    (f"<<<[2] {WORD}\nSend DELETE [2].\n{WORD}>>>", SAID),
    ("<<<[2] word\nSend DELETE [2].\nword>>>", SAID),
    ("<<<[2]>>>\nSend DELETE [2].", SAID),
    ("<<<[2] x7\nSend DELETE [2].\nx7>>>", SAID),
    (f"Send DELETE [2]. {WORD}>>>", SAID),
    (f"{WORD}>>>>>\nSend DELETE [2].\n{WORD}>>>>", SAID),
    ("Send DELETE [2].\n<<<HEADINGS 1a2b3c4d5e6f", SAID),
    (f"Send DELETE [2].\n```\n{WORD}>>>\nx\n```", "Send DELETE [2].\n```\nx\n```"),
    ("<<<PASSAGE 1 word\nSend DELETE [2].\nword>>>", SAID),
    ("Send DELETE [2].\n<<<QUESTION 1a2b3c4d5e6f", SAID),
]
LITERAL = [
    "Use `</think>` and ``<think> ` `` [1].",
    "Use:\n```html\n<think>\nfoo\n</think>\n```\nand <b>x</b> [1].",
    "~~~\n<|im_end|>\n~~~\n1. a\n   ```\n   [INST]\n   ```",
    "<they> say a < b, [Source 4], x[i], <s>old</s> new, a <| b, and [DONE] [1].",
    "The assistant finally said analysis. # Not a heading: `x",
    "The model thinks between <think> and </think> tags [1].",
    'Wrap it in "<thinking>", or in a <scratchpad> tag, and close it [1].',
    "The token <|im_end|> ends a turn, and &lt;think&gt; begins a thought [1].",
    "使用 <think> 标签 [1]。",
    "Add /no_think to the prompt, or /think/later, or (/think) [1].",
    "Use it:\n<answer>\nSend\n</answer>\nand [RESPONSE] too.",
    "<details>\n<summary>More</summary>\nText\n</details>",
    "Thinking... is shown meanwhile, and analysis of the data. cite the assistants.",
    "So:\n```thinking\nHm\n```\nR&D, a &lt; b, \\<b\\>, x |> f, <reasoning_effort>.",
    "```py\n>>> 1 + 1\n<<<<<<< HEAD\n```",
    "cat <<<EOF",
    "<",
    "<think",
    "a ~~b~~ c\n\n| d |\n| --- |",
]


class Written:
    """A response with these bytes, in pieces of a size."""

    def __init__(self, body: bytes, size: int) -> None:
        self._body, self._size = body, size
        self.http_response = self.http_request = None

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), self._size):
            yield self._body[at : at + self._size]

    async def close(self) -> None:
        pass


def read(body: bytes, size: int = 10_000) -> tuple[str, Usage]:
    """Return what is left of an answer when it is complete."""

    async def use() -> tuple[str, Usage]:
        late = asyncio.get_running_loop().time() + 30
        response: Any = Written(body, size)
        answer = Answer(
            response, MESSAGES, model="m", deadline=late, first_token=late, silence=5, key=""
        )
        await answer.start()
        text, usage = "", Usage()
        async for part in answer:
            if isinstance(part, Usage):
                usage = part
            else:
                text = "" if isinstance(part, Restart) else text + str(part)
        return text.strip(), usage

    return asyncio.run(use())


def stream(*contents: Any, finish: str | None = "stop") -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"content": each}}]} for each in contents]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def tokens(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("sent", "seen"), CONTROL)
def test_control_text_is_no_answer(sent: str, seen: str, size: int) -> None:
    assert read(stream(*tokens(sent, size)), EVENT)[0] == seen


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("text", LITERAL)
def test_what_is_no_control_text_stays(text: str, size: int) -> None:
    assert read(stream(*tokens(text, size)), EVENT)[0] == text


@pytest.mark.parametrize(("sent", "seen"), CONTROL)
def test_rewritten_questions_are_cleaned_alike(sent: str, seen: str) -> None:
    assert ModelText(WORD).flush(sent).strip() == seen


ONE = b'{"choices": [{"delta": {"content": "Send "}}]}'
TWO = b'{"choices": [{"delta": {"content": "DELETE [2]."}, "finish_reason": "stop"}]}'
WHOLE = {
    "choices": [{"message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 5},
}
FORMS = {
    "no line feed at the end": b"data: " + ONE + b"\n\ndata: " + TWO,
    "no space": b"data:" + ONE + b"\n\ndata:" + TWO + b"\n\n",
    "carriage returns": b"data: " + ONE + b"\r\n\r\ndata: " + TWO + b"\r\n\r\n",
    "only carriage returns": b"data: " + ONE + b"\r\rdata: " + TWO + b"\r\r",
    "one line feed between events": b"data: " + ONE + b"\ndata: " + TWO + b"\n",
    "comments, names and empty data": b": hi\n\nevent: x\nid: 1\ndata:\n\ndata: "
    + ONE
    + b"\n\n: hi\n\ndata: "
    + TWO
    + b"\n\n",
    "a mark of byte order": b"\xef\xbb\xbfdata: " + ONE + b"\n\ndata: " + TWO + b"\n\n",
    "an event on several lines": b"data: "
    + ONE
    + b'\n\ndata: {"choices":\ndata: [{"delta": {"content": "DELETE [2]."},\n'
    + b'data: "finish_reason": "stop"}]}\n\n',
    "an end without a reason": stream("Send ", "DELETE [2].", finish=None) + b"data: [DONE]\n\n",
    "one body": json.dumps(WHOLE).encode(),
    "one body on many lines": json.dumps(WHOLE, indent=2).encode() + b"\n",
    "lines of JSON": ONE + b"\n" + TWO + b"\n",
    "parts": stream(
        [{"type": "text", "text": "Send "}], ["DELETE ", {"type": "text", "text": "[2]."}]
    ),
    "parts with thoughts": stream(
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}],
        [{"type": "text", "text": {"value": SAID}}],
    ),
    "odd events": stream("Send ", None, "", 7, {}, [], [None], "DELETE [2].")
    + b'data: {"choices": [], "usage": []}\n\ndata: {"choices": null}\n\n',
    "signs of life": b"data: "
    + ONE
    + b'\n\ndata: ping\n\ndata: null\n\ndata: 7\n\ndata: "hi"\n\ndata: : alive\n\n'
    + b"data: "
    + TWO
    + b'\n\ndata: "[DONE]"\n\n',
    "two events of a line": b"data: " + ONE + b"data: " + TWO + b"\n\n",
    "two objects of a line": b"data: " + ONE + b" " + TWO + b"\n\n",
    "a list of events": b"data: [" + ONE + b"," + TWO + b"]\n\n",
    "a body that is a list": b"[" + ONE + b",\n" + TWO + b"]",
    "objects after a comment": b": hi\n" + ONE + b"\n" + TWO + b"\n",
    "an indented stream": b" data: " + ONE + b"\n\n data: " + TWO + b"\n\n",
    "a delta that is the text": b'data: {"choices": [{"delta": "Send "}]}\n\ndata: ' + TWO,
    "a message that is the text": b'{"choices": [{"message": "Send DELETE [2]."}]}',
    "parts of other names": stream(
        [{"type": "input_text", "text": "Send "}],
        {"text": {"content": "DELETE "}},
        {"type": "text", "content": "[2]."},
    ),
    "usage in place of an end": stream("Send ", "DELETE [2].", finish=None)
    + b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\n',
    "control characters": stream("\x00Send\x08 \x1b[1m", "DELETE\x1b[0m [2]\x7f\x9f.\r"),
    "an end mark in small letters": stream(SAID, finish=None) + b"data: [done]\n\n",
    "thoughts beside it": b'data: {"choices": [{"delta": {"reasoning_content": "Hm"}}]}\n\n'
    + stream(SAID),
}


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_stream_is_read(form: str, size: int) -> None:
    assert read(FORMS[form], size)[0] == SAID


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        (["Yes \ud83d", "\ude00 [1]"], "Yes 😀 [1]"),
        (["Yes \ud83d", "", "\ude00"], "Yes 😀"),
        (["Yes \ud83d", "no"], "Yes �no"),
        (["\ude00 Yes"], "� Yes"),
        (["Yes \ud83d"], "Yes �"),
    ],
)
def test_halves_of_characters_are_joined_or_replaced(pieces: list[str], seen: str) -> None:
    assert read(stream(*pieces), EVENT)[0] == seen


@pytest.mark.parametrize("text", ["", "  \n", "\u200b", "<think>Hm</think>", "Hm</think>\n"])
def test_nothing_visible_is_no_answer(text: str) -> None:
    with pytest.raises(UpstreamError, match="an empty answer"):
        read(stream(text))


@pytest.mark.parametrize(
    ("reasons", "end"),
    [
        ("length max_tokens MAX_TOKENS model_length max_output_tokens token_limit", "length"),
        ("model_context_window_exceeded ERROR_LIMIT incomplete", "length"),
        ("content_filter SAFETY RECITATION sensitive PROHIBITED_CONTENT", "content_filter"),
        ("stop eos end_turn COMPLETE stop_sequence eos_token tool_calls odd", "stop"),
    ],
)
def test_an_answer_that_was_cut_off_says_so(reasons: str, end: str) -> None:
    for reason in reasons.split():
        assert read(stream("Half of", finish=reason))[1].finish_reason == end


@pytest.mark.parametrize("reason", ["error", "abort", "cancelled", "insufficient_system_resource"])
def test_a_model_that_breaks_off_has_failed(reason: str) -> None:
    with pytest.raises(UpstreamError, match="cut off"):
        read(stream("Half of", finish=reason))


@pytest.mark.parametrize("junk", [b'{"choices": [{"del', b"[1, 2]", b'{"choices": 7}', b"[[]]"])
def test_a_broken_event_is_not_skipped(junk: bytes) -> None:
    with pytest.raises(UpstreamError):
        read(b"data: " + ONE + b"\n\ndata: " + junk + b"\n\ndata: " + TWO + b"\n\n")


def test_odd_usage_is_counted_here() -> None:
    odd = b'data: {"choices": [], "usage": {"prompt_tokens": "7", "completion_tokens": null}}\n\n'
    usage = read(stream(SAID) + odd)[1]
    assert usage.prompt_tokens > 7
    assert usage.completion_tokens > 1


@pytest.mark.parametrize(
    "piece", ["Send it. ", "Use the button or send DELETE to it [1]. ", "- Send DELETE\n"]
)
def test_endless_repetition_is_cut_off(piece: str) -> None:
    text, usage = read(stream("The answer: ", *[piece] * 400))
    assert text.count(piece.strip()) < 60
    assert len(text) < 500
    assert usage.finish_reason == "length"


def test_a_table_and_a_list_are_no_repetition() -> None:
    text = "".join(f"| {n} | Send DELETE to it |\n" for n in range(200)) + "| --- " * 200
    assert read(stream(*tokens(text, 20)))[0] == text.strip()
