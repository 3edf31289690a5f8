"""GET /.well-known/mcp and the two files below it: where assistants find `/mcp`.

The formats are drafts: https://github.com/modelcontextprotocol/experimental-ext-server-card
"""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from pydantic import Field

from handlers.schemas import DeferredModel
from rag import VERSION
from rag.errors import BookError
from rag.providers import get_clients
from web.mcp_protocol import LEGACY, MODERN, SERVER

NEEDS = ("QDRANT_URL", "QDRANT_API_KEY")

SCHEMA = "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json"
CARD_TYPE = "application/mcp-server-card+json"


class RemoteModel(DeferredModel):
    type: str = "streamable-http"
    url: str
    supportedProtocolVersions: tuple[str, ...] = (*MODERN, *LEGACY)
    variables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What the client has to ask for, if the address contains a token."""


class CardResponse(DeferredModel):
    schema_: str = Field(SCHEMA, alias="$schema")
    name: str
    title: str
    description: str
    version: str = VERSION
    remotes: list[RemoteModel]


class ServerModel(DeferredModel):
    name: str
    title: str
    url: str
    transport: str = "streamable-http"
    authentication: str
    """`none`, or `token` if the address must contain one."""


class DiscoveryResponse(DeferredModel):
    servers: list[ServerModel]


class EntryModel(DeferredModel):
    identifier: str
    type: str = CARD_TYPE
    url: str


class CatalogResponse(DeferredModel):
    specVersion: str = "1.0"
    entries: list[EntryModel]


async def _base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


BaseUrl = Annotated[str, Depends(_base_url)]
"""URL under which the client has called the service, without a trailing slash."""


async def server_card(base_url: BaseUrl = "http://localhost:7860") -> CardResponse:
    """Describe the MCP server: its name, and where to connect."""
    title = await _title()
    remote = RemoteModel(url=f"{base_url}/mcp")
    if get_clients().settings.mcp_token:
        remote.url += "?token={token}"
        token = {"description": "From the author.", "isRequired": True, "isSecret": True}
        remote.variables = {"token": token}
    return CardResponse(
        name=_name(base_url),
        title=title[:100],
        description=f"Search and ask {title[:50]}, with links to the exact passages.",
        remotes=[remote],
    )


async def discovery(base_url: BaseUrl = "http://localhost:7860") -> DiscoveryResponse:
    """List the MCP servers of this host: one."""
    server = ServerModel(
        name=SERVER["name"],
        title=await _title(),
        url=f"{base_url}/mcp",
        authentication="token" if get_clients().settings.mcp_token else "none",
    )
    return DiscoveryResponse(servers=[server])


async def catalog(base_url: BaseUrl = "http://localhost:7860") -> CatalogResponse:
    """List the server cards of this host: one."""
    entry = EntryModel(
        identifier=f"urn:air:{_host(base_url)}:mcp:{SERVER['name']}",
        url=f"{base_url}/.well-known/mcp/server-card.json",
    )
    return CatalogResponse(entries=[entry])


async def _title() -> str:
    clients = get_clients()
    title = clients.settings.book_title
    with contextlib.suppress(BookError):  # describe the server even if the index is unavailable
        info = await (await clients.store()).info()
        title = title or (info.book_title if info else "")
    return title or "Ask the Book"


def _host(base_url: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", urlsplit(base_url).hostname or "localhost")


def _name(base_url: str) -> str:
    """Return the server's name in reverse DNS form, such as `com.example.ask/ask-the-book`."""
    labels = _host(base_url).split(".")
    return f"{'.'.join(reversed(labels))}/{SERVER['name']}"
