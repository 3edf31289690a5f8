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


def client_keys(secret: str, address: str, today: date | None = None) -> list[Key]:
    """Return the keys of a client's address, which change every day (UTC).

    An IPv6 address has one for each of its networks in IPV6_TIERS, the smallest first.
    """
    day, ip = str(today or datetime.now(UTC).date()), _parse(address)
    if not isinstance(ip, ipaddress.IPv6Address):
        return [Key(_key(secret, "client", day, str(ip or address)))]
    keys = []
    for prefix, weight in IPV6_TIERS.items():
        network = ipaddress.IPv6Network((ip, prefix), strict=False).network_address
        kind = "client" if prefix == 64 else f"client/{prefix}"
        keys.append(Key(_key(secret, kind, day, str(network)), weight))
    return keys


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
