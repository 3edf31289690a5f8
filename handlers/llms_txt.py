"""GET /llms.txt and GET /llms-full.txt: the book for language models, https://llmstxt.org."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response

from handlers.schemas import ReaderAddress
from rag.errors import NotFound
from rag.providers import Clients, get_clients

NEEDS = ("QDRANT_URL", "QDRANT_API_KEY")

CACHED = {"Cache-Control": "public, max-age=3600"}


class PlainText(Response):
    media_type = "text/plain"


async def llms_txt(
    purpose: Annotated[str, Header(include_in_schema=False)] = "", address: ReaderAddress = ""
) -> PlainText:
    """List the pages of the book, with a link and a summary of each."""
    return await _file("llms.txt", purpose, address)


async def llms_full_txt(
    purpose: Annotated[str, Header(include_in_schema=False)] = "", address: ReaderAddress = ""
) -> PlainText:
    """Return the text of the whole book as Markdown, up to about 4 MB."""
    return await _file("llms-full.txt", purpose, address)


async def _file(name: str, purpose: str, address: str) -> PlainText:
    """Return a file, or redirect to the site's own if it has one."""
    from rag.adapters import site_files
    from rag.answering.sources import citation_base
    from rag.chat import admission
    from rag.chat.retrieval import index_info, outline
    from rag.indexing import llms_txt as domain

    if purpose == site_files.PURPOSE:  # the site that we ask is this service
        raise NotFound
    clients = get_clients()
    admission.admit_cheap(clients, address)
    store, info = await clients.store(), await index_info(clients)
    # Pages as Markdown are on this service, also where there is no preview.
    site = await citation_base(clients.settings, store, address) or "book"
    if _is_published(clients, site, address) and await site_files.exists(url := f"{site}/{name}"):
        return PlainText(status_code=307, headers={"Location": url, **CACHED})
    title = clients.settings.book_title or info.book_title or "The book"
    known = await outline(clients)
    ending = "" if _is_published(clients, site, address) else ".md"
    if name == "llms.txt":
        text = domain.contents(known, title, site, ending)
    else:
        async with clients.outline_lock:
            text = await domain.full_text(store, known, title, site)
    return PlainText(text, headers=CACHED)


def _is_published(clients: Clients, site: str, address: str) -> bool:
    """Whether citations link to the book's own site, and not to the preview here."""
    return site.startswith("http") and site != clients.settings.preview_url(address)
