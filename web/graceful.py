"""uvicorn's server, with an end to streams that their readers understand."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from rag import sse
from rag.types import UpstreamError

GRACE_SECONDS = 4
"""How long open answers may go on after SIGTERM; hosts kill after 5 to 10 s."""
LAST_WORD_SECONDS = 1
"""Of these, for telling the readers of unfinished answers."""


class GracefulServer(uvicorn.Server):
    """Streams that are not done in time end with an `error` event, not in the middle."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        restarting = UpstreamError(
            "stopped in the middle of an answer",
            service="book",
            detail="The service is being restarted. Please ask again in a moment.",
        )
        loop = asyncio.get_running_loop()
        last_word = loop.call_later(GRACE_SECONDS - LAST_WORD_SECONDS, sse.end_all, restarting)
        try:
            await super().shutdown(sockets)
        finally:
            last_word.cancel()
