"""GET /chat/sessions/{session_id}/export: a conversation as a file for its reader."""

from __future__ import annotations

from typing import Literal

from fastapi import Response

from rag import transcript, turns
from rag.clients import get_clients
from rag.types import NotFound

NEEDS = ("DATABASE_URL",)

FORMATS = {
    "markdown": (transcript.as_markdown, "text/markdown; charset=utf-8", "conversation.md"),
    "json": (transcript.as_json, "application/json", "conversation.json"),
}


async def export(session_id: str, format: Literal["markdown", "json"] = "markdown") -> Response:
    """The whole conversation to download, as Markdown or as JSON."""
    clients = get_clients()
    settings = clients.settings
    found = await turns.export(
        await clients.database(), session_id, retention_days=settings.retention_days
    )
    if found is None:
        raise NotFound(detail="There is no such conversation, or it has been deleted.")
    write, media_type, name = FORMATS[format]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(write(found, settings.book_title), media_type=media_type, headers=headers)
