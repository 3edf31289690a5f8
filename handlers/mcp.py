"""POST /mcp: the book for assistants, over the Model Context Protocol.

Stateless: each request is answered by itself, with JSON, and no session is created. So the same
handler runs on a server, as a Lambda function and as a plain function.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import Body, Depends, Query, Request

from handlers.schemas import ReaderAddress
from rag.errors import BookError, Unauthorized
from rag.providers import Clients, get_clients
from web import access_checks, cors, json_rpc, mcp_protocol
from web.bearer import bearer, is_one_of
from web.json_rpc import RpcError, RpcResponse
from web.mcp_protocol import McpCall, McpHeaders

NEEDS = ("COHERE_API_KEY", "OPENAI_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")

RESPONSES = json_rpc.RESPONSES
FORBIDDEN = "Web pages of this origin may not call the service. Its author can allow the origin."
PAID_TOOLS = ("search", "ask")
CAPABILITIES: dict[str, Any] = {"tools": {}, "resources": {}}


async def _headers(request: Request) -> McpHeaders:
    headers = request.headers
    repeated = ("mcp-protocol-version", "mcp-method", "mcp-name")
    version, method, name = (headers.get(key) for key in repeated)
    return McpHeaders(
        origin=headers.get("origin", ""),
        authorization=headers.get("authorization", ""),
        version=version,
        method=method,
        name=name,
        repeated=any(len(headers.getlist(key)) > 1 for key in repeated),
    )


async def mcp(
    message: Annotated[Any, Body(description="One JSON-RPC 2.0 request or notification")],
    headers: Annotated[McpHeaders | None, Depends(_headers)] = None,
    token: Annotated[str, Query(max_length=200)] = "",
    address: ReaderAddress = "",
) -> RpcResponse:
    """Answer a message of an MCP client, such as Claude, ChatGPT or Cursor.

    Revisions 2026-07-28 and, with the `initialize` handshake, 2024-11-05 to 2025-11-25. The tools
    are `search`, `fetch`, `ask` and `report_gap`; the pages of the book are the resources.
    """
    clients = get_clients()
    settings = clients.settings
    tokens, may_ask = settings.mcp_token, True
    if headers is not None:
        if not cors.may_call(settings, headers.origin):
            error = RpcError(json_rpc.INVALID_REQUEST, FORBIDDEN, status=403)
            return json_rpc.failure(error)
        token = token or bearer(headers.authorization)
        if tokens and not is_one_of(token, tokens):
            refused = Unauthorized(detail="The address of this server lacks its token.")
            return json_rpc.failure(mcp_protocol.from_book_error(refused))
        may_ask = bool(tokens) or access_checks.may_ask_without_token(settings, headers.origin)

    async def dispatch(call: McpCall) -> dict[str, Any]:
        if not may_ask and call.method == "tools/call" and call.params.get("name") in PAID_TOOLS:
            return mcp_protocol.tool_error(access_checks.NO_ASSISTANTS)
        return await _answer(clients, call, address, token if tokens else "")

    return await mcp_protocol.respond(message, headers, dispatch, public=not tokens)


async def _answer(clients: Clients, call: McpCall, address: str, token: str) -> dict[str, Any]:
    from handlers import mcp_resources, mcp_tools
    from rag.chat import admission

    by_token = token and f"token {token}"
    admission.admit_cheap(clients, address)
    admission.admit_cheap(clients, by_token)
    match call.method:
        case "initialize" if not call.modern:
            version = mcp_protocol.negotiated(call.params)
            server, introduction = await _introduction(clients)
            return {"protocolVersion": version, "serverInfo": server, **introduction}
        case "ping" if not call.modern:
            return {}
        case "server/discover":
            versions = [*mcp_protocol.MODERN, *mcp_protocol.LEGACY]
            server, introduction = await _introduction(clients)
            meta = {mcp_protocol.SERVER_KEY: server}
            return {"supportedVersions": versions, **introduction, "_meta": meta}
        case "tools/list":
            return mcp_tools.listed()
        case "tools/call":
            return await mcp_tools.call(clients, call.params, address, by_token)
        case "resources/list":
            return await mcp_resources.listed(clients, call.params)
        case "resources/templates/list":
            return mcp_resources.templates()
        case "resources/read":
            return await mcp_resources.read(clients, call)
    raise RpcError(json_rpc.METHOD_NOT_FOUND, f"There is no method {call.method[:100]}.")


async def _introduction(clients: Clients) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the name of the server, and what it can do."""
    title = clients.settings.book_title
    with contextlib.suppress(BookError):  # introduce the server even if the index is unavailable
        info = await (await clients.store()).info()
        title = title or (info.book_title if info else "")
    book = f"“{title}”" if title else "one book"
    instructions = (
        f"This server answers from {book} alone. Use it for every question about {book}, and link "
        "to the URLs that it returns. `search` finds passages and `fetch` returns the whole page "
        "of one; neither calls a model. `ask` returns a finished answer with citations, and says "
        "whether the book answers the question. If you cannot find something in the book, call "
        "`report_gap`, so that its author learns what is missing."
    )
    server = mcp_protocol.SERVER | {"title": title or "Ask the Book"}
    return server, {"capabilities": CAPABILITIES, "instructions": instructions}
