"""Turn what a service or its SDK reports into an UpstreamError with a reason.

`rag/ops/remedies.py` maps each reason to advice, so that message texts are for people only.
"""

from __future__ import annotations

import functools
import json
import re
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from rag.errors import Reason, UpstreamError, UpstreamOverloaded, UpstreamRejected, UpstreamTimeout
from rag.retry_after import retry_after

P = ParamSpec("P")
T = TypeVar("T")

_NO_MODEL = re.compile(
    r"\bmodel\b.*\b(not found|not exist|not supported|not available|not have access|unknown"
    r"|invalid|deprecated|decommissioned|removed|retired|shut down|discontinued|no longer)"
    r"|\b(unknown|invalid|no such|unsupported) model\b",
    re.IGNORECASE | re.DOTALL,
)
"""How services report a model that does not exist or that the key may not use."""
_SECRET = re.compile(r"\b(?:sk|pk|key)-[\w*-]{6,}|(?<![\w-])(-*+)\w[\w-]*+(?:\*{3,}[\w-]*+)+")
"""A key, or part of one with asterisks for the rest."""


def status_error(
    service: str, status: int, message: str, headers: Mapping[str, str] | None = None
) -> UpstreamError:
    """Return the failure that an HTTP status and the service's own message stand for."""
    text = f"{status} {message}".strip()
    wait = retry_after(headers or {})
    if status in (400, 403, 404, 410, 422) and _NO_MODEL.search(message):
        return UpstreamRejected(text, service=service, reason="model")
    if status == 407:
        return proxy_error(service, status)
    if status in (401, 403, 498):
        return UpstreamRejected(f"{status} the key was refused", service=service, reason="key")
    if status == 402:
        return quota_error(service, text)
    if status in (429, 503):
        return UpstreamOverloaded(text, service=service, retry_after=wait)
    if status in (408, 504):
        return UpstreamTimeout(text, service=service, retry_after=wait)
    if 400 <= status < 500:
        return UpstreamRejected(text, service=service)
    if status < 400:
        return UpstreamError(f"unexpected status {status}", service=service, reason="malformed")
    return UpstreamError(text, service=service, retry_after=wait)


def quota_error(service: str, message: str) -> UpstreamRejected:
    return UpstreamRejected(f"the quota is used up: {message}", service=service, reason="quota")


def connection_error(service: str, error: BaseException) -> UpstreamError:
    """Return the failure of a request that got no response, or only a part of one."""
    if refused := _proxy_failure(error):
        status = getattr(refused, "status", 0)
        if status in (403, 407):
            return proxy_error(service, status)
        what = f"status {status} from the proxy" if status else "no connection to the proxy"
        return UpstreamError(what, service=service, reason="proxy")
    if _timed_out(error):
        return UpstreamTimeout("no answer in time", service=service)
    reason = connection_reason(error)
    name = type(error.__cause__ or error).__name__
    text = {"tls": "the TLS connection could not be verified", "host": "unknown host name"}
    return UpstreamError(
        f"{text.get(reason, 'no connection')} ({name})", service=service, reason=reason
    )


def proxy_error(service: str, status: int) -> UpstreamRejected:
    """Return the failure of a request that a proxy has refused."""
    why = "its user name or password is wrong" if status == 407 else "it forbids this host"
    return UpstreamRejected(f"{status} from the proxy: {why}", service=service, reason="proxy")


def _proxy_failure(error: BaseException) -> BaseException | None:
    """Return the cause that says that a proxy, and not the service, failed."""
    names = ("ClientHttpProxyError", "ClientProxyConnectionError")  # of aiohttp, imported late
    hosts = {urlsplit(address).hostname for address in getproxies().values()}
    for cause in _causes(error):
        unknown = isinstance(cause, OSError) and getattr(cause, "host", None) in hosts
        if type(cause).__name__ in names or unknown:
            return cause
    return None


def connection_reason(error: BaseException) -> Reason:
    """Return "tls", "host" or "connection", by the error's causes."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "host"
    return "connection"


def malformed_error(service: str, error: BaseException) -> UpstreamError:
    return UpstreamError(
        f"malformed response: {type(error).__name__}", service=service, reason="malformed"
    )


def reports_malformed(
    service: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Decorate a function that reads responses: a malformed one raises UpstreamError."""

    def decorate(read: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(read)
        async def reading(*args: P.args, **options: P.kwargs) -> T:
            try:
                return await read(*args, **options)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise malformed_error(service, error) from error

        return reading

    return decorate


def error_text(body: object, *secrets: str) -> str:
    """Return the message of a service's error body as one short line without `secrets`."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
        with suppress(ValueError):
            body = json.loads(body)
    while isinstance(body, Mapping):
        nested = body.get("metadata")  # a router's, with the error of the server behind it
        if isinstance(nested, Mapping) and nested.get("raw"):
            return error_text(str(nested["raw"]).encode(), *secrets)
        keys = ("message", "error", "errors", "detail", "status")
        body = next((body[key] for key in keys if body.get(key)), "")
        if isinstance(body, list) and body and isinstance(body[0], Mapping):
            body = body[0] if body[0].get("message") else str(body)
    text = str(body or "")
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _SECRET.sub(r"\1***", text)
    return " ".join(text.split())[:300]


def _timed_out(error: BaseException | None) -> bool:
    """Whether a timeout caused the error.

    The type does not tell: the SDKs' aiohttp transport calls a lost connection a timeout too.
    """
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes and the members of exception groups."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop()
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            parts = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
            waiting += [e for e in (found.__cause__, found.__context__, *parts) if e]
