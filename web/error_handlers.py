"""Return all errors as problem details, including those of the framework.

`/mcp` and `/v1` return them in the form of their protocols.
"""

from __future__ import annotations

import errno
import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from rag import request_log
from rag.errors import (
    BookError,
    Overloaded,
    RateLimited,
    Unauthorized,
    UpstreamError,
)
from web import field_errors, json_rpc, openai_errors
from web.disconnect import CLIENT_GONE
from web.problem_details import (
    MEDIA_TYPE,
    TITLES,
    details,
    problem,
)

log = logging.getLogger(__name__)

TOO_LARGE = (
    "This request is too large: the limit is 64 KB. If text is highlighted, highlight less of it."
)
DETAILS = {
    404: "This URL does not exist.",
    405: "This URL does not support this method.",
    413: TOO_LARGE,
    CLIENT_GONE: "The client disconnected before the response.",
    415: "Compressed requests are not supported. Send uncompressed JSON.",
}

_FIELDS = ("type", "title", "detail", "code", "request_id")
PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "An error (RFC 9457). `detail` is a sentence that can be shown to the reader.",
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in _FIELDS},
        "status": {"type": "integer"},
    },
    "required": [*_FIELDS, "status"],
}
"""The OpenAPI schema of error responses, named `Problem`."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (401, 403, 404, 405, 413, 415, 422, 429, 500, 503)
}
"""Error responses that OpenAPI lists for every endpoint."""


def install(app: FastAPI) -> None:
    """Register the exception handlers."""
    app.add_exception_handler(BookError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(OSError, _from_the_system)
    app.add_exception_handler(Exception, _unexpected)


async def error_response(request: Request, error: HTTPException | BookError) -> Response:
    """Return the response for an error raised outside the app, in the middleware."""
    return await (_refused if isinstance(error, HTTPException) else _known)(request, error)


async def _known(request: Request, error: Exception) -> Response:
    body = problem(error, _request_id(request))
    headers = {}
    if isinstance(error, RateLimited | UpstreamError) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    request_log.note(error=body["code"])
    if body["status"] >= 500:
        log.error("%s: %s", body["code"], error)
    return _response(request, body, headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """Name the invalid fields, without repeating their values."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    sentence = field_errors.sentences(problems) or "This request could not be understood."
    return _response(request, details(422, sentence, "invalid", _request_id(request)))


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 422
    if status == 400:  # FastAPI could not read the body
        plain = request.headers.get("content-encoding", "identity") == "identity"
        status = 422 if plain else 415
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    unclear = "This request could not be understood." if headers else field_errors.NO_OBJECT
    if status == 405:
        headers["Allow"] = ", ".join(_methods(request))
    sentence = DETAILS.get(status, unclear)
    return _response(request, details(status, sentence, "refused", _request_id(request)), headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error in request %s", _request_id(request), exc_info=error)
    return _response(request, problem(error, _request_id(request)))


async def _from_the_system(request: Request, error: Exception) -> Response:
    """Tell a lack of file descriptors, which each connection takes, from other errors."""
    if getattr(error, "errno", 0) in (errno.EMFILE, errno.ENFILE):
        return await _known(request, Overloaded("the process may not open more files"))
    raise error


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes with this path, for `Allow` (RFC 9110, section 15.5.6).

    The framework lists only those of the first matching route.
    """
    found = (route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE)
    methods = {method for route in found for method in getattr(route, "methods", ())}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


def _response(
    request: Request, body: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if path == "/mcp" and request.method == "POST":
        status = 400 if body["status"] == 422 else body["status"]
        code = json_rpc.BY_STATUS.get(body["status"], json_rpc.INTERNAL_ERROR)
        error = json_rpc.RpcError(code, body["detail"], status=status, headers=headers)
        return json_rpc.failure(error)
    if path.startswith("/v1/"):
        return openai_errors.response(body, headers)
    return JSONResponse(body, body["status"], headers, MEDIA_TYPE)
