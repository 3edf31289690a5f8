"""JSON-RPC 2.0, as MCP uses it: single messages, ids that are strings or integers.

https://www.jsonrpc.org/specification
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import Response

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

BY_STATUS = {413: INVALID_REQUEST, 415: PARSE_ERROR, 422: PARSE_ERROR}
"""Codes of errors that occur before a message has been read, by HTTP status."""

_MESSAGE = {"application/json": {"schema": {"type": "object"}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "A notification was accepted"},
    **{s: {"description": "A JSON-RPC error", "content": _MESSAGE} for s in ("4XX", "5XX")},
}
"""Responses that OpenAPI lists for `/mcp`."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, or a notification, which has no id and gets no answer."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    id: str | int | None = None

    @property
    def is_notification(self) -> bool:
        return self.id is None


class RpcError(Exception):
    """An error for the client. `message` is a sentence, `status` the HTTP status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        data: Mapping[str, Any] | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status
        self.headers = dict(headers or {})


class RpcResponse(Response):
    """A response whose text is ASCII, because an id may contain what UTF-8 cannot encode."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return b"" if content is None else json.dumps(content, separators=(",", ":")).encode()


def read(message: Any) -> Call:
    """Check a decoded message. Raises RpcError."""
    if isinstance(message, list):
        raise RpcError(INVALID_REQUEST, "Batches are not supported. Send one message per request.")
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, "The body must be one JSON-RPC message, a JSON object.")
    if message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        raise RpcError(INVALID_REQUEST, 'A message needs "jsonrpc": "2.0" and a "method".')
    if "id" in message and message_id(message) is None:
        raise RpcError(INVALID_REQUEST, "The id of a request must be a string or an integer.")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "The params of a message must be a JSON object.")
    return Call(message["method"], params, message_id(message))


def message_id(message: Any) -> str | int | None:
    """Return the id of a decoded message, or None if it has no valid one."""
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def success(call: Call, result: Mapping[str, Any]) -> RpcResponse:
    return RpcResponse({"jsonrpc": "2.0", "id": call.id, "result": result})


def failure(error: RpcError, message: Any = None) -> RpcResponse:
    """Return the response to a message that failed; its id is null if it could not be read."""
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    body = {"jsonrpc": "2.0", "id": message_id(message), "error": shown}
    return RpcResponse(body, error.status, error.headers)
