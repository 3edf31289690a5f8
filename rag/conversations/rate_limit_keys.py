"""Keys that readers are counted under: keyed hashes of addresses, which change every day."""

from __future__ import annotations

import hmac
import ipaddress
import uuid
from datetime import UTC, date, datetime
from typing import NamedTuple

IPV6_TIERS = {64: 1, 56: 2, 48: 4}
"""Weight of each IPv6 network by its prefix length. A household has a /64 or a /56 and a company or
a campus a /48, whose addresses one person could use in turn."""


class Key(NamedTuple):
    """What requests are counted under: an address, a network or a conversation."""

    name: str
    """A keyed hash."""
    weight: int = 1
    """Multiplies the rate and the share."""


def client_key(secret: str, address: str, today: date | None = None, prefix: int = 64) -> str:
    """Return the key of a client's address: a keyed hash that changes every day (UTC).

    An IPv6 address is reduced to its network of `prefix` bits. A /64 is the smallest that a
    household gets.
    """
    ip = _parse(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ipaddress.IPv6Network((ip, prefix), strict=False).network_address
    kind = "client" if prefix == 64 else f"client/{prefix}"
    return _key(secret, kind, str(today or datetime.now(UTC).date()), str(ip or address))


def client_keys(secret: str, address: str, today: date | None = None) -> list[Key]:
    """Return the keys of a client's address: one, or for IPv6 one for each of IPV6_TIERS."""
    if not isinstance(_parse(address), ipaddress.IPv6Address):
        return [Key(client_key(secret, address, today))]
    return [
        Key(client_key(secret, address, today, prefix), weight)
        for prefix, weight in IPV6_TIERS.items()
    ]


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return None
    return (isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped) or ip


def session_key(secret: str, session_id: str) -> str:
    """Return the key of a session, a keyed hash of its id."""
    return _key(secret, "session", session_id)


def _key(secret: str, *parts: str) -> str:
    message = "\0".join(parts).encode("utf-8", "replace")
    digest = hmac.digest(secret.encode("utf-8", "replace"), message, "sha256")
    return str(uuid.UUID(bytes=digest[:16]))
