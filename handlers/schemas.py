"""Request and response fields that several handlers share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, BeforeValidator, StringConstraints

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def clean(value: Any) -> Any:
    """Drop what no reader can mean: control characters and halves of surrogate pairs."""
    return _CONTROL.sub("", value) if isinstance(value, str) else value


def string_or_none(value: Any) -> str | None:
    """Session ids are never refused: what is no string is no id."""
    return value if isinstance(value, str) else None


async def _address(request: Request) -> str:
    """As the host's own hop tells it; all whose address is not known count as one reader.

    A coroutine, because FastAPI takes a plain function to a thread and back.
    """
    return str(getattr(request.state, "client", "") or "unknown")


ReaderAddress = Annotated[str, Depends(_address)]
"""Where the reader is, for the limits. A program that calls a handler leaves it empty."""


def no_truth(value: Any) -> Any:
    """JSON's `true` is no 1, though Python takes it for one."""
    if isinstance(value, bool):
        raise ValueError("a number is expected")
    return value


Text = Annotated[str, BeforeValidator(clean), StringConstraints(strip_whitespace=True)]


class ClaimModel(BaseModel):
    """Where one marker leads."""

    slug: str
    section: str
    url: str
    snippet: str


class RelatedModel(BaseModel):
    """A section near the answer that the answer does not cite."""

    title: str
    section: str
    slug: str
    url: str


class SourceModel(BaseModel):
    """A passage that an answer cites."""

    chunk_id: str
    title: str
    section: str = ""
    slug: str
    url: str = ""
    snippet: str = ""
    score: float
    source_path: str = ""
    highlight: str = ""
    """The sentence nearest to the question, without Markdown; empty where there is none."""
    claims: list[ClaimModel] = []
    """One for each marker of this source in the message, in the order of the markers."""
