"""Problem details (RFC 9457): error responses for readers and programs."""

from __future__ import annotations

from typing import Any

from rag.errors import (
    BookError,
    ConfigurationError,
    InvalidRequest,
    NotFound,
    Overloaded,
    RateLimited,
    RequestTooLarge,
    Unauthorized,
    UpstreamError,
)
from web.access_checks import Forbidden

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[BookError], int] = {
    RequestTooLarge: 413,
    InvalidRequest: 422,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    RateLimited: 429,
    Overloaded: 503,
    UpstreamError: 503,
    ConfigurationError: 503,
    BookError: 500,
}
"""HTTP status of each error class. Other classes use that of their nearest parent."""

TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Unsupported encoding",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Temporarily unavailable",
}


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(error: BaseException, request_id: str = "") -> dict[str, Any]:
    """Return the problem details of `error`. `detail` is a sentence for the reader."""
    known = error if isinstance(error, BookError) else BookError()
    return details(status_of(error), known.detail, known.code, request_id)


def details(status: int, detail: str, code: str, request_id: str = "") -> dict[str, Any]:
    """Build problem details from their parts."""
    return {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
