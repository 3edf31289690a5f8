"""Middleware for every request: request id, security headers, body limit, one log line."""

from __future__ import annotations

import asyncio
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
from web import error_handlers, http_target, shutdown
from web.client_ip import client_address

log = logging.getLogger("requests")

MAX_BODY_BYTES = 65_536
"""Enough for a question with a highlighted page of 10,000 characters in any script, even if all are
escaped (`\\uXXXX`), or of 20,000 Chinese ones that are not."""

_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SESSION = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F-]{24,}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of every response. They do not forbid framing the chat page."""
API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers of API responses: conversations must not be cached or framed."""


class RequestMiddleware:
    """Pure ASGI middleware, so that bodies are streamed without buffering.

    `base_path` is the path prefix that a proxy does not strip; requests without it work too.
    `platform` and `proxy_hops` decide which source of the client's address is trusted.
    """

    def __init__(
        self, app: ASGIApp, base_path: str = "", platform: str = "", proxy_hops: int = 0
    ) -> None:
        self.app = app
        self.base_path = base_path
        self.platform = platform
        self.proxy_hops = proxy_hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                receive = shutdown.until_cancelled(receive)
            await self.app(scope, receive, send)
            return
        scope = http_target.with_path(scope)
        if self.base_path:
            scope["root_path"] = self.base_path
        request_id = Headers(scope=scope).get("x-request-id", "")
        if not _VALID_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["client"] = client_address(scope, self.platform, self.proxy_hops)
        started = time.perf_counter()
        line = request_log.begin(request_id=request_id, method=scope["method"], path=_path(scope))
        line["status"] = 0
        app: ASGIApp = http_target.to_root(scope, self.base_path) or self.app
        if scope["method"] == "HEAD":
            scope, send = http_target.as_get(scope, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                shutdown.response_started(task)
                line["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                data = headers.get("content-type", "").startswith("application/")
                for name, value in (SECURITY_HEADERS | (API_HEADERS if data else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with shutdown.cancellable_until_response() as task:
                await app(scope, _limit_body(scope, receive), send_with_headers)
        except (HTTPException, UpstreamError) as error:  # raised outside the app
            response = await error_handlers.error_response(Request(scope), error)
            await response(scope, receive, send_with_headers)
        except asyncio.CancelledError:  # the server does not wait any longer, as after two Ctrl-C
            if not line["status"]:
                response = await error_handlers.error_response(Request(scope), shutdown.RESTARTING)
                await response(scope, receive, send_with_headers)
        finally:
            line["ms"] = round((time.perf_counter() - started) * 1000, 1)
            log.info("request", extra={"request": line})


def _limit_body(scope: Scope, receive: Receive) -> Receive:
    """Reject bodies over MAX_BODY_BYTES while they arrive, before they are put together.

    Raises HTTPException and closes the connection if a request declares its length in two ways: a
    proxy may have used the other one (request smuggling, RFC 9112, section 6.1).
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
    """Return the path for the log. Session ids give access, so only their start is logged."""
    return _SESSION.sub(lambda match: match[0][:8] + "…", scope["path"])[:200]
