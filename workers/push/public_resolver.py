"""Resolves names for connections that may go to public addresses only.

Invariant: an address is judged where it is connected to, so a name that leads elsewhere the second time gains nothing.
"""

import ipaddress
import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from workers.push.addresses import Network, is_allowed


class NotPublic(OSError):  # noqa: N818  reads as what it is
    """A name leads to an address that may not be connected to."""

    def __init__(self) -> None:
        super().__init__(0, "its address is not public")


class PublicResolver(AbstractResolver):
    """Resolves like *resolver*, and refuses a name if any of its addresses may not be connected to."""

    def __init__(self, networks: Sequence[Network] = (), resolver: AbstractResolver | None = None) -> None:
        """*networks*: they may be, though not public. *resolver*: else the system's."""
        self._networks = networks
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises: NotPublic, and what the resolver raises."""
        resolver = self._resolver or ThreadedResolver()
        found = await resolver.resolve(host, port, family)
        if not all(is_allowed(ipaddress.ip_address(each["host"]), self._networks) for each in found):
            raise NotPublic
        return found

    async def close(self) -> None:
        """With nothing of its own to close."""
