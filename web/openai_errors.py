"""Errors in the form of OpenAI's API, which its clients show and retry by.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}

_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": "null"},
                "code": {"type": "string"},
            },
        }
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": "An error", "content": {"application/json": {"schema": _ERROR}}}
    for status in ("4XX", "5XX")
}
"""Error responses that OpenAPI lists for `/v1`."""


def error(problem: dict[str, Any]) -> dict[str, Any]:
    """Convert problem details."""
    status = problem["status"]
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = _CODES.get(status, problem["code"])
    return {"error": {"message": problem["detail"], "type": kind, "param": None, "code": code}}


def response(problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the response. A request that is not valid gets 400, as from OpenAI."""
    status = 400 if problem["status"] == 422 else problem["status"]
    return JSONResponse(error(problem), status, headers)
