"""Streamed responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import cast

from fastapi.responses import StreamingResponse
from starlette.types import Send


class ClosingStream(StreamingResponse):
    """Closes the event generator as soon as the client disconnects.

    If the client had stopped reading, the task is cancelled in a write and not in the generator.
    The generator, and the model call with it, would then run until it is garbage collected.
    """

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            await cast(AsyncGenerator[bytes], self.body_iterator).aclose()
