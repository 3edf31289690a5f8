"""The Model Context Protocol over HTTP, without sessions, in both of its generations.

Since revision 2026-07-28 each request carries its version and its client's capabilities in `_meta`
and repeats parts of the body in headers. Earlier revisions begin with an `initialize` handshake.
Both are served without state: no session is created, and a request is judged by itself.

https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rag import VERSION, request_log
from rag.errors import BookError, RateLimited, UpstreamError
from web import json_rpc
from web.json_rpc import Call, RpcError, RpcResponse
from web.problem_details import status_of

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Revisions with the handshake, newest first."""

HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
NOT_FOUND_BEFORE = -32002
"""Code of a missing resource up to 2025-11-25."""
RATE_LIMITED = 429
"""Codes of our own are outside of the range that JSON-RPC reserves."""

_PREFIX = "io.modelcontextprotocol/"
VERSION_KEY = f"{_PREFIX}protocolVersion"
CAPABILITIES_KEY = f"{_PREFIX}clientCapabilities"
SERVER_KEY = f"{_PREFIX}serverInfo"
SERVER = {"name": "ask-the-book", "version": VERSION}

CACHEABLE = (
    "server/discover",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
)
TTL_MS = 300_000
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Parameter that the header Mcp-Name repeats, by method."""
_BASE64 = re.compile(r"=\?base64\?(.*)\?=")
_MODERN_STATUS = {json_rpc.METHOD_NOT_FOUND: 404}
_IN_BODY = (json_rpc.METHOD_NOT_FOUND, json_rpc.INVALID_PARAMS, NOT_FOUND_BEFORE)
"""Errors that earlier revisions return with status 200."""


@dataclass(frozen=True, slots=True)
class McpHeaders:
    """The headers of a request that matter here."""

    origin: str = ""
    authorization: str = ""
    version: str | None = None
    method: str | None = None
    name: str | None = None
    repeated: bool = False
    """Whether one of the last three was sent more than once."""


@dataclass(frozen=True, slots=True)
class McpCall(Call):
    """A checked message."""

    modern: bool = False


Dispatch: TypeAlias = Callable[[McpCall], Awaitable[dict[str, Any]]]


async def respond(
    message: Any, headers: McpHeaders | None, dispatch: Dispatch, *, public: bool = True
) -> RpcResponse:
    """Check a message, let `dispatch` answer it, and return the response.

    Plain function calls have no headers. Errors of `dispatch` become JSON-RPC errors. With
    `public=False`, clients are told not to share cached results.
    """
    modern = is_modern(message, headers)
    try:
        call = _checked(message, headers, modern=modern)
        request_log.note(mcp=call.method[:40])
        if call.is_notification:
            return RpcResponse(status_code=202)
        result = await dispatch(call)
    except RpcError as error:
        return json_rpc.failure(_with_status(error, modern=modern), message)
    except BookError as error:
        return json_rpc.failure(from_book_error(error), message)
    if modern:
        result = {"resultType": "complete", "_meta": {SERVER_KEY: SERVER}, **result}
        if call.method in CACHEABLE:
            result |= {"ttlMs": TTL_MS, "cacheScope": "public" if public else "private"}
    return json_rpc.success(call, result)


def is_modern(message: Any, headers: McpHeaders | None) -> bool:
    """Whether a message is of the generation without a handshake: its header or body says so."""
    return bool(headers and headers.version in MODERN) or VERSION_KEY in _meta(message)


def from_book_error(error: BookError) -> RpcError:
    """Return an error of the domain as a JSON-RPC error with its HTTP status."""
    request_log.note(error=error.code)
    status, headers = status_of(error), {}
    if isinstance(error, RateLimited | UpstreamError) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    code = RATE_LIMITED if status == 429 else json_rpc.INTERNAL_ERROR
    if status in (401, 403):
        code = json_rpc.INVALID_REQUEST
    return RpcError(code, error.detail, status=status, headers=headers)


def tool_error(sentence: str) -> dict[str, Any]:
    """Return the result of a tool that could not be used. A model can read it, and correct it."""
    return {"content": [{"type": "text", "text": sentence}], "isError": True}


def negotiated(params: Mapping[str, Any]) -> str:
    """Return the revision for an `initialize` request: the client's, or the newest of its kind."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise RpcError(json_rpc.INVALID_PARAMS, "initialize needs a protocolVersion.")
    return wanted if wanted in LEGACY else LEGACY[0]


def _checked(message: Any, headers: McpHeaders | None, *, modern: bool) -> McpCall:
    call = json_rpc.read(message)
    version = headers.version if headers else None
    if version is not None and version not in (*MODERN, *LEGACY):
        raise _unsupported(version)
    if modern and not call.is_notification:
        _check_modern(call, headers)
    return McpCall(call.method, call.params, call.id, modern)


def _check_modern(call: Call, headers: McpHeaders | None) -> None:
    """Check what each request carries since 2026-07-28."""
    meta = _meta({"params": call.params})
    version = meta.get(VERSION_KEY)
    for key, kind in ((VERSION_KEY, str), (CAPABILITIES_KEY, dict)):
        if not isinstance(meta.get(key), kind):
            raise RpcError(json_rpc.INVALID_PARAMS, f"The request's _meta needs {key}.")
    if headers is not None:
        _check_headers(call, headers, str(version))
    if version not in MODERN:
        raise _unsupported(str(version))


def _check_headers(call: Call, headers: McpHeaders, version: str) -> None:
    pairs = [
        ("MCP-Protocol-Version", headers.version, version),
        ("Mcp-Method", headers.method, call.method),
    ]
    named = call.params.get(_NAMED.get(call.method, ""))
    if isinstance(named, str):
        pairs.append(("Mcp-Name", _decoded(headers.name), named))
    for header, sent, expected in pairs:
        if sent != expected or headers.repeated:
            raise RpcError(
                HEADER_MISMATCH, f"The header {header} is missing or does not match the body."
            )


def _decoded(value: str | None) -> str | None:
    """Decode a header in the form `=?base64?…?=`. Malformed ones match nothing."""
    found = _BASE64.fullmatch(value or "")
    if not found:
        return value
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _unsupported(requested: str) -> RpcError:
    supported = [*MODERN, *LEGACY]
    return RpcError(
        UNSUPPORTED_VERSION,
        f"This protocol version is not supported. Supported are {', '.join(supported)}.",
        data={"supported": supported, "requested": requested[:100]},
    )


def _with_status(error: RpcError, *, modern: bool) -> RpcError:
    if modern:
        error.status = _MODERN_STATUS.get(error.code, error.status)
    elif error.code in _IN_BODY:
        error.status = 200
    return error


def _meta(message: Any) -> Mapping[str, Any]:
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}
