"""Check whether the book's own site has a file."""

from __future__ import annotations

import asyncio
import logging
import time

PURPOSE = "ask-the-book"
"""Value of the header `Purpose`, by which the service recognizes its own requests."""
SECONDS = 3.0
KEPT_SECONDS = 3600.0

log = logging.getLogger(__name__)
_known: dict[str, tuple[bool, float]] = {}


async def exists(url: str) -> bool:
    """Whether `url` returns a text file. Redirects do not count. Known for an hour."""
    found, until = _known.get(url, (False, 0.0))
    if time.monotonic() > until:
        found = await _look(url)
        if len(_known) > 10:
            _known.clear()
        _known[url] = found, time.monotonic() + KEPT_SECONDS
    return found


async def _look(url: str) -> bool:
    from aiohttp import ClientError

    from rag.adapters.http import session

    headers = {"Purpose": PURPOSE, "Accept": "text/plain, text/markdown"}
    try:
        async with (
            asyncio.timeout(SECONDS),
            session(url, SECONDS) as http,
            http.get(url, headers=headers, allow_redirects=False) as response,
        ):
            kind = response.content_type
            return response.status == 200 and kind in ("text/plain", "text/markdown")
    except (ClientError, TimeoutError, ValueError) as error:
        log.info("cannot check for %s: %s", url, type(error).__name__)
        return False
