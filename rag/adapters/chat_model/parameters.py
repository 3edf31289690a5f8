"""What each chat model accepts, and how that is found out.

The first request asks for the least reasoning, and has every optional parameter that the model's
name suggests. Parameters that the server refuses are left out from then on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.answering.prompt import Message

log = logging.getLogger(__name__)

_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d|oss)(?!.*chat))")
"""Reasoning models: they take no temperature, and their thoughts count as output."""
_LEAST_EFFORTS = (
    (re.compile(r"(?:^|/)(?:o\d|gpt-oss)"), "low"),
    (re.compile(r"(?:^|/)gpt-5(?![.\d])"), "minimal"),
)
"""The least effort of models that do not take `none`."""
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_GUESSES = _EFFORTS[:3]
"""What is tried if the server does not say which it takes."""
_NO_PARAMETER = re.compile(r"parameter|argument|unrecogni[sz]ed|unknown|unexpected|extra", re.I)
_efforts_in = re.compile(rf"\b(?:{'|'.join(_EFFORTS)})\b").findall
_THINKING_TOKENS = 2000
"""Allowed for thoughts, in addition to a reply's own tokens."""
_TEMPERATURE = 0.2
_TOO_LONG = re.compile(r"too (?:large|long)|context (?:length|window)|maximum", re.I)
"""An error that names a parameter although the server knows it."""
_NO = r"(?:\bnot\b|n't\b|\bunsupported|\bunknown|\binvalid|\bunexpected|\bonly\b|不)"
_ROLE = re.compile(
    r"(?<![a-z])roles?(?![a-z])|['\"`]system['\"`]|\bfirst message\b|角色"
    r"|\b(?:start|begin)s? with (?:a|the) user"
    r"|(?<![a-z])(?:system|developer)[ _]?(?:messages?|prompts?|instructions?|turns?)(?![a-z])"
    rf"|\bsystem\b[^.]{{0,20}}{_NO}[^.]{{0,20}}support|{_NO}[^.]{{0,20}}\bsystem$",
    re.I,
)
"""How servers and chat templates refuse a system message."""
_REFUSALS = (400, 422, 424, 500, 501)
"""Status codes with which they do."""
_REPLACED_BY = {"max_completion_tokens": "max_tokens"}
_REQUIRED = frozenset(("model", "stream", "messages", "extra_body"))


class Capabilities:
    """What one model accepts, as far as it is known."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._refused: set[str] = set()
        self._refused_efforts: set[str] = set()
        self._effort = ""
        """The least reasoning effort; empty if the model does not reason."""
        self.system_role = True
        if _REASONS.search(model):
            efforts = (effort for name, effort in _LEAST_EFFORTS if name.search(model))
            self._effort = next(efforts, "none")

    @property
    def thinking_tokens(self) -> int:
        """Tokens allowed for thoughts; 0 if the model can be asked not to think."""
        can_disable_reasoning = not self._effort or (
            self._effort == "none" and "reasoning_effort" not in self._refused
        )
        return 0 if can_disable_reasoning else _THINKING_TOKENS

    def parameters(self, tokens: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a request that asks for at most `tokens` tokens."""
        body: dict[str, Any] = {"model": self._model, **options}
        if not self._effort:
            body["temperature"] = _TEMPERATURE
        else:
            body["reasoning_effort"] = self._effort
        body["max_completion_tokens"] = tokens + self.thinking_tokens
        for name in [name for name in body if name in self._refused]:
            value = body.pop(name)
            if (other := _REPLACED_BY.get(name)) and other not in self._refused:
                body[other] = value
        return body

    def learn(self, body: Mapping[str, Any], text: str) -> bool:
        """Learn from the error of a request. Return whether to send another one."""
        if _TOO_LONG.search(text):
            return False
        named = [n for n in body if n not in _REQUIRED and re.search(rf"\b{n}\b", text)]
        for name in named:
            if name == "reasoning_effort" and self._changes_effort(body[name], text):
                continue
            log.info("%s does not accept %s", self._model, name)
            self._refused.add(name)
        return bool(named)

    def _changes_effort(self, refused: str, text: str) -> bool:
        """Choose another effort. Return False if the server does not take the parameter."""
        self._refused_efforts.add(refused)
        if self._effort != refused:
            return True  # another request has found out meanwhile
        left = [each for each in _EFFORTS if each not in self._refused_efforts]
        named = [each for each in left if each in _efforts_in(text)]
        if not named and _NO_PARAMETER.search(text) and "value" not in text.lower():
            return False
        for effort in named or [each for each in left if each in _GUESSES]:
            self._effort = effort
            return True
        return False


def refuses_role(text: str, status: int = 400) -> bool:
    """Whether an error may mean that the model takes no system message."""
    return status in _REFUSALS and bool(_ROLE.search(text))


def without_system_role(messages: Sequence[Message]) -> list[Message]:
    """Put the system message into the first message of the reader."""
    system = [each["content"] for each in messages if each["role"] == "system"]
    first, *rest = (each for each in messages if each["role"] != "system")
    return [{**first, "content": "\n\n".join([*system, first["content"]])}, *rest]
