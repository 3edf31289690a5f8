"""GET /config: what the page and the widget show about this book."""

from __future__ import annotations

import contextlib

from pydantic import BaseModel

from rag.errors import BookError
from rag.providers import get_clients

NEEDS = ()


class ConfigResponse(BaseModel):
    title: str
    """Name of the book; empty while nothing is indexed."""
    language: str
    chunks: int
    site_url: str
    engines: dict[str, str]
    starters: list[str]
    """Questions to begin with: those that the author names, or headings of the book."""
    privacy: str
    """What happens to a conversation, in two sentences."""


async def config() -> ConfigResponse:
    """The book's name, starter questions, and which engine serves each role."""
    clients = get_clients()
    settings = clients.settings
    info, starters = None, list(settings.starter_questions)
    with contextlib.suppress(BookError):  # the page is shown even while the index is out of reach
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
            "Your conversation is kept under a random number that only your browser knows, "
            "without your name, a cookie or your address. It is deleted when you delete it, or "
            f"after {settings.retention_days} days without use."
        ),
    )
