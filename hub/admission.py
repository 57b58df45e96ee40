"""Who may open a session: path, origin, subprotocol, capacity; all before anything is spent.

Invariant: the number of connections never exceeds what the node and one address may have, and a node
that drains takes no new ones.
"""

import asyncio
import ipaddress
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct
from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from domain.errors import Unavailable
from domain.ids import uuid7
from hub.connection import Connection, ConnectionCounts
from hub.node import Node
from hub.session import Session
from hub.sweep import Sweep
from hub.tick import TickWriter
from protocol.codec import Codec

PATH = "/v1/socket"
VERSION = "13"  # RFC 6455, section 4.4
RETRY_AFTER_S = 2
_SUBPROTOCOLS = [Subprotocol(Codec.JSON.value), Subprotocol(Codec.MSGPACK.value)]


class Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """An HTTP answer instead of an upgrade."""

    def __init__(
        self, status: int, message: str, retry_after_s: int = 0, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.headers = headers

    def response(self) -> bytes:
        """The whole response, after which the connection is closed."""
        body = f"{self}\n".encode()
        retry = (("Retry-After", str(self.retry_after_s)),) if self.retry_after_s else ()
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in (*retry, *self.headers)),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class AdmissionLimits(Struct, frozen=True):
    """How many, and from where. 0 means without limit."""

    connections: int
    per_address: int
    allowed_origins: tuple[str, ...]  # empty: the hub's own host
    trusted_proxies: tuple[str, ...]  # addresses or networks whose X-Forwarded-For is believed


class Guest(Protocol):
    """A stream or a poll: a session without a WebSocket."""

    address: str
    kind: str
    session: Session


class Admission:
    """The door of one node."""

    def __init__(
        self,
        limits: AdmissionLimits,
        node: Node,
        sweep: Sweep,
        tick: TickWriter,
        counts: ConnectionCounts,
        clock: Callable[[], int],
        on_command: Callable[[Session, bytes | str], None],
    ) -> None:
        self._limits = limits
        self._trusted = [ipaddress.ip_network(network) for network in limits.trusted_proxies]
        self._node = node
        self._sweep = sweep
        self._tick = tick
        self._counts = counts
        self._clock = clock
        self._on_command = on_command
        self._by_address: dict[str, int] = {}
        self._on_lost = self._release  # one bound method for all, instead of one each
        self.connections: set[Connection] = set()
        self.guests: set[Guest] = set()
        self.is_draining = False

    def upgrade(self, transport: asyncio.Transport, request: Request) -> Connection:
        """Answer the handshake and make the connection. Raises: Refused, with what to answer instead."""
        if request.path.partition("?")[0] != PATH:
            raise Refused(404, f"WebSockets are served at {PATH}.")
        self._check_capacity()
        if request.headers.get("Sec-WebSocket-Version", VERSION) != VERSION:
            raise Refused(426, "This server speaks version 13.", headers=(("Sec-WebSocket-Version", VERSION),))
        address = self._address(transport, request)
        self._check_address(address)
        server = ServerProtocol(
            origins=self._origins(request), subprotocols=_SUBPROTOCOLS, select_subprotocol=_choose_subprotocol
        )
        response = server.accept(request)
        server.parser.close()  # its generator and itself hold each other: 4 KB a handshake until the collector comes
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            names = ("Allow", "Upgrade")
            headers = tuple((name, response.headers[name]) for name in names if name in response.headers)
            message = bytes(response.body or b"").decode(errors="replace").strip()
            raise Refused(response.status_code, message, headers=headers)
        transport.write(response.serialize())
        codec = Codec(response.headers.get("Sec-WebSocket-Protocol", Codec.JSON.value))
        return self._connect(transport, codec, address, _bearer(request))

    def admit(self, guest: Guest) -> None:
        """Count *guest*, who came by an ordinary request. Raises: Unavailable."""
        try:
            self._check_capacity()
            self._check_address(guest.address)
        except Refused as refused:
            raise Unavailable(str(refused), refused.retry_after_s * 1000) from None
        self.guests.add(guest)
        self._count(guest.address)

    def release(self, guest: Guest) -> None:
        """*guest* has gone. Harmless for one who has gone already."""
        if guest in self.guests:
            self.guests.discard(guest)
            self._discount(guest.address)

    def is_empty(self) -> bool:
        """Has everybody gone?"""
        return not self.connections and not self.guests

    def _check_capacity(self) -> None:
        if self.is_draining:
            raise Refused(503, "This node is going away; connect again.", RETRY_AFTER_S)
        if self._limits.connections and len(self.connections) + len(self.guests) >= self._limits.connections:
            raise Refused(503, "This node is full; try again shortly.", RETRY_AFTER_S)

    def _check_address(self, address: str) -> None:
        if self._limits.per_address and self._by_address.get(address, 0) >= self._limits.per_address:
            raise Refused(503, "Too many connections from this address.", RETRY_AFTER_S)

    def _connect(self, transport: asyncio.Transport, codec: Codec, address: str, bearer: str | None) -> Connection:
        connection = Connection(
            transport,
            codec,
            address,
            sweep=self._sweep,
            tick=self._tick,
            counts=self._counts,
            on_lost=self._on_lost,
        )
        connection.session = Session(uuid7(self._clock()), connection, self._node, self._on_command, bearer)
        self.connections.add(connection)
        self._count(address)
        return connection

    def _release(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._discount(connection.address)

    def _count(self, address: str) -> None:
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def _discount(self, address: str) -> None:
        left = self._by_address.get(address, 0) - 1
        if left > 0:
            self._by_address[address] = left
        else:
            self._by_address.pop(address, None)

    def _origins(self, request: Request) -> list[Origin | None]:
        if self._limits.allowed_origins:
            return [None, *(Origin(origin) for origin in self._limits.allowed_origins)]
        host = request.headers.get("Host", "")
        return [None, Origin(f"http://{host}"), Origin(f"https://{host}")]

    def _address(self, transport: asyncio.Transport, request: Request) -> str:
        """The client's address; behind trusted proxies, the nearest one in X-Forwarded-For that is not ours."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else "local"
        for hop in reversed(", ".join(request.headers.get_all("X-Forwarded-For")).split(",")):
            if not hop.strip() or not self._is_trusted(address):
                break
            address = hop.strip()
        return sys.intern(address)  # many connections come from few addresses

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _choose_subprotocol(_server: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """JSON when nothing is offered; otherwise the client's first choice that we speak."""
    for subprotocol in offered:
        if subprotocol in _SUBPROTOCOLS:
            return subprotocol
    if offered:
        raise NegotiationError(f"this server speaks {' and '.join(_SUBPROTOCOLS)}")
    return None


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None
