"""POST /chat/sessions/{session_id}/turns/{n}/feedback: rate an answer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, StringConstraints

from handlers.schemas import ReaderAddress, Text
from rag.conversations import store as conversations
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)
NO_ANSWER = "This answer does not exist or its conversation has been deleted."


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
    """Store a rating of an answer. It replaces an earlier one.

    A comment counts like a question against the rate, and in the day's space for conversations.
    """
    from rag.chat import admission, space

    clients, comment = get_clients(), request.comment
    admission.admit_cheap(clients, address)
    database = await clients.database()
    counted = space.space_for(clients, address, len(comment.encode())) if comment else nullcontext()
    async with counted:
        if not await conversations.rate(database, session_id, n, request.rating, comment):
            raise NotFound(detail=NO_ANSWER)
    return FeedbackResponse(session_id=session_id, n=n, rating=request.rating)
