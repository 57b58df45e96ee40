"""`broadcast()` of the websockets library; the server is in websockets_server.py."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from loadtest.clients.wire import client_frame
from loadtest.peers.launch import running_python
from loadtest.peers.peer import PAYLOAD, SERVER, Peer, Serving, Site, Step, upgrade


class WebsocketsHub(Peer):
    """One process: it has nothing to cross to another one."""

    name = "websockets"
    title = "websockets broadcast()"

    @classmethod
    def missing(cls, site: Site) -> str:
        """A dependency of ours."""
        del site
        return ""

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """One process."""
        del nodes, people
        with running_python("loadtest.peers.websockets_server", (), site.scratch) as (port, pid):
            yield cls(Serving([port], {SERVER: [pid]}))

    def member(self, number: int) -> list[Step]:
        """One room, named in the path."""
        del number
        return [upgrade(self.serving.ports[0], "/room0")]

    def fan(self, room: int) -> bytes:
        """Text for a room."""
        return _say(f"/room{room}")

    def receiver(self, number: int) -> list[Step]:
        """A room of one's own."""
        return [upgrade(self.serving.ports[0], f"/receiver{number}")]

    def sender(self, number: int) -> list[Step]:
        """Likewise."""
        return [upgrade(self.serving.ports[0], f"/sender{number}")]

    def unicast(self, number: int) -> bytes:
        """Text for the receiver's room."""
        return _say(f"/receiver{number}")


def _say(room: str) -> bytes:
    return client_frame(json.dumps({"room": room, "text": PAYLOAD.decode()}).encode())
