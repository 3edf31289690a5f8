"""The error family."""

from __future__ import annotations

from typing import ClassVar


class BookError(Exception):
    """Every failure the project knows.

    BookError
    ├── ConfigurationError      the author must change a setting
    │   ├── IndexMissing        nothing has been indexed yet
    │   └── IndexMismatch       the index was made with another embedding model
    ├── InvalidRequest          the reader must change the request
    │   └── RequestTooLarge
    ├── Unauthorized            the request does not carry the author's token
    ├── NotFound                there is nothing under that name
    ├── RateLimited             too many requests; carries `retry_after`
    ├── SourceError             a file or site to be indexed cannot be used
    └── UpstreamError           a service did not do its part; carries `service`
        ├── UpstreamTimeout
        ├── UpstreamRejected    the service refused: key, quota, content
        │   └── StatementRejected   PostgreSQL refused a statement; carries `sqlstate`
        └── UpstreamOverloaded  429 or 503 after all retries

    `str(error)` is for the log and the author, `detail` a plain sentence for the reader.
    """

    code: ClassVar[str] = "internal"
    detail: str = "Something went wrong on our side. Please try again."

    def __init__(self, message: str = "", *, detail: str = "") -> None:
        super().__init__(message or detail or type(self).detail)
        if detail:
            self.detail = detail


class ConfigurationError(BookError):
    code = "configuration"
    detail = "This service is not set up completely. Its author can see in the log what is missing."


class IndexMissing(ConfigurationError):
    code = "index_missing"
    detail = "The book has not been indexed yet, so there is nothing to answer from."


class IndexMismatch(ConfigurationError):
    code = "index_mismatch"
    detail = "The book must be indexed again before questions can be answered."


class InvalidRequest(BookError):
    code = "invalid_request"
    detail = "This request could not be understood."


class RequestTooLarge(InvalidRequest):
    code = "too_large"
    detail = "This request is too large."


class Unauthorized(BookError):
    code = "unauthorized"
    detail = "This is for the author of the book: the token is missing or wrong."


class NotFound(BookError):
    code = "not_found"
    detail = "There is nothing here."


class RateLimited(BookError):
    code = "rate_limited"
    detail = "That was a lot of questions in a short time. Please wait a moment."

    def __init__(self, message: str = "", *, detail: str = "", retry_after: float = 30.0) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after
        """Seconds."""


class SourceError(BookError):
    code = "source"


class UpstreamError(BookError):
    code = "upstream"
    detail = "A service this book depends on is not answering. Please try again in a moment."

    def __init__(
        self,
        message: str = "",
        *,
        service: str,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{service}: {message}" if message else service, detail=detail)
        self.service = service
        self.retry_after = retry_after


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"


class UpstreamRejected(UpstreamError):
    code = "upstream_rejected"


class StatementRejected(UpstreamRejected):
    """The statement was undone completely; `sqlstate` is PostgreSQL's five-character reason."""

    def __init__(self, message: str, *, service: str, sqlstate: str) -> None:
        super().__init__(message, service=service)
        self.sqlstate = sqlstate


class UpstreamOverloaded(UpstreamError):
    code = "upstream_overloaded"
