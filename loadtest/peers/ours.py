"""HugMood itself, over its public commands only.

Fan-out is `group.squeeze`, told to all members as `group.pulse`. A room merges squeezes into at most one pulse each
120 ms, so messages are spread over rooms that all share the same members, and each room rests in between: every
message arrives on its own. Unicast is `hug.preparing`, from one hub to a friend on the other.
"""

import random
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import msgspec

from loadtest.clients.people import Person, hello
from loadtest.clients.wire import PONG, SUBPROTOCOL, client_frame
from loadtest.peers.peer import SERVER, VALKEY, Peer, Serving, Site, Step, upgrade
from loadtest.server.stack import own_stack

_NODE = re.compile(rb'"node":"([^"]*)"')


class Ours(Peer):
    """People with accounts, who say hello with a token."""

    name = "hugmood"
    title = "HugMood"
    unicast_nodes = 2
    rooms = 60
    rest_s = 0.13
    heartbeat = client_frame(b"", PONG)

    def __init__(self, serving: Serving, people: list[Person], mark: bytes) -> None:
        super().__init__(serving)
        self._people = people
        self._rooms = [_new_id() for _ in range(self.rooms)]
        self.mark = mark

    @classmethod
    def missing(cls, site: Site) -> str:
        """It is here."""
        del site
        return ""

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """`hugmood up`, with limits off."""
        del site
        with own_stack(nodes, people + people % 2) as (stack, accounts):
            processes = stack.processes
            pids = {
                SERVER: list(processes.hubs),
                "workers": list(processes.workers),
                "PostgreSQL": [processes.postgres] if processes.postgres else [],
                VALKEY: [processes.valkey] if processes.valkey else [],
            }
            port = int(stack.url.rstrip("/").rpartition(":")[2])
            mark = b'"count":1,' if nodes == 1 else b'{"type":"hug.preparing"'
            yield cls(Serving([port] * nodes, pids), accounts, mark)

    def _enter(self, person: Person) -> list[Step]:
        return [
            upgrade(self.serving.ports[0], "/v1/socket", protocol=SUBPROTOCOL),
            Step(client_frame(hello(person, "compare")), b'"type":"welcome"'),
        ]

    def member(self, number: int) -> list[Step]:
        """A person."""
        return self._enter(self._people[number])

    def join(self, number: int, room: int) -> Step:
        """The first member creates the room."""
        order: dict[str, object] = {"type": "group.join"}
        if number == 0:
            order = {"type": "group.create", "name": "compare", "capacity": len(self._people)}
        return Step(_command(**order, id=self._rooms[room], ref=room), b'{"type":"ok","ref":%d,' % room)

    def fan(self, room: int) -> bytes:
        """A squeeze."""
        return _command(type="group.squeeze", id=self._rooms[room], strength=0.5)

    def receiver(self, number: int) -> list[Step]:
        """The friend of the sender: friends are half a round apart."""
        half = len(self._people) // 2
        return self._enter(self._people[(number + half) % len(self._people)])

    def sender(self, number: int) -> list[Step]:
        """A person."""
        return self._enter(self._people[number])

    def unicast(self, number: int) -> bytes:
        """Opened arms."""
        return _command(type="hug.preparing", to=self._people[number].friends[0])

    def are_apart(self, sender: bytes, receiver: bytes) -> bool:
        """`welcome` names the node."""
        return _NODE.findall(sender) != _NODE.findall(receiver)


def _command(**fields: object) -> bytes:
    return client_frame(msgspec.json.encode(fields))


def _new_id() -> str:
    """A UUID of version 7 (RFC 9562)."""
    ms = time.time_ns() // 10**6
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)))
