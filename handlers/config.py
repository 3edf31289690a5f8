"""GET /config: what the chat page and the widget need to know about the book."""

from __future__ import annotations

import contextlib

from pydantic import BaseModel

from rag.errors import BookError
from rag.providers import get_clients

NEEDS = ()


class ConfigResponse(BaseModel):
    title: str
    """Title of the book; empty if nothing is indexed."""
    language: str
    chunks: int
    site_url: str
    engines: dict[str, str]
    starters: list[str]
    """Suggested first questions, from the settings or the book's headings."""
    privacy: str
    """A short privacy notice."""
    mcp: bool = False
    """Whether assistants can connect at `/mcp` without a token."""


async def config() -> ConfigResponse:
    """Return the book's title, suggested questions, and the engine in each role."""
    clients = get_clients()
    settings = clients.settings
    info, starters = None, list(settings.starter_questions)
    with contextlib.suppress(BookError):  # show the page even if the index is unavailable
        store = await clients.store()
        info = await store.info()
        starters = starters or list(info.starters if info else ())
    return ConfigResponse(
        title=settings.book_title or (info.book_title if info else ""),
        language=info.language if info else "en",
        chunks=info.chunks if info else 0,
        site_url=settings.site_url or (info.site_url if info else ""),
        engines=clients.engines(),
        starters=starters,
        privacy=(
            "Your conversation is stored under a random id that only your browser knows, without "
            "your name, cookies or IP address. It is deleted when you delete it, or after "
            f"{settings.retention_days} days without use."
        ),
        mcp=not settings.mcp_token and (not settings.routes or "mcp" in settings.routes),
    )
