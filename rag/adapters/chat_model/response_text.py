"""Turn what a model sends into the text of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.adapters.chat_model.thinking import ControlText
from rag.answering.prompt import Message, count_tokens
from rag.models import Usage

_LONGEST_PERIOD = 200
"""Characters of a text that a model may repeat without end."""
_REPEATS = 6
_LOOP = 300
"""Characters that such repeats have at least, together."""

_CONTROLS = re.compile(r"\x1b\[[\d;]{0,12}[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, except tabs and line feeds. Databases take no NUL."""
_FENCE_NAME = (
    r"(?:\[\d{1,9}\]|(?:PASSAGES?|CONVERSATION|SELECTED|(?:LAST )?QUESTION|MEANT|HEADINGS|NAME)\b)"
    r"(?:[ \t]+\w+)*+"
)
# A weak model also repeats `word` and `x7`, which stand for the random word in the rules.
_FENCE = re.compile(
    rf"<<<[ \t]*{_FENCE_NAME}[^\S\n]*(?:>>>)?(?:\n|$)"
    r"|^[ \t>]*+(?:[0-9a-f]{6,24}|word|x7)[ \t]*>>>+[ \t]*(?:\n|$)",
    re.MULTILINE,
)
_fence_begun = re.compile(
    r"(?:<{1,2}|<<<[^\n]{0,100}|(?:(?<=\n)|^)[ \t>]*+[0-9a-fwordx]{0,24}+[ \t]*+>{0,9}+[ \t]*+)$"
).search
_last_word = re.compile(r"^(\w{8,})>>>\s*$", re.MULTILINE).findall


def content_text(content: object) -> str:
    """Return the text of a message's content: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        return "".join(map(content_text, content))
    if isinstance(content, Mapping) and str(content.get("type") or "text").endswith("text"):
        return content_text(next(filter(None, map(content.get, ("text", "value", "content"))), ""))
    return ""


def fence_word(messages: Sequence[Message]) -> str:
    """Return the random word of the prompt's fence lines."""
    found = _last_word(messages[-1]["content"]) if messages else []
    return found[-1] if found else ""


def received_text(message: Mapping[str, Any]) -> str:
    """Return all text of a message, thoughts included, to count its tokens."""
    content, refusal = message.get("content"), message.get("refusal")
    thought = message.get("reasoning_content") or message.get("reasoning")
    return "".join(map(content_text, (content, refusal, thought))) or str(content or "")


def read_usage(reported: object, messages: Sequence[Message], received: str) -> Usage:
    """Return the reported usage; where the server reports none, count tokens."""
    usage = reported if isinstance(reported, Mapping) else {}
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None:
        prompt = sum(count_tokens(message["content"]) + 4 for message in messages)
    return Usage(prompt, count_tokens(received) if completion is None else completion)


def _count(tokens: object) -> int | None:
    """Return a reported number of tokens, or None if it is none."""
    return tokens if type(tokens) is int and tokens >= 0 else None


def _paired(text: str) -> str:
    """Join the halves of surrogate pairs. Single ones become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class _FenceLines:
    """Removes fence lines of the prompt, which weak models repeat, in code too."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._held = ""
        self._line_begun = False
        """Whether part of the current line was returned."""

    def feed(self, text: str) -> str:
        return self._clean(self._held + text, final=False)

    def flush(self, text: str) -> str:
        return self._clean(self._held + text, final=True)

    def _clean(self, text: str, *, final: bool) -> str:
        mark = "\0" if self._line_begun else ""  # `^` must not match in the middle of a line
        text = mark + text
        cut = len(text)
        if not final:
            if begun := _fence_begun(text):
                cut = begun.start()
            for length in range(min(len(self._word), len(text)) - 1, 0, -1):
                if text.endswith(self._word[:length]):
                    cut = min(cut, len(text) - length)
                    break
            whole = text.rstrip(">")
            if self._word and whole.endswith(self._word):
                cut = min(cut, len(whole) - len(self._word))
        self._held = text[cut:]
        text = _FENCE.sub("", text[:cut])
        while self._word and self._word in text:  # in a form that is none of the prompt's
            before, _, after = text.partition(self._word)
            start = before.rfind("<<<", before.rfind("\n") + 1)
            text = before[: start if start != -1 else None] + after.lstrip(">")
        text = text.removeprefix(mark)
        if text:
            self._line_begun = not text.endswith("\n")
        return text


class ModelText:
    """Reads a model's text as it arrives and returns what readers may see of it."""

    def __init__(self, word: str = "") -> None:
        self._surrogate = ""
        """Half of a surrogate pair, whose other half is in the next piece."""
        self._fences = _FenceLines(word)
        self._control = ControlText()

    @property
    def restarted(self) -> bool:
        """Whether the answer starts over with the text returned last."""
        return self._control.restarted

    def feed(self, content: object) -> str:
        """Process the next piece of a message's content and return the text that is final."""
        return self._control.feed(self._fences.feed(self._decode(content, final=False)))

    def flush(self, content: object = "") -> str:
        """Process the last piece and return the rest of the text."""
        return self._control.flush(self._fences.flush(self._decode(content, final=True)))

    def _decode(self, content: object, *, final: bool) -> str:
        text = self._surrogate + content_text(content)
        is_half = not final and "\ud800" <= text[-1:] <= "\udbff"
        self._surrogate = text[-1] if is_half else ""
        return _CONTROLS.sub("", _paired(text[:-1] if is_half else text))


def loop_length(text: str) -> int:
    """Return how many characters at the end of a text only repeat what is before them.

    0 unless a piece of at most 200 characters, with letters, is repeated at least six times.
    """
    tail = text[-_LONGEST_PERIOD * (_REPEATS + 1) :]
    for period in range(1, min(_LONGEST_PERIOD, len(tail) // _REPEATS) + 1):
        piece = tail[-period:]
        repeats = max(_REPEATS, -(-_LOOP // period))
        length = period * repeats
        if any(map(str.isalpha, piece)) and text.endswith(piece * repeats):
            while text.endswith(piece, 0, len(text) - length):
                length += period
            return length - period
    return 0
