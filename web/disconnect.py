"""Stop the work on a response when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.types import Receive

T = TypeVar("T")

CLIENT_GONE = 499
"""Status of such a request in the log, as in that of nginx. Nobody receives it."""


async def _receive(request: Request) -> Receive:
    return request.receive


Connection = Annotated[Receive | None, Depends(_receive)]
"""Tells when the client disconnects. Leave it None in plain function calls."""


async def while_connected(connection: Receive | None, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. If the client disconnects first, cancel it and wait for its end.

    Raises HTTPException after a disconnect. The body must have been read, and the response must
    not have started.
    """
    if connection is None:
        return await work
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(connection))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise HTTPException(CLIENT_GONE)
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.wait((working, leaving))
        if not working.cancelled():
            working.exception()  # retrieved: nobody is left to report it to


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
