"""Say what a tag in a model's text means, by families of chat templates.

A tag is `<name>`, `<|name|>`, `[NAME]` or `◁name▷`. Its signs may be escaped or full-width. Its
kind is one of these, or empty for an ordinary text:

thought, thought_end   around thoughts
call, called           around a tool call or its result
details_end            after thoughts that began with `<details type="reasoning">`
prelude, phrase        around thoughts that begin and end with certain words
role, channel          before a header that names a role or a channel
aside, final           before a text that is not for readers, and before the answer
ours, other            before a turn of the model, and of another role
end                    after the answer
mark                   anything else that is not part of the answer
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from rag.answering.marker_grammar import beginnings

MAX_TAG = 130
"""Characters of the longest tag, and of the longest header that names a role or a channel."""

_LT, _GT = r"(?:\\?[<＜]|&lt;)", r"(?:\\?[>＞]|&gt;)"
_CITED = r"\ue200[^\ue201\n]{0,90}\ue201|cite(?:turn\d{1,3}[a-z]{3,9}\d{1,3}){1,5}"
"""A citation of a web search, as a model of OpenAI writes it."""
_TAG = re.compile(
    rf"{_LT}{{1,2}}\s?(?P<slash>[/\\]{{0,2}})\s?(?P<bar>[|｜]{{0,2}})(?P<inner>/?)"
    r"(?:DSML[|｜]{1,2} ?)?(?P<name>[A-Za-z][\w▁:-]{0,40})"
    rf"(?P<rest>[\s=][^<>＜＞\n|｜&\\]{{0,50}})?(?P<bar_end>[|｜]?)(?P<alone>/?){_GT}{{1,2}}"
    r"|\[(?P<slash2>/?)(?P<name2>[A-Z][A-Z_ ]{1,24}\d{0,4}|gMASK|think(?:ing)?|cite_(?:start|end))"
    r"\]"
    r"|\[(?P<bar2>\|)(?P<name3>[A-Za-z_]{2,20})\|\]"
    r"|◁(?P<slash3>/?)(?P<name4>\w{1,20})▷"
    r"|assistant(?P<glued>final|analysis|commentary)(?![a-z])"
    rf"|(?P<cited>{_CITED})"
    r"|(?<![^\s(])(?P<switch>/(?:no_?)?think(?![\w/-]))"
)
match, find = _TAG.match, _TAG.search
begun = re.compile(
    r"(?:\\|(?:\\?[<＜]|&(?:l(?:t;?)?)?){1,2})\s?[/\\]{0,2}\s?[|｜]{0,2}/?(?:DSML[|｜]{1,2} ?)?"
    r"(?:[A-Za-z][\w▁:-]{0,40}(?:[\s=][^<>＜＞\n|｜&\\]{0,50})?)?[|｜]?/?(?:\\|[>＞]|&(?:g(?:t;?)?)?)?"
    r"|\[/?\|?(?:[A-Z][A-Z_ ]{1,24}\d{0,4}|[A-Za-z_]{0,20})\|?|◁/?\w{0,20}"
    rf"|{beginnings('assistantfinal')}|assistant[ac][a-z]{{0,9}}|\ue200[^\n]*|/[a-z_]{{0,8}}"
    rf"|{beginnings('citeturn')}|cite[a-z\d]*"
).fullmatch
"""Whether a text that is not longer than a tag may be the beginning of one."""
SPECIAL = (
    r"[<＜\[◁\ue200]|\\(?=[<＜]|$)|&(?=l?t?;?$|lt;)|(?<![^\s(])/(?=n|t|$)"
    rf"|a(?=ssistant[afc]|{beginnings('ssistant')}$)|c(?=iteturn|{beginnings('iteturn')}$)"
)
"""Where a tag may begin."""

FIRST = {
    ":": "mark",
    "thinking...\n": "prelude",
    "thinking…\n": "prelude",
    "here is my thought process:": "prelude",
    "here's my thought process:": "prelude",
    "here are my reasoning steps:": "prelude",
    "thought:": "prelude",
    "here is my response:": "mark",
    "assistant:": "mark",
    "answer:": "mark",
    "**answer:**": "mark",
    "final answer:": "mark",
    "**final answer:**": "mark",
}
"""What models write before their answer, in small letters."""
LAST = {"...done thinking.": "thought_end", "…done thinking.": "thought_end"}
"""What they write on a line of its own after their thoughts."""
NEXT = {"human:": "other"}
"""What they write after an empty line, when they go on with the reader's next question."""
find_prelude_end = re.compile(
    rf"{_TAG.pattern}|(?P<phrase>(?i:(?:\.{{3}}|…)done thinking\."
    r"|here(?: is|['’]s) my (?:final )?(?:response|answer):"
    r"|\n(?:\*\*)?(?:final )?answer:(?:\*\*)?))"
).search
"""Find a tag, or a phrase that ends a prelude."""


Family = tuple[Callable[[str], re.Match[str] | None], str, str, str]


def _family(names: str, shapes: str, opens: str, closes: str) -> Family:
    return re.compile(names.replace(" ", "|")).fullmatch, shapes, opens, closes


_WHOLE = (
    _family("s", "p", "mark", "end"),
    _family("im_start start_of_turn extra_id_1", "pb", "role", "mark"),
    _family("start_header_id header_start start_of_role start turn", "b", "role", "end"),
    _family("channel", "b", "channel", "thought_end"),
    _family(
        "im_end eot_id eot eod eos endoftext end_of_text end_of_turn end_of_utterance eoa eoh",
        *("pbs", "end", "end"),
    ),
    _family(
        "eom_id eom end return call stop endofturn end_of_sentence end_of_message message_end"
        " end_response",
        *("b", "end", "end"),
    ),
    _family("end_final_response", "s", "end", "end"),
    _family("cite_start cite_end", "s", "mark", "mark"),
    _family("unused94", "p", "thought", "thought"),
    _family("unused95", "p", "thought_end", "thought_end"),
)
"""Names of tags, the shapes in which they count, and their kinds if they open and close something.

The shapes are p for plain tags, b for those with bars and s for square ones."""
_FAMILIES = (
    _family(
        r"(?:\w+_)?(?:think|thinking|thoughts?|reasoning|reflect|reflection|monologue)"
        r" (?:thinking|thought|reasoning)_(?:process|content|block|steps?|trace)"
        " reason analysis scratch_?pad cot rationale deliberation planning commentary",
        *("pb", "thought", "thought_end"),
    ),
    _family("think thinking thoughts? reasoning reflection", "s", "thought", "thought_end"),
    _family("details:reasoning", "p", "thought", "thought"),
    _family("details", "p", "", "details_end"),
    _family(
        "(?:tool|function)_(?:calls?(?:_section)?|responses?|results?|use|code|outputs?|request)"
        " toolcalls? function= invoke available_tools",
        *("pbs", "call", "called"),
    ),
    _family("function", "p", "", "called"),
    _family("observation search_results? system_reminder", "p", "call", "called"),
    _family(r"(?:tool_|function_|python_tag)\w* calls python", "b", "call", "called"),
    _family("solution response", "b", "final", "mark"),
    _family("final_response", "s", "final", "mark"),
    _family("inst", "pbs", "other", "ours"),
    _family("sys", "pbs", "other", "mark"),
    _family("assistant model ai bot chatbot", "b", "ours", "ours"),
    _family("user human system tool developer ipython observation", "b", "other", "other"),
    _family("bos pad unk sep cls mask g?_?mask sop", "pbs", "mark", "mark"),
    _family(r"(?:special|reserved|unused(?:_token)?|placeholder)_?\d+", "pbs", "mark", "mark"),
    _family("answer final_answer final response output result assistant", "ps", "mark", "mark"),
    _family(r"\w+", "b", "mark", "mark"),
)
"""The same for names without `begin_` and `end_`."""
is_thought, is_wrapper = _FAMILIES[0][0], _FAMILIES[-2][0]
"""Whether a name is that of a thought, or of a tag around a whole answer."""


def is_hidden(name: str) -> bool:
    """Whether fenced code of this name holds thoughts or a tool call."""
    return _kind(name.lower(), "p", closes=False)[0] in ("thought", "call")


_begins = re.compile(r"(?:begin|start)_(?:of_)?(\w+)|(\w+)_(?:begin|start)").fullmatch
_ends = re.compile(r"end_(?:of_)?(\w+)|(\w+)_end").fullmatch
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_JOINT = re.compile("[▁ -]")
_NAMESPACE = re.compile(r"\A[a-z]+:(?=.)")


class Tag(NamedTuple):
    """What a tag means."""

    kind: str
    name: str = ""
    closes: bool = False


def read(found: re.Match[str]) -> Tag:
    """Say what a tag means; its kind is empty if it is an ordinary text."""
    if glued := found["glued"]:
        return Tag("final" if glued == "final" else "aside")
    if found.lastgroup == "phrase":
        return Tag("phrase")
    if found["cited"] or found["switch"]:
        return Tag("mark", found["switch"] or "")
    is_barred = bool(found["bar"] or found["bar_end"] or found["bar2"])
    shape = "b" if is_barred else "s" if found["name2"] else "p"
    name = found["name"] or found["name2"] or found["name3"] or found["name4"]
    name = _NAMESPACE.sub("", _CAPITAL.sub("_", _JOINT.sub("_", name)).lower())
    name = name.removesuffix("_token")
    closes = any(found[group] for group in ("slash", "inner", "slash2", "slash3"))
    closes |= bool(found["bar_end"] and not found["bar"])
    rest = found["rest"] or ""
    if shape == "p" and (found["alone"] or rest.endswith("/")):
        return Tag("mark" if is_thought(name) else "", name)
    if name == "function" and not closes:
        name += rest[:1]
    elif name == "details" and "reasoning" in rest:
        name += ":reasoning"
    kind, closes = _kind(name, shape, closes=closes)
    return Tag(kind, name, closes)


def _kind(name: str, shape: str, *, closes: bool) -> tuple[str, bool]:
    """Return the kind of a tag, and whether it closes something."""
    for is_one, shapes, opens, ends in _WHOLE:
        if shape in shapes and is_one(name):
            return ends if closes else opens, closes
    for affixed, closing in ((_begins, False), (_ends, True)):
        if shape != "p" and (inside := affixed(name)):
            name, closes = inside[1] or inside[2], closing
    for is_one, shapes, opens, ends in _FAMILIES:
        if shape in shapes and is_one(name):
            return ends if closes else opens, closes
    return "", closes
