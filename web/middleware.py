"""Around every request: an id, headers that protect, one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag import request_log
from rag.errors import UpstreamError
from web import error_handlers, shutdown
from web.client_ip import client_address

log = logging.getLogger("requests")

MAX_BODY_BYTES = 1_000_000

_OURS = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SESSION = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F-]{24,}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Of every response. None of them keeps the page out of an iframe."""
API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of what is data, not a page: a conversation stays in no cache and is shown in no frame."""


class RequestMiddleware:
    """Pure ASGI, so that bodies stream through untouched.

    `base_path` is what a proxy leaves in front of every path; without it paths work as well.
    `platform` is the host, which decides who is believed about a reader's address.
    """

    def __init__(self, app: ASGIApp, base_path: str = "", platform: str = "") -> None:
        self.app = app
        self.base_path = base_path
        self.platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.base_path:
            scope["root_path"] = self.base_path
        request_id = Headers(scope=scope).get("x-request-id", "")
        if not _OURS.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["client"] = client_address(scope, self.platform)
        started = time.perf_counter()
        line = request_log.begin(request_id=request_id, method=scope["method"], path=_path(scope))
        line["status"] = 0

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                shutdown.begun(task)
                line["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                data = headers.get("content-type", "").startswith("application/")
                for name, value in (SECURITY_HEADERS | (API_HEADERS if data else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with shutdown.waiting() as task:
                await self.app(scope, _bounded(scope, receive), send_with_headers)
        except (HTTPException, UpstreamError) as error:  # not the app's: ambiguous, or stopped
            response = await error_handlers.answer(Request(scope), error)
            await response(scope, receive, send_with_headers)
        finally:
            line["ms"] = round((time.perf_counter() - started) * 1000, 1)
            log.info("request", extra={"request": line})


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Refuse a body over MAX_BODY_BYTES where it is read: as problem details, like the rest.

    Raises HTTPException for a request of two lengths: a proxy in front may have gone by the other
    (request smuggling, RFC 9112, 6.1). Its connection cannot be used any further.
    """
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    if declared and "transfer-encoding" in headers:
        raise HTTPException(400, headers={"Connection": "close"})
    announced = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        if announced > MAX_BODY_BYTES:
            raise HTTPException(413)
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    return bounded


def _path(scope: Scope) -> str:
    """The path for the log: a session id is a key to its conversation, so only its start."""
    return _SESSION.sub(lambda match: match[0][:8] + "…", scope["path"])[:200]
