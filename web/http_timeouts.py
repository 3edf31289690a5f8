"""Add timeouts for slow clients to uvicorn's HTTP/1.1 protocol.

uvicorn limits only the time between two requests. A client that sends a byte now and then, or that
never reads the response, could otherwise hold a connection, and a running answer, forever.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from web.shutdown import ERROR_SECONDS, GRACE_SECONDS, end_all

HEAD_BYTES = 32_768
"""Maximum size of request line and headers. A longer head gets status 400."""
KEEP_ALIVE_SECONDS = 15
"""Maximum time between two requests on a connection."""


class BoundedProtocol(H11Protocol):
    """Closes connections of clients that send or read too slowly."""

    receive_seconds = 20.0
    """Time limit for receiving a request, from the connection or its first byte to its end."""
    stalled_seconds = 30.0
    """Time limit for a client that reads nothing while data waits to be sent."""

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
        """Schedule the end of open streams, because the server is stopping."""
        super().shutdown()
        self.loop.call_later(GRACE_SECONDS - ERROR_SECONDS, end_all)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiving = _stopped(self._receiving)
        self._stalled = _stopped(self._stalled)
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        """Start the timer, unless it is running: data that trickles in does not extend it."""
        if self._receiving is None:
            self._receiving = self.loop.call_later(self.receive_seconds, self.transport.abort)


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
