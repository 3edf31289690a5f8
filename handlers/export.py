"""GET /chat/sessions/{session_id}/export: download a conversation."""

from __future__ import annotations

from typing import Literal

from fastapi import Response
from fastapi.responses import StreamingResponse

from handlers.schemas import ReaderAddress
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)


async def export(
    session_id: str,
    format: Literal["markdown", "json"] = "markdown",
    address: ReaderAddress = "",
) -> Response:
    """Download the whole conversation as Markdown or JSON, a few turns at a time."""
    from rag.chat import admission
    from rag.conversations import export as files

    clients = get_clients()
    admission.admit_cheap(clients, address)
    settings, how = clients.settings, files.FORMATS[format]
    pieces = await files.export(
        await clients.database(),
        session_id,
        how,
        settings.book_title,
        retention_days=settings.retention_days,
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{how.name}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(pieces, media_type=how.media_type, headers=headers)
