"""POST /chat/sessions/{session_id}/turns/{n}/feedback: rate an answer."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, StringConstraints

from handlers.schemas import ReaderAddress, Text
from rag.conversations import store as conversations
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)


class FeedbackRequest(BaseModel):
    rating: Literal[-1, 0, 1]
    """1 for thumbs up, -1 for thumbs down, 0 to clear the rating."""
    comment: Annotated[Text, StringConstraints(max_length=1000)] = ""


class FeedbackResponse(BaseModel):
    session_id: str
    n: int
    rating: int


async def feedback(
    request: FeedbackRequest,
    session_id: str,
    n: Annotated[int, Path(ge=1, le=2**31 - 1)],
    address: ReaderAddress = "",
) -> FeedbackResponse:
    """Store a rating of an answer. It replaces an earlier one."""
    from rag.chat import admission

    clients = get_clients()
    admission.admit_cheap(clients, address)
    database = await clients.database()
    if not await conversations.rate(database, session_id, n, request.rating, request.comment):
        raise NotFound(detail="This answer does not exist or its conversation has been deleted.")
    return FeedbackResponse(session_id=session_id, n=n, rating=request.rating)
