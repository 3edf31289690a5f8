"""Request and response fields that several handlers share."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rag.language.visible import tidy


def clean(value: Any) -> Any:
    """Remove invisible characters and superfluous white space from a string."""
    return tidy(value) if isinstance(value, str) else value


def clean_question(value: Any) -> Any:
    """Clean a question. Raises an error if nothing of it can be seen."""
    value = clean(value)
    if value == "":
        raise PydanticCustomError("empty", "It has no visible text")
    return value


def string_or_none(value: Any) -> str | None:
    """Treat a session id that is not a string as missing."""
    return value if isinstance(value, str) else None


async def _address(request: Request) -> str:
    """Return the client's address. Clients without a known address are counted as one.

    A coroutine, because FastAPI would run a plain function in a thread.
    """
    return str(getattr(request.state, "client", "") or "unknown")


ReaderAddress = Annotated[str, Depends(_address)]
"""The client's address, for rate limits. Leave it empty in plain function calls."""


def reject_boolean(value: Any) -> Any:
    """Reject booleans where a number is expected: in Python, `True` is an `int`."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "A number is expected")
    return value


class DeferredModel(BaseModel):
    """A model that is built on first use, so that a cold start does not wait for it."""

    model_config = ConfigDict(defer_build=True)


Text = Annotated[str, BeforeValidator(clean)]
QuestionText = Annotated[str, Field(min_length=1, max_length=2000), BeforeValidator(clean_question)]
"""A question. Its length is checked after cleaning."""


class ClaimModel(BaseModel):
    """The target of one citation marker."""

    slug: str
    section: str
    url: str
    snippet: str


class RelatedModel(BaseModel):
    """A relevant section that the answer does not cite."""

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
    """The sentence closest to the question, without Markdown; may be empty."""
    claims: list[ClaimModel] = []
    """One per marker of this source in the message, in order."""
