"""GET /health: is the service up, and with `deep=true` is everything it depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from rag import doctor
from rag.clients import get_clients

NEEDS = ()

State = Literal["configured", "embedded", "down"]


class HealthResponse(BaseModel):
    status: Literal["ok", "degraded"]
    qdrant: State
    postgres: State
    openai: State
    cohere: State
    engines: dict[str, str]
    problems: dict[str, str] = {}
    """By service, in a sentence; only `deep=true` finds them."""


async def health(deep: bool = False) -> HealthResponse:
    """Cheap by default: it looks at settings only and wakes no sleeping database."""
    clients = get_clients()
    problems = await doctor.examine(clients) if deep else {}
    return HealthResponse.model_validate(
        {
            "status": "degraded" if problems else "ok",
            **clients.states(),
            **dict.fromkeys(problems, "down"),
            "engines": clients.engines(),
            "problems": problems,
        }
    )
