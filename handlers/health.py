"""GET /health: whether the service is up and, with `deep=true`, everything it depends on."""

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
"""`ok` means configured and reachable."""


class HealthResponse(BaseModel):
    status: Literal["ok", "degraded"]
    qdrant: State
    postgres: State
    openai: State
    cohere: State
    engines: dict[str, str]
    problems: dict[str, str] = {}
    """A sentence per failing service; only with `deep=true`."""


async def _uncached(response: Response) -> None:
    """Make caches revalidate the response.

    With `no-store`, Chromium does not consume an unread body, and a page that calls
    `fetch("/health")` without reading the response never finishes loading.
    """
    response.headers["Cache-Control"] = "no-cache"


async def health(
    deep: bool = False,
    address: ReaderAddress = "",
    uncached: Annotated[None, Depends(_uncached)] = None,
) -> HealthResponse:
    """Report the service's health.

    By default, only the settings are checked, and a sleeping database is not woken. With `deep`,
    each service is called once, so the request is rate limited like a question.
    """
    clients, problems = get_clients(), {}
    states = clients.states()
    if deep:
        await admission.admit(clients, address)
        problems = await diagnostics.check_services(clients)
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
