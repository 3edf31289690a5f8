"""Remove the control text that models write as part of their answers.

Open-weight models, and servers with another chat template, write thoughts, tool calls, roles and
end marks as text. All families are read here, for answers and rewritten questions alike:

- Thoughts and tool calls are removed, also if they never end.
- If only the end of a thought arrives, or a final channel begins, the text before it was a thought.
- After an end mark, or when the model begins a turn of another role, the rest is removed.
- Other marks of chat templates are removed.

Tags in inline and fenced code are part of the answer. Text is held back only while more text could
change how it is read.
"""

from __future__ import annotations

import re

MAX_TAG = 100
"""Characters of the longest tag, and of the longest header that names a role or a channel."""
MAX_CODE = 1000
"""Characters of the longest inline code, and of the opening line of fenced code."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_THOUGHTS = _words(
    "think thinking thought thoughts reason reasoning reflect reflection analysis scratchpad"
    " scratch_pad chain_of_thought cot inner_monologue internal_monologue inner_thoughts"
    " internal_thoughts deep_think thinking_process reasoning_process"
)
_THOUGHT_ENDINGS = ("_think", "_thinking", "_thought", "_thoughts", "_reasoning")
_CALLS = _words(
    "tool_call tool_calls function_call function_calls toolcall tool_response tool_responses"
    " tool_result tool_results tool_use tool_code tool_output tool_calls_section invoke"
)
_OTHERS = _words("user human system tool developer ipython inst sys")
_OURS = _words("assistant model ai bot chatbot")
_HEADERS = _words("im_start start_header_id header_start start turn start_of_turn")
_ENDS = _words(
    "im_end eot_id eom_id eot eom endoftext end_of_text end return call eos eod stop end_of_turn"
    " endofturn end_of_sentence end_of_message message_end end_response"
)
_PLAIN_ENDS = _words("end_of_turn eos eod eot end_of_text endoftext")
"""End marks that are also written without bars."""
_PLAIN_MARKS = _words("bos pad unk sep cls mask gmask sop answer final_answer final response")
_ENDED_BY = {"thought_end": ("thought", "aside"), "ours": ("other", "aside"), "called": ("call",)}
"""The modes that a tag ends."""
_NAMESPACE = re.compile(r"(?:ant|antml|seed|minimax):")
_opening = re.compile(r"(?:begin|start)_(?:of_)?(\w+)|(\w+)_(?:begin|start)").fullmatch
_closing = re.compile(r"end_(?:of_)?(\w+)|(\w+)_end").fullmatch

_TAG = re.compile(
    r"<{1,2}\s?(?P<slash>/?)\s?(?P<bar>[|｜]?)(?P<inner>/?)(?P<name>[A-Za-z][\w▁:-]{0,40})"
    r"(?P<rest>[\s=][^<>\n|｜]{0,50})?(?P<bar_end>[|｜]?)>{1,2}"
    r"|\[(?P<slash2>/?)(?P<name2>(?:[A-Z_]{2,20}|gMASK))\]"
    r"|\[(?P<bar2>\|)(?P<name3>[A-Za-z_]{2,20})\|\]"
    r"|◁(?P<slash3>/?)(?P<name4>\w{1,20})▷"
    r"|\bassistant(?P<glued>final|analysis)(?=[A-Z*#\d])"
)
_tag_begun = re.compile(
    r"<{1,2}\s?/?\s?[|｜]?/?(?:[A-Za-z][\w▁:-]{0,40}(?:[\s=][^<>\n|｜]{0,50})?)?[|｜]?>?"
    r"|\[/?\|?(?:[A-Za-z_]{0,20})\|?"
    r"|◁/?\w{0,20}"
    r"|assistant(?:f(?:i(?:n(?:al?)?)?)?|a(?:n(?:a(?:l(?:y(?:s(?:is?)?)?)?)?)?)?)?"
).fullmatch
_SPECIAL = re.compile(r"[<\[◁`~\n]|\bassistant")
_PREFIX = r"[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+"
_opens_fence = re.compile(rf"{_PREFIX}(`{{3,}}(?=[^`\n]*(?:\n|$))|~{{3,}})").match
_may_open_fence = re.compile(
    rf"{_PREFIX}(?:[-*+]|\d{{1,9}}[.)]?|`{{1,2}}|~{{1,2}}|`{{3,}}+[^`\n]*+|~{{3,}}+[^\n]*+)?"
).fullmatch
_closes_fence = re.compile(r"[ \t>]*+(`{3,}|~{3,})[ \t]*+(?=\n|$|<[|｜/]|<end_of)").match
_may_close_fence = re.compile(r"[ \t>]*+[`~]*+[ \t]*+(?:<[^\n]{0,12})?").fullmatch
_marks = re.compile(r"`+|~+").match
_backticks = re.compile(r"`+").finditer
_heading = re.compile(
    r"#{2,3} (?:(instruction|human|user)|assistant|response):[ \t]*\n?", re.IGNORECASE
).match
_may_be_heading = re.compile(r"#{1,3}(?: [A-Za-z]{0,11}:?)?").fullmatch
_role = re.compile(
    r"\s*(?:(assistant|model|ai|bot|chatbot)|(user|human|system|tool|developer|ipython))"
    r"(?![a-z])[ \t:]*",
    re.IGNORECASE,
).match
_channel = re.compile(r"\s*final(?![a-z])[ \t]*", re.IGNORECASE).match
_blank = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff\u3164\u2800]*").match


class ControlText:
    """Reads a model's text as it arrives and returns the part of it that is an answer."""

    def __init__(self) -> None:
        self._held = ""
        """Input that is not decided yet."""
        self._mode = ""
        """The part that is being read:

        ""       the answer
        role     the header of a turn, and
        channel  the header of a channel, up to a line break or a tag
        thought  up to its end mark
        aside    a channel that is not the final one
        call     a tool call, up to its end mark
        other    another role's turn before the answer
        between  after `<|end|>`, which a final channel may follow
        over     after the answer
        """
        self._before = ""
        """The mode before a header."""
        self._fence = ""
        """The marks that opened the current fenced code."""
        self._last = ""
        """The last character of the answer; empty before it."""
        self._struck = False
        """Whether an `<s>` is open: the next `</s>` is not an end mark."""
        self._out: list[str] = []
        self._withdrawn = False

    def feed(self, text: str) -> tuple[bool, str]:
        """Return whether the answer starts over, without its earlier text, and its next text."""
        return self._run(self._held + text, final=False)

    def end(self) -> tuple[bool, str]:
        """Return the same for the text that was held back."""
        return self._run(self._held, final=True)

    def _run(self, text: str, *, final: bool) -> tuple[bool, str]:
        at = 0
        while at < len(text):
            after = self._step(text, at, final)
            if after == at:
                break
            at = after
        self._held = text[at:]
        result = self._withdrawn, "".join(self._out)
        self._withdrawn = False
        self._out.clear()
        return result

    def _step(self, text: str, at: int, final: bool) -> int:
        """Read from `at` and return where to go on, or `at` if more text is needed."""
        if self._mode in ("role", "channel"):
            return self._read_header(text, at, final)
        if self._mode:
            return self._skip(text, at, final)
        if self._fence:
            return self._read_fenced(text, at, final)
        if self._last in ("", "\n") and (found := self._read_line_start(text, at, final)) != -1:
            return found
        found_at = special.start() if (special := _SPECIAL.search(text, at)) else len(text)
        if found_at > at:
            return self._copy(text, at, found_at)
        if text[at] == "\n":
            return self._copy(text, at, at + 1)
        return (self._read_code if text[at] in "`~" else self._read_tag)(text, at, final)

    def _copy(self, text: str, at: int, end: int) -> int:
        """Add to the answer, without white space at its beginning."""
        start = at if self._last else _blank(text, at, end).end()  # type: ignore[union-attr]
        if start < end:
            self._out.append(text[start:end])
            self._last = text[end - 1]
        return end

    # ------------------------------------------------------------ the answer

    def _read_line_start(self, text: str, at: int, final: bool) -> int:
        """Read what matters only at the start of a line. Return -1 if there is nothing of it."""
        end = text.find("\n", at)
        line = text[at:] if end == -1 else text[at : end + 1]
        if final or end != -1 or len(line) > MAX_CODE:
            if found := _opens_fence(line):
                self._fence = found[1]
                return self._copy(text, at, at + len(line))
        elif _may_open_fence(line) or _may_be_heading(line):
            return at
        if heading := _heading(line):
            self._apply("other" if heading[1] else "ours", "")
            return at + heading.end()
        if not self._last and "analysis".startswith(line[:8]) and not final:
            return at
        if not self._last and line.startswith("analysis") and line[8:9].isupper():
            self._apply("channel", "")
            self._mode = "aside"
            return at + 8
        return -1

    def _read_code(self, text: str, at: int, final: bool) -> int:
        run = _marks(text, at)[0]  # type: ignore[index]  # the caller saw a mark
        begun = at + len(run)
        if run[0] == "~":
            return self._copy(text, at, begun)
        end = text.find("\n", at)
        is_open = not final and end == -1 and len(text) - at <= MAX_CODE
        for marks in _backticks(text, begun, len(text) if end == -1 else end):
            if marks[0] == run and not (is_open and marks.end() == len(text)):
                return self._copy(text, at, marks.end())
        return at if is_open else self._copy(text, at, begun)

    def _read_fenced(self, text: str, at: int, final: bool) -> int:
        """Copy one line of fenced code, or the part of it that is there."""
        end = text.find("\n", at) + 1
        if self._last == "\n":
            if not (end or final) and _may_close_fence(text, at) and len(text) - at <= MAX_CODE:
                return at
            found = _closes_fence(text, at)
            if found and found[1].startswith(self._fence):
                self._fence = ""
                return self._copy(text, at, found.end())
        return self._copy(text, at, end or len(text))

    # ------------------------------------------------------------ tags

    def _read_tag(self, text: str, at: int, final: bool) -> int:
        found = _TAG.match(text, at)
        if not final and len(text) - at <= MAX_TAG and _tag_begun(text, at):
            return at
        kind = self._kind(found) if found else ""
        if not (found and kind):
            return self._copy(text, at, at + 1)
        self._apply(kind, found[0])
        return found.end()

    def _skip(self, text: str, at: int, final: bool) -> int:
        """Skip hidden text up to the next tag."""
        if found := _TAG.search(text, at):
            self._apply(self._kind(found), found[0])
            return found.end()
        start = max(at, len(text) - MAX_TAG)
        for begun in range(start, len(text)):
            if text[begun] in "<[◁a" and _tag_begun(text, begun):
                return begun if begun > at else at if not final else len(text)
        return len(text)

    def _read_header(self, text: str, at: int, final: bool) -> int:
        """Read the name of a role or channel."""
        tag, end = _TAG.search(text, at), text.find("\n", at)
        cut = tag.start() if tag and (end == -1 or tag.start() < end) else end
        if cut == -1:
            if not final and len(text) - at <= MAX_TAG:
                return at
            cut = len(text)
        header, kind, rest = text[at:cut], "", text[at:cut]
        if self._mode == "channel":
            found = _channel(header)
            kind = "final" if found else "aside"
        elif found := _role(header):
            kind = "ours" if found[1] else "other"
        if found:
            rest = header[found.end() :]
        self._mode = self._before
        if kind:
            self._apply(kind, "")
        if not self._mode and rest.strip():
            self._copy(rest, 0, len(rest))
        return cut + (cut == end)

    def _kind(self, tag: re.Match[str]) -> str:
        """Return what a tag is: empty if it is an ordinary text."""
        if glued := tag["glued"]:
            return "final" if glued == "final" else "aside"
        name = (tag["name"] or tag["name2"] or tag["name3"] or tag["name4"]).lower()
        name = _NAMESPACE.sub("", name.replace("▁", "_")).removesuffix("_token")
        bar = bool(tag["bar"] or tag["bar_end"] or tag["bar2"])
        closes = bool(tag["slash"] or tag["inner"] or tag["slash2"] or tag["slash3"])
        closes |= bool(tag["bar_end"] and not tag["bar"])
        if name == "s" and not bar:
            if not closes and self._last:
                self._struck = True
            if self._struck:
                self._struck = not closes
                return ""
            return "end" if closes else "mark"
        if name in _HEADERS and not closes and (bar or name == "start_of_turn"):
            return "role"
        if name == "channel" and bar:
            return "thought_end" if closes else "channel"
        if (bar or name in _PLAIN_ENDS or tag["name2"] == "EOS") and name in _ENDS:
            return "end"
        if closes and bar and name == "turn":
            return "end"
        base = name
        for match, ends in ((_opening, False), (_closing, True)):
            if bar and (found := match(name)):
                base, closes = found[1] or found[2], ends
        return self._kind_of(base, tag, bar=bar, closes=closes)

    def _kind_of(self, name: str, tag: re.Match[str], *, bar: bool, closes: bool) -> str:
        if tag["name2"] and name not in ("think", "inst"):
            is_call = name.startswith("tool_") or name == "available_tools"
            is_mark = name in _PLAIN_MARKS - {"answer", "final", "response"}
            return ("called" if closes else "call") if is_call else "mark" if is_mark else ""
        if name in _THOUGHTS or name.endswith(_THOUGHT_ENDINGS):
            return "thought_end" if closes else "thought"
        if name in ("unused94", "unused95"):
            return "thought" if name == "unused94" else "thought_end"
        if name in _CALLS or (bar and name.startswith(("tool_", "function_", "python_tag"))):
            return "called" if closes else "call"
        if name == "function" and (closes or (tag["rest"] or "").startswith("=")):
            return "called" if closes else "call"
        if bar and name in ("solution", "response"):
            return "mark" if closes else "final"
        if name in ("inst", "sys"):
            return "other" if not closes else "ours" if name == "inst" else "mark"
        if bar and name in _OURS | _OTHERS:
            return "ours" if name in _OURS else "other"
        return "mark" if bar or name in _PLAIN_MARKS or name.startswith("special_") else ""

    def _apply(self, kind: str, tag: str) -> None:
        """Change the mode at a tag."""
        mode = self._mode
        if mode == "over" or not kind:
            return
        if kind == "final" or (kind == "thought_end" and not mode):
            self._mode = ""
            self._withdraw()
        elif kind in ("role", "channel"):
            self._before, self._mode = mode, kind
        elif kind == "aside":
            self._mode = "aside"
        elif mode in _ENDED_BY.get(kind, ()):
            self._mode = ""
        elif kind == "other" and mode in ("", "between"):
            self._mode = "over" if self._last else "other"
        elif not mode and kind in ("thought", "call"):
            self._mode = kind
        elif not mode and kind == "end" and self._last:
            self._mode = "between" if tag.lower() == "<|end|>" else "over"

    def _withdraw(self) -> None:
        self._withdrawn |= bool(self._last)
        self._last = self._fence = ""
        self._out.clear()
