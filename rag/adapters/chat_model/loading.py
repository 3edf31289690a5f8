"""Wait for a local server that is still loading its model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rag.adapters.failures import error_text

T = TypeVar("T")

_LOADING = re.compile(r"\bloading\b", re.I)
"""How such a server says so, with status 503."""
_WAIT = 1.0


async def when_loaded(send: Callable[[], Awaitable[T]], limit: float) -> T:
    """Repeat a request until the server has loaded its model.

    `limit` is in the event loop's time. Raises TimeoutError, or the error of the last request.
    """
    from openai import InternalServerError

    clock = asyncio.get_running_loop().time
    async with asyncio.timeout_at(limit):
        while True:
            try:
                return await send()
            except InternalServerError as error:
                text = error_text(error.body) or error.message
                if error.status_code != 503 or not _LOADING.search(text):
                    raise
                if clock() + _WAIT >= limit:
                    raise
            await asyncio.sleep(_WAIT)
