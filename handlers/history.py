"""GET /chat/sessions/{session_id}: a conversation, oldest turn first."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from handlers.schemas import RelatedModel, SourceModel
from rag.conversations import store as conversations
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)


class TurnModel(BaseModel):
    n: int
    question: str
    answer: str
    sources: list[SourceModel]
    related: list[RelatedModel] = []
    metadata: dict[str, Any]
    created_at: datetime | None
    rating: int | None = None


class HistoryResponse(BaseModel):
    session_id: str
    turns: list[TurnModel]
    total: int
    next: int | None
    """The `after` of the next page; null on the last page."""


async def history(
    session_id: str,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> HistoryResponse:
    """Return up to `limit` turns of a conversation, following turn `after`."""
    clients = get_clients()
    page = await conversations.page(
        await clients.database(),
        session_id,
        after,
        limit,
        retention_days=clients.settings.retention_days,
    )
    if page is None:
        raise NotFound(detail="This conversation does not exist or has been deleted.")
    last = page.turns[-1].n if page.turns else page.total
    return HistoryResponse(
        session_id=session_id,
        turns=[TurnModel.model_validate(dataclasses.asdict(turn)) for turn in page.turns],
        total=page.total,
        next=last if last < page.total else None,
    )
