"""One retry policy for every service.

The SDKs' own retries are off: each has its own rules for what may be repeated, and none knows how
much time the request has left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from rag import deadlines
from rag.errors import UpstreamError, UpstreamRejected, UpstreamTimeout

T = TypeVar("T")

_FIRST_WAIT = 0.15
_LONGEST_WAIT = 20.0
"""Seconds between attempts, unless the service asks for another wait."""


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long a request may take, in seconds, and how often it is tried."""

    seconds: float
    attempts: int = 3
    attempt_seconds: float = inf


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    limits: RetryLimits,
    *,
    service: str,
    errors: tuple[type[Exception], ...],
    translate: Callable[[Exception], UpstreamError],
) -> T:
    """Run `attempt`, which must be safe to repeat, until it succeeds or retrying is pointless.

    It ends within `limits` and before the request's own deadline. `errors` are the SDK's
    exceptions, which `translate` turns into ours; other exceptions pass through.
    UpstreamRejected is final. Every other failure is retried after the wait that the service asked
    for, or a jittered one; if that would end too late, the failure is raised at once.
    """
    clock = asyncio.get_running_loop().time
    deadline = min(clock() + limits.seconds, deadlines.deadline())
    for n in range(limits.attempts):
        allowed = min(limits.attempt_seconds, deadline - clock())
        try:
            async with asyncio.timeout(allowed):
                return await attempt()
        except TimeoutError:
            failure: UpstreamError = UpstreamTimeout(
                f"no answer within {allowed:.1f} s", service=service
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
        final = isinstance(failure, UpstreamRejected) or n + 1 == limits.attempts
        if final or clock() + wait >= deadline:
            raise failure
        await asyncio.sleep(wait)
    raise ValueError("attempts must be 1 or more")
