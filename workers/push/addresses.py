"""To which addresses a webhook may be posted: public ones, and those of networks that the operator names.

Invariant: an address is judged where it is connected to, so a name that leads elsewhere the second time gains nothing.
"""

import ipaddress
import re
from collections.abc import Sequence

from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPACE = re.compile(r"\s")
_NUMERIC = re.compile(r"[0-9.]*|.*:.*")  # no name: a way to write an address that not all read alike
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are who is meant


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Is it public, or in one of *networks*?"""
    return any(address in network for network in networks) or _is_public(address)


def is_allowed_url(text: str, networks: Sequence[Network]) -> bool:
    """Is it https without a user, or plain http to an address within *networks*? Of an address, not of a name, which is
    judged when it is connected to: may it be connected to?"""
    try:
        url = URL(text)
    except ValueError:
        return False
    host = url.host or ""
    if not host or url.explicit_port == 0 or url.user or url.password or url.fragment or _SPACE.search(text):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return url.scheme == "https" and not _NUMERIC.fullmatch(host)
    if url.scheme == "http":
        return any(address in network for network in networks)
    return url.scheme == "https" and is_allowed(address, networks)


def load_networks(text: str) -> tuple[Network, ...]:
    """With commas between them. Raises: ValueError with what is allowed."""
    try:
        return tuple(ipaddress.ip_network(item.strip()) for item in text.split(",") if item.strip())
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.0/8, with commas between them") from None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(address.packed[-4:]))
        if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local or address.scope_id:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_loopback)
