"""Decide which IP addresses the crawler may connect to, after resolving the host name."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from rag.errors import SourceError

_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is public, including any IPv4 address embedded in it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour or address.teredo or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host.

    Connect to these only: a second lookup could return others (DNS rebinding). Raises
    SourceError if there are none, or if one is private and `allow_private` is off.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
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
