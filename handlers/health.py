"""GET /health: is the service up, and with `deep=true` is everything it depends on."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Response
from pydantic import BaseModel

from handlers.schemas import ReaderAddress
from rag.chat import admission
from rag.ops import diagnostics
from rag.providers import get_clients

NEEDS = ()

State = Literal["configured", "ok", "embedded", "down"]
"""`ok`: configured, and just reached."""


class HealthResponse(BaseModel):
    status: Literal["ok", "degraded"]
    qdrant: State
    postgres: State
    openai: State
    cohere: State
    engines: dict[str, str]
    problems: dict[str, str] = {}
    """By service, in a sentence; only `deep=true` finds them."""


async def _uncached(response: Response) -> None:
    """A cache may keep the answer but must ask again.

    With `no-store` Chromium leaves an unread body on the line, and a page that calls
    `fetch("/health")` and looks no further never finishes loading.
    """
    response.headers["Cache-Control"] = "no-cache"


async def health(
    deep: bool = False,
    address: ReaderAddress = "",
    uncached: Annotated[None, Depends(_uncached)] = None,
) -> HealthResponse:
    """Cheap by default: it looks at settings only and wakes no sleeping database.

    With `deep` it asks each service, which costs a call of each, so that counts as a question.
    """
    clients, problems = get_clients(), {}
    states = clients.states()
    if deep:
        await admission.admit(clients, address, questions=0)
        problems = await diagnostics.examine(clients)
        states = {
            name: "down" if name in problems else "ok" if state == "configured" else state
            for name, state in states.items()
        }
    return HealthResponse.model_validate(
        {
            "status": "degraded" if problems else "ok",
            **states,
            "engines": clients.engines(),
            "problems": problems,
        }
    )
