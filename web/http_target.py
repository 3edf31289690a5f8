"""Turn the forms of a request that proxies and monitors send into those that the routes know."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from fastapi.responses import Response
from starlette.types import Message, Scope, Send

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


def with_path(scope: Scope) -> Scope:
    """Return the scope of a request with a path where the target is a whole URL.

    The host in the target replaces the header (RFC 9112, section 3.2.2).
    """
    found = _ABSOLUTE.match(scope.get("raw_path") or b"")
    if found is None:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "raw_path": raw,
        "path": unquote(raw.decode("ascii", "replace")),
        "headers": [*headers, (b"host", found[1])],
    }


def as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """Return a HEAD request as the GET that it asks about, and a `send` that drops the body."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return {**scope, "method": "GET"}, send_head


def to_root(scope: Scope, base_path: str) -> Response | None:
    """Return a redirect if the target is the base path without its slash.

    The links of the page are relative, so the slash matters. The redirect is relative too: it does
    not rely on the `Host` header, and a proxy cannot have changed its path.
    """
    if not base_path or scope["path"] != base_path or scope["method"] not in ("GET", "HEAD"):
        return None
    query = scope["query_string"].decode("ascii", "replace")
    target = quote(base_path.rpartition("/")[2]) + "/" + (f"?{query}" if query else "")
    return Response(status_code=307, headers={"Location": target})
