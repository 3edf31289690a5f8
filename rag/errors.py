"""The exception hierarchy."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

Reason: TypeAlias = Literal[
    "",  # not known
    "key",  # the API key or password was refused
    "quota",  # the quota or credit is used up
    "model",  # the model does not exist, or the key may not use it
    "busy",  # too many requests, or the service is starting
    "proxy",  # the proxy refused the request, or cannot be reached
    "tls",  # the TLS connection could not be verified
    "host",  # the host name does not exist
    "connection",  # no connection, or it was lost
    "timeout",  # no answer in time
    "slow",  # no answer in time from a server that was reached
    "malformed",  # the response is not in the documented form
    "rights",  # the database role lacks a right
    "read-only",  # the database takes no changes
    "full",  # the disk or the storage quota is full
    "encoding",  # the database is not in UTF-8, or a row is not
    "cancelled",  # the server cancelled the statement, by a time limit of its own
    "connections",  # no more connections are allowed
    "database",  # the database does not exist
]
"""Why a service failed, where its adapter knows."""


class BookError(Exception):
    """Base class of all errors that this project raises.

    BookError
    ├── ConfigurationError      a setting is missing or wrong
    │   ├── IndexMissing        nothing has been indexed yet
    │   └── IndexMismatch       the index was built with another embedding model
    ├── InvalidRequest          the client must change the request
    │   ├── RequestTooLarge
    │   └── ConversationFull    it has as many turns as are allowed
    ├── Unauthorized            the admin token is missing or wrong
    ├── NotFound                no such page, conversation or answer
    ├── RateLimited             too many requests; has `retry_after`
    ├── Overloaded              more connections than the process may have open
    ├── SourceError             a file or site cannot be indexed
    └── UpstreamError           an external service failed; has `service`, `reason`
        ├── UpstreamTimeout
        ├── UpstreamRejected    refused by the service: key, quota, content
        │   └── StatementRejected   refused by PostgreSQL; has `sqlstate`
        └── UpstreamOverloaded  429 or 503 after all retries

    `str(error)` is for the log and the author. `detail` is a sentence for the reader.
    """

    code: ClassVar[str] = "internal"
    detail: str = "Something went wrong on our side. Please try again."

    def __init__(self, message: str = "", *, detail: str = "") -> None:
        super().__init__(message or detail or type(self).detail)
        if detail:
            self.detail = detail


class ConfigurationError(BookError):
    code = "configuration"
    detail = "This service is not fully configured. Its log says what is missing."


class IndexMissing(ConfigurationError):
    code = "index_missing"
    detail = "The book has not been indexed yet, so there is nothing to answer from."


class IndexMismatch(ConfigurationError):
    code = "index_mismatch"
    detail = "The book must be indexed again before it can answer questions."


class InvalidRequest(BookError):
    code = "invalid_request"
    detail = "This request could not be understood."


class RequestTooLarge(InvalidRequest):
    code = "too_large"
    detail = "This request is too large."


class ConversationFull(InvalidRequest):
    code = "conversation_full"
    detail = "This conversation is as long as it can get. Please start a new one."


class Unauthorized(BookError):
    code = "unauthorized"
    detail = "Only the author of the book has access: the token is missing or wrong."


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


class Overloaded(BookError):
    code = "overloaded"
    detail = "More people are asking than this service can serve. Please try again in a moment."


class SourceError(BookError):
    code = "source"


class UpstreamError(BookError):
    code = "upstream"
    detail = "A service that this book depends on is not responding. Please try again in a moment."
    reason: Reason = ""

    def __init__(
        self,
        message: str = "",
        *,
        service: str,
        reason: Reason = "",
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{service}: {message}" if message else service, detail=detail)
        self.service = service
        self.reason = reason or type(self).reason
        self.retry_after = retry_after


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    reason = "timeout"


class UpstreamRejected(UpstreamError):
    code = "upstream_rejected"


class StatementRejected(UpstreamRejected):
    """A statement that failed and was rolled back.

    `sqlstate` is PostgreSQL's five-character error code.
    """

    def __init__(self, message: str, *, service: str, sqlstate: str, reason: Reason = "") -> None:
        super().__init__(message, service=service, reason=reason)
        self.sqlstate = sqlstate


class UpstreamOverloaded(UpstreamError):
    code = "upstream_overloaded"
    reason = "busy"
