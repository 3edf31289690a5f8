"""HTTP/1.1 as uvicorn speaks it, with an end to whoever sends or reads too slowly.

uvicorn bounds only the pause between two requests. A peer that sends a byte now and then, or
that never reads its answer, would hold a connection, and the answer in the making, for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from web.shutdown import GRACE_SECONDS, LAST_WORD_SECONDS, end_all

HEAD_BYTES = 32_768
"""Request line and headers together; a longer head gets status 400."""
KEEP_ALIVE_SECONDS = 15
"""Between two requests."""


class BoundedProtocol(H11Protocol):
    """Closes a connection whose request or whose reading does not get on."""

    receive_seconds = 20.0
    """From the connection, or the first byte of a further request, to the end of its body."""
    stalled_seconds = 30.0
    """How long a peer may not read while an answer waits to be sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiving: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait_for_request()
        else:
            self._receiving = _stopped(self._receiving)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = _stopped(self._stalled)

    def shutdown(self) -> None:
        """The server is being stopped."""
        super().shutdown()
        self.loop.call_later(GRACE_SECONDS - LAST_WORD_SECONDS, end_all)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiving = _stopped(self._receiving)
        self._stalled = _stopped(self._stalled)
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        """The time runs on whatever trickles in meanwhile."""
        if self._receiving is None:
            self._receiving = self.loop.call_later(self.receive_seconds, self.transport.abort)


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
