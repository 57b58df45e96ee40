"""What a peer is: a server that can be started here, and the bytes with which clients enter it and speak.

Invariant: the client that measures knows nothing of any peer's protocol. A peer says what to write, and which bytes
show a delivery; everything else is the same for all.
"""

import base64
import os
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Self

from msgspec import Struct

MARK = b"-mark-"
PAYLOAD = (b"a hug for everybody in the room " * 4)[: 128 - len(MARK)] + MARK
SERVER = "server"  # the kind of process that is compared; others are reported beside it
VALKEY = "Valkey"


class Step(Struct, frozen=True):
    """Write *send*, then wait until *until* has been read."""

    send: bytes
    until: bytes


class Serving(Struct, frozen=True):
    """Servers that run. *ports*: one of each node; *pids* by kind of process."""

    ports: list[int]
    pids: dict[str, list[int]]


class Site(Struct, frozen=True):
    """Where a peer may find and put things. *installed*: a folder of programs fetched by the user; *scratch*: emptied afterwards."""

    installed: Path
    scratch: Path


class Peer(ABC):
    """A server that runs. Rooms, members and pairs are numbered from 0."""

    name: ClassVar[str]
    title: ClassVar[str]
    unicast_nodes: ClassVar[int] = 1  # 2: two server processes, and Redis between them
    rooms: ClassVar[int] = 1  # that share all members
    rest_s: ClassVar[float] = 0.0  # of a room after a message has reached everybody, before the next one
    heartbeat: ClassVar[bytes] = b""  # what every connection writes now and then to stay
    mark: bytes = MARK  # once in each delivery

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @classmethod
    @abstractmethod
    def missing(cls, site: Site) -> str:
        """What to install, and how; empty if it can be started."""

    @classmethod
    @abstractmethod
    def serve(cls, site: Site, nodes: int, people: int) -> AbstractContextManager[Self]:
        """Start *nodes* processes for up to *people* connections; they end with the block. Raises: StackFailed."""

    @abstractmethod
    def member(self, number: int) -> list[Step]:
        """Enter, into the room too if there is only one. Member 0 is the one who publishes."""

    def join(self, number: int, room: int) -> Step:
        """Come into one of several rooms; member 0 is the first."""
        raise NotImplementedError

    @abstractmethod
    def fan(self, room: int) -> bytes:
        """What member 0 writes to tell everybody in *room*, itself too."""

    @abstractmethod
    def receiver(self, number: int) -> list[Step]:
        """Enter, and be within reach of the sender of the same number."""

    @abstractmethod
    def sender(self, number: int) -> list[Step]:
        """Enter."""

    @abstractmethod
    def unicast(self, number: int) -> bytes:
        """What the sender writes to its receiver."""

    def are_apart(self, sender: bytes, receiver: bytes) -> bool:
        """Are both on different nodes, judging by what they have read? Asked only if there are several."""
        del sender, receiver
        return True


def upgrade(port: int, path: str, *, protocol: str = "") -> Step:
    """The opening handshake of RFC 6455, without extensions."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
    ]
    return Step("\r\n".join([*lines, "", ""]).encode(), b" 101 ")
