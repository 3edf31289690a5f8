"""DELETE /chat/sessions/{session_id}: forget a conversation, at once and completely."""

from __future__ import annotations

from pydantic import BaseModel

from rag.conversations import store as conversations
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)


class DeleteResponse(BaseModel):
    session_id: str
    deleted: int
    """How many turns were deleted."""


async def delete(session_id: str) -> DeleteResponse:
    """Delete a conversation. A second time there is nothing left to delete: 404."""
    deleted = await conversations.delete(await get_clients().database(), session_id)
    if not deleted:
        raise NotFound(detail="There is no such conversation, or it is already deleted.")
    return DeleteResponse(session_id=session_id, deleted=deleted)
