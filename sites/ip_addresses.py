"""Decide which IP addresses the crawler may connect to, after resolving the host name."""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from rag.errors import SourceError

# https://www.iana.org/assignments/iana-ipv4-special-registry, where Python 3.11 lacks it, and
# addresses of the public space at which a cloud answers its own machines.
_REFUSED_V4 = [
    IPv4Network("192.0.0.0/24"),  # IETF protocols; 192.0.0.192 is Oracle's metadata
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, withdrawn by RFC 7526
    IPv4Network("168.63.129.16/32"),  # Azure's platform
]
# https://www.iana.org/assignments/ipv6-address-space: all that has been given out. The rest
# holds the local, the mapped, the translated and the compatible addresses.
_GLOBAL_V6 = IPv6Network("2000::/3")
# https://www.iana.org/assignments/iana-ipv6-special-registry
_REFUSED_V6 = [
    IPv6Network("2001::/23"),  # IETF protocols, among them Teredo (2001::/32)
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
]
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is reached."""
_ISATAP = (0x5EFE, 0x02005EFE)
"""RFC 5214: the bits before an IPv4 address that is reached."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is public, including any IPv4 address embedded in it."""
    if isinstance(address, IPv4Address):
        special = any(address in network for network in _REFUSED_V4)
        return address.is_global and not address.is_multicast and not special
    inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped or address in _NAT64:
        return is_public(inner)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP and not is_public(inner):
        return False
    special = any(address in network for network in _REFUSED_V6)
    return address in _GLOBAL_V6 and address.is_global and not special


def check_host(host: str) -> None:
    """Raise SourceError for an IPv4 address that is not spelled as four decimal numbers.

    Systems read `0177.0.0.1`, `0x7f.1` and `2130706433` in different ways.
    """
    if ":" in host or not re.search(r"(^|\.)(\d+|0x[\da-f]*)\.?$", host, re.IGNORECASE):
        return
    try:
        IPv4Address(host)
    except ValueError:
        raise SourceError(
            f"{host} is not the usual spelling of an address: write four decimal numbers "
            "without leading zeros, such as 192.0.2.1."
        ) from None


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host.

    Connect to these only: a second lookup could return others (DNS rebinding). Raises
    SourceError if there are none, or if one is private and `allow_private` is off.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        raise SourceError(f"There is no host called {host}.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for address in addresses:
            if not is_public(ip_address(address)):
                named = host if host == address else f"{host} ({address})"
                raise SourceError(
                    f"{named} is on this machine or in a private network, "
                    "which is not read by default. "
                    "To read it, add --allow-private."
                )
    return addresses
