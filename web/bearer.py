"""Check the tokens that clients send."""

from __future__ import annotations

import hmac
from collections.abc import Sequence


def bearer(authorization: str) -> str:
    """Return the token of an `Authorization: Bearer` header, or ""."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_one_of(token: str, expected: Sequence[str]) -> bool:
    """Whether `token` is one of the expected ones. Constant-time comparison."""
    matches = [hmac.compare_digest(token.encode("utf-8", "replace"), t.encode()) for t in expected]
    return any(matches)
