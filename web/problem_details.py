"""Failures as RFC 9457 problem details, for a reader and for a program."""

from __future__ import annotations

from typing import Any

from rag.errors import (
    BookError,
    ConfigurationError,
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTooLarge,
    Unauthorized,
    UpstreamError,
)

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[BookError], int] = {
    RequestTooLarge: 413,
    InvalidRequest: 422,
    Unauthorized: 401,
    NotFound: 404,
    RateLimited: 429,
    UpstreamError: 503,
    ConfigurationError: 503,
    BookError: 500,
}
"""HTTP status of each class; a subclass without an entry has its nearest parent's."""

TITLES = {
    400: "Bad request",
    401: "Unauthorized",
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
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(error: BaseException, request_id: str = "") -> dict[str, Any]:
    """The problem details of `error`: `detail` is a sentence that can be shown as it is."""
    known = error if isinstance(error, BookError) else BookError()
    return details(status_of(error), known.detail, known.code, request_id)


def details(status: int, detail: str, code: str, request_id: str = "") -> dict[str, Any]:
    """Problem details by hand, for what the framework itself refuses."""
    return {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
