"""Recognize the author of the book by the admin token."""

from __future__ import annotations

import hmac

from rag.conversations.rate_limit_keys import client_keys
from rag.conversations.rate_limits import Limits
from rag.providers import Clients
from rag.settings import is_loopback

RATE = Limits(per_minute=60, burst=120)
"""Limit per address, which also prevents guessing the token."""


def has_token(clients: Clients, authorization: str, address: str) -> bool:
    """Whether the header holds the admin token. Counts as a guess: may raise RateLimited."""
    clients.author_limits.admit(client_keys("", address), RATE)
    scheme, _, token = authorization.partition(" ")
    expected = clients.settings.admin_token
    return scheme.lower() == "bearer" and bool(expected) and _equal(token.strip(), expected)


def is_author(clients: Clients, authorization: str, address: str) -> bool:
    """Whether the author asks: with the token or, where none is set, on their own machine."""
    settings = clients.settings
    if settings.admin_token:
        return bool(authorization) and has_token(clients, authorization, address)
    return not address or (settings.local and is_loopback(address))


def _equal(one: str, other: str) -> bool:
    """Constant-time comparison."""
    return hmac.compare_digest(one.encode(), other.encode())
