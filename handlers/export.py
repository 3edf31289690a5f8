"""GET /chat/sessions/{session_id}/export: download a conversation."""

from __future__ import annotations

from typing import Literal

from fastapi import Response

from rag.conversations import store as conversations
from rag.conversations.export import as_json, as_markdown
from rag.errors import NotFound
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)

FORMATS = {
    "markdown": (as_markdown, "text/markdown; charset=utf-8", "conversation.md"),
    "json": (as_json, "application/json", "conversation.json"),
}


async def export(session_id: str, format: Literal["markdown", "json"] = "markdown") -> Response:
    """Download the whole conversation as Markdown or JSON."""
    clients = get_clients()
    settings = clients.settings
    found = await conversations.export(
        await clients.database(), session_id, retention_days=settings.retention_days
    )
    if found is None:
        raise NotFound(detail="This conversation does not exist or has been deleted.")
    write, media_type, name = FORMATS[format]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(write(found, settings.book_title), media_type=media_type, headers=headers)
