"""A list of chat models, best first, and what a server says about its models."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json

from rag.errors import UpstreamError, UpstreamOverloaded, UpstreamRejected

T = TypeVar("T")

log = logging.getLogger(__name__)

_REMEMBERED = {"model": 3600.0, "quota": 600.0}
"""Seconds for which a model that cannot be used is left out, by reason."""
_BUSY_SECONDS = 30.0
"""The same for a model with too many requests, unless it says for how long."""
_SECONDS_SINCE_1970 = range(10**9, 10**11)


class _Unusable(NamedTuple):
    why: str
    until: float


class Models:
    """Names of models, best first. Those that cannot be used are left out for a while."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._out: dict[str, _Unusable] = {}

    @property
    def unusable(self) -> dict[str, str]:
        """Why models cannot be used at the moment, by name."""
        now = time.monotonic()
        return {name: out.why for name, out in self._out.items() if out.until > now}

    async def first_usable(self, names: Sequence[str], use: Callable[[str], Awaitable[T]]) -> T:
        """Return the result of `use` for the first of these models that can be used.

        The next one is tried if a model is gone, its quota is used up, or it is overloaded. If all
        are known to be unusable, all are tried. Raises the last failure.
        """
        names = list(dict.fromkeys(names))
        usable = [name for name in names if name not in self.unusable] or names
        for n, name in enumerate(usable, 1):
            try:
                found = await use(name)
            except UpstreamError as error:
                seconds = _left_out_for(error)
                if seconds:
                    self._out[name] = _Unusable(str(error), time.monotonic() + seconds)
                if not seconds or n == len(usable):
                    raise
                log.warning("%s cannot be used, trying %s: %s", name, usable[n], error)
            else:
                self._out.pop(name, None)
                return found
        raise ValueError("there must be a model")


def _left_out_for(error: UpstreamError) -> float:
    """Return for how many seconds a model that failed is left out; 0 if the next would fail too."""
    if isinstance(error, UpstreamRejected):
        return _REMEMBERED.get(error.reason, 0.0)
    if isinstance(error, UpstreamOverloaded):
        return error.retry_after or _BUSY_SECONDS
    return 0.0


def read_listing(body: bytes) -> dict[str, date | None]:
    """Return the models in a response of `/v1/models`, and when they will be shut down.

    Raises ValueError, TypeError or LookupError if it is in another form.
    """
    return {
        str(model["id"]): _date(model.get("shutdown_date")) for model in from_json(body)["data"]
    }


def _date(value: Any) -> date | None:
    """Read a date, or a time in seconds since 1970. None if it is neither."""
    with suppress(ValueError, OverflowError):
        if isinstance(value, str):
            return date.fromisoformat(value.strip()[:10])
        if type(value) in (int, float) and int(value) in _SECONDS_SINCE_1970:
            return datetime.fromtimestamp(value, UTC).date()
    return None
