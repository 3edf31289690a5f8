"""GET /health: whether the service is up and, with `deep=true`, everything it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Header, Response
from pydantic import BaseModel

from handlers.author import is_author
from handlers.schemas import ReaderAddress
from rag.providers import Clients, get_clients

if TYPE_CHECKING:
    from rag.ops.diagnostics import Problems

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
    """A sentence per failing service; only with `deep=true`. Details are for the author only."""
    warnings: list[str] = []
    """Models that are shut down soon or cannot be used; with `deep=true`, for the author only."""


async def _uncached(response: Response) -> None:
    """Make caches revalidate the response.

    With `no-store`, Chromium does not consume an unread body, and a page that calls
    `fetch("/health")` without reading the response never finishes loading.
    """
    response.headers["Cache-Control"] = "no-cache"


async def health(
    deep: bool = False,
    authorization: Annotated[str, Header()] = "",
    address: ReaderAddress = "",
    uncached: Annotated[None, Depends(_uncached)] = None,
) -> HealthResponse:
    """Report the service's health.

    By default, only the settings are checked, and a sleeping database is not woken. With `deep`,
    each service is called, at most once a minute, so the request is rate limited like a question.
    Only the author learns more than which services are down: with the admin token or, where none
    is set, on the machine that the service runs on.
    """
    clients = get_clients()
    found = await _deep_check(clients, address) if deep else {}
    detailed = deep and is_author(clients, authorization, address)
    problems = {
        service: problem.remedy if detailed else problem.public
        for service, problem in found.items()
        if detailed or service in clients.states()
    }
    states = {
        name: "down" if name in problems else "ok" if deep and state == "configured" else state
        for name, state in clients.states().items()
    }
    return HealthResponse.model_validate(
        {
            "status": "degraded" if problems else "ok",
            **states,
            "engines": clients.engines(),
            "problems": problems,
            "warnings": await _warnings(clients) if detailed else [],
        }
    )


async def _deep_check(clients: Clients, address: str) -> Problems:
    """Return the last minute's check, or make one, which counts as a request."""
    from rag.chat import admission
    from rag.ops import diagnostics

    if (recent := diagnostics.recent_check(clients)) is not None:
        return recent
    await admission.admit(clients, address)
    return await diagnostics.shared_check(clients)


async def _warnings(clients: Clients) -> list[str]:
    from rag.ops.model_watch import model_warnings

    return await model_warnings(clients)
