"""DELETE /chat/sessions/{session_id}: delete a conversation immediately and completely."""

from __future__ import annotations

from pydantic import BaseModel

from rag.conversations import store as conversations
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)


class DeleteResponse(BaseModel):
    session_id: str
    deleted: int
    """Number of deleted turns."""


async def delete(session_id: str) -> DeleteResponse:
    """Delete a conversation. If it does not exist, or was deleted before, return 404."""
    deleted = await conversations.delete(await get_clients().database(), session_id)
    if not deleted:
        raise NotFound(detail="This conversation does not exist or is already deleted.")
    return DeleteResponse(session_id=session_id, deleted=deleted)
