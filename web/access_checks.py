"""Optional checks of a request that costs money: its origin, its ticket, Turnstile.

All are off unless a setting turns them on. Limits and budgets hold with or without them.
"""

from __future__ import annotations

import hmac
import re
import time
from urllib.parse import urlsplit

from fastapi import Request

from rag.errors import BookError
from rag.providers import get_clients, get_settings
from rag.settings import Settings
from web import cors

PAID = ("/chat", "/search")
"""Paths whose requests are checked."""
TICKET_HEADER = "X-Book-Ticket"
TURNSTILE_HEADER = "X-Turnstile-Token"
LONGEST_TICKET_SECONDS = 86_400
"""A ticket that is valid for longer than a day is refused."""

_TICKET = re.compile(r"(([0-9]{1,12})(?:\.([!-~]{1,200}))?)\.([0-9a-f]{64})")
"""The signed part, with the expiry and the origin in it, and the signature."""


class Forbidden(BookError):
    code = "forbidden"
    detail = "This page is not allowed to ask the book questions."


NO_ORIGIN = "Only pages of the book's own sites may ask it. This request comes from elsewhere."
NO_TICKET = "This page's permission to ask is missing or has expired. Please reload the page."
NO_ASSISTANTS = (
    "Only readers on the book's own site may ask it. Its author can let assistants ask too, by "
    "giving them an address with a token (MCP_TOKEN)."
)
NO_PERSON = "We could not verify that you are human. Please try again."


async def check(request: Request) -> None:
    """Raise Forbidden if a check that is switched on refuses the request.

    Tokens of Turnstile are checked over the network, so at most as many are as of cheap requests;
    beyond that, raise RateLimited. If both tickets and Turnstile are switched on, either will do.
    """
    settings, headers = get_settings(), request.headers
    origin = headers.get("origin", "")
    if settings.require_origin and not _is_own(settings, origin, headers.get("host", "")):
        raise Forbidden(detail=NO_ORIGIN)
    if settings.ticket_secret:
        if is_valid_ticket(settings.ticket_secret, headers.get(TICKET_HEADER, ""), origin):
            return
        if not settings.turnstile_secret:
            raise Forbidden(detail=NO_TICKET)
    if settings.turnstile_secret:
        from rag.adapters import turnstile  # imports an HTTP client
        from rag.chat import admission

        admission.admit_cheap(get_clients(), str(getattr(request.state, "client", "")))
        token, url = headers.get(TURNSTILE_HEADER, ""), settings.turnstile_url
        if not await turnstile.verify(settings.turnstile_secret, token, url):
            raise Forbidden(detail=NO_PERSON)


def may_ask_without_token(settings: Settings, origin: str) -> bool:
    """Whether an assistant without a token may ask. It has no ticket and no token of Turnstile."""
    if settings.ticket_secret or settings.turnstile_secret:
        return False
    return not settings.require_origin or cors.is_allowed(settings, origin)


def is_valid_ticket(secret: str, ticket: str, origin: str = "") -> bool:
    """Whether a ticket is signed with the secret, has not expired, and was made for the origin.

    A ticket is `EXPIRY.SIGNATURE` or `EXPIRY.ORIGIN.SIGNATURE`: seconds since 1970, the origin of
    the page that it is for, and in hexadecimal the HMAC-SHA256 of what precedes the last dot.
    """
    if not (parts := _TICKET.fullmatch(ticket)):
        return False
    signed, expiry, made_for, signature = parts.groups()
    expected = hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest()
    left = int(expiry) - time.time()
    return (
        hmac.compare_digest(signature, expected)
        and 0 < left <= LONGEST_TICKET_SECONDS
        and made_for in (None, origin)
    )


def _is_own(settings: Settings, origin: str, host: str) -> bool:
    """Whether the origin may call the API, or is that of this service's own pages."""
    parts = urlsplit(origin)
    own = parts.scheme in ("http", "https") and parts.netloc == host
    return bool(origin) and (own or cors.is_allowed(settings, origin))
