"""The MCP resources of `handlers/mcp.py`: the pages of the book, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.answering.urls import address
from rag.chat.retrieval import outline
from rag.indexing.outline import markdown, page_chunks
from rag.providers import Clients
from web import json_rpc, mcp_protocol
from web.json_rpc import RpcError
from web.mcp_protocol import McpCall

ROOT = "book:///"
PAGE_SIZE = 100
_MARKDOWN = "text/markdown"


async def listed(clients: Clients, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `resources/list`. A cursor is the number of the first page to list."""
    cursor, pages = params.get("cursor"), (await outline(clients)).pages
    start = int(cursor) if isinstance(cursor, str) and _is_number(cursor) else 0
    if cursor is not None and not 0 < start < len(pages):
        raise RpcError(json_rpc.INVALID_PARAMS, "This cursor is not valid. List from the start.")
    end = start + PAGE_SIZE
    found = [
        {
            "uri": address(ROOT, page.slug),
            "name": page.slug or "index",
            "title": page.title,
            "description": page.summary,
            "mimeType": _MARKDOWN,
        }
        for page in pages[start:end]
    ]
    return {"resources": found} | ({"nextCursor": str(end)} if end < len(pages) else {})


def templates() -> dict[str, Any]:
    """Answer `resources/templates/list`."""
    template = {
        "uriTemplate": ROOT + "{+slug}",
        "name": "page",
        "title": "A page of the book",
        "description": "A page by its path on the book's site, such as docs/install.",
        "mimeType": _MARKDOWN,
    }
    return {"resourceTemplates": [template]}


async def read(clients: Clients, call: McpCall) -> dict[str, Any]:
    """Answer `resources/read`."""
    uri = call.params.get("uri")
    if not isinstance(uri, str):
        raise RpcError(json_rpc.INVALID_PARAMS, "resources/read needs a uri.")
    page = None
    if uri.startswith(ROOT):
        page = (await outline(clients)).page(uri.removeprefix(ROOT))
    if page is None:
        raise RpcError(
            json_rpc.INVALID_PARAMS if call.modern else mcp_protocol.NOT_FOUND_BEFORE,
            "The book has no such page. resources/list names all of them.",
            data={"uri": uri[:500]},
        )
    chunks = await page_chunks(await clients.store(), page.slug, page.first, page.last)
    return {"contents": [{"uri": uri, "mimeType": _MARKDOWN, "text": markdown(chunks)}]}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
