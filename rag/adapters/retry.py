"""One policy for every service: what is tried again, how long, and what a failure is called.

The SDKs' own retries are off, because each has another idea of what is safe and none knows
how much time the request has left.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, ParamSpec, TypeVar

from rag import deadlines
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_WAIT = 0.15
_LONGEST_WAIT = 20.0
_SECRET = re.compile(r"\b(?:sk|pk|key)-[\w*-]{6,}|(?<![\w-])(-*+)\w[\w-]*+(?:\*{3,}[\w-]*+)+")
"""A key, or part of one with asterisks for the rest."""
"""Seconds between attempts where the service names no time of its own."""


async def retried(
    attempt: Callable[[], Awaitable[T]],
    *,
    service: str,
    errors: tuple[type[Exception], ...],
    translate: Callable[[Exception], UpstreamError],
    seconds: float,
    attempts: int = 3,
    attempt_seconds: float = float("inf"),
) -> T:
    """Run `attempt`, again where that may help, and be done within `seconds` and the request's
    own deadline.

    `errors` are what the SDK raises and `translate` names. A refusal is final, everything
    else is tried again after a jittered wait or the one that the service asked for, unless
    that would not end in time: then the failure is raised at once. Attempts must be safe to
    repeat. Anything not in `errors` passes through.
    """
    clock = asyncio.get_running_loop().time
    deadline = min(clock() + seconds, deadlines.deadline())
    for n in range(attempts):
        allowed = min(attempt_seconds, deadline - clock())
        try:
            async with asyncio.timeout(allowed):
                return await attempt()
        except TimeoutError:
            failure: UpstreamError = UpstreamTimeout(
                f"no answer in {allowed:.1f} s", service=service
            )
        except UpstreamError as error:
            failure = error
        except errors as error:
            failure = translate(error)
            failure.__cause__ = error
        jitter = random.uniform(1.0, 1.5)  # noqa: S311
        if failure.retry_after is None:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 4**n) * jitter
        else:
            wait = failure.retry_after + 0.1 * jitter
        final = isinstance(failure, UpstreamRejected) or n + 1 == attempts
        if final or clock() + wait >= deadline:
            raise failure
        await asyncio.sleep(wait)
    raise ValueError("attempts must be 1 or more")


def understanding(
    service: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """A decorator of what reads a service's answers: one of another form is its failure too."""

    def decorate(read: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(read)
        async def reading(*args: P.args, **options: P.kwargs) -> T:
            try:
                return await read(*args, **options)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                said = f"an answer of another form: {type(error).__name__}"
                raise UpstreamError(said, service=service) from error

        return reading

    return decorate


def status_error(
    service: str, status: int, message: str, headers: Mapping[str, str] | None = None
) -> UpstreamError:
    """The failure that an HTTP status means."""
    text = f"{status} {message}".strip()
    wait = retry_after(headers or {})
    if status == 429 or status == 503:
        return UpstreamOverloaded(text, service=service, retry_after=wait)
    if status in (408, 504):
        return UpstreamTimeout(text, service=service, retry_after=wait)
    if 400 <= status < 500:
        return UpstreamRejected(text, service=service)
    return UpstreamError(text, service=service, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lower.get(name, "")
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return float(value) * scale
        if value:
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - time())
            except ValueError:
                continue
    return None


def timed_out(error: BaseException | None) -> bool:
    """Whether a failure began as a timeout: on aiohttp, a lost connection is called one too."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None


def said(body: object, *secrets: str) -> str:
    """What a service's error body says, as one short line without any of `secrets`."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
        with suppress(ValueError):
            body = json.loads(body)
    while isinstance(body, Mapping):
        body = next(
            (body[key] for key in ("message", "error", "detail", "status") if body.get(key)), ""
        )
    text = str(body or "")
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _SECRET.sub(r"\1***", text)
    return " ".join(text.split())[:300]
