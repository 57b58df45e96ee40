"""The usual hub of Starlette (or FastAPI), uvicorn and redis-py; the server is in starlette_server.py."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from loadtest.clients.wire import client_frame
from loadtest.peers.launch import running_python, running_valkey
from loadtest.peers.peer import PAYLOAD, SERVER, VALKEY, Peer, Serving, Site, Step, upgrade


class StarletteHub(Peer):
    """Everything goes through Redis, as it must with more than one process."""

    name = "starlette"
    title = "Starlette + redis-py"
    unicast_nodes = 2

    @classmethod
    def missing(cls, site: Site) -> str:
        """A dependency of ours."""
        del site
        return ""

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """One Valkey, and as many uvicorns as there are nodes."""
        del people
        with ExitStack() as stack:
            redis, redis_pid = stack.enter_context(running_valkey(site.scratch))
            servers = [
                stack.enter_context(
                    running_python("loadtest.peers.starlette_server", [f"redis://127.0.0.1:{redis}"], site.scratch)
                )
                for _ in range(nodes)
            ]
            pids = {SERVER: [pid for _, pid in servers], VALKEY: [redis_pid]}
            yield cls(Serving([port for port, _ in servers], pids))

    def member(self, number: int) -> list[Step]:
        """One room, named in the path."""
        del number
        return [upgrade(self.serving.ports[0], "/ws/room0")]

    def fan(self, room: int) -> bytes:
        """Text for a room."""
        return _say(f"room{room}")

    def receiver(self, number: int) -> list[Step]:
        """A room of one's own."""
        return [upgrade(self.serving.ports[-1], f"/ws/receiver{number}")]

    def sender(self, number: int) -> list[Step]:
        """Likewise."""
        return [upgrade(self.serving.ports[0], f"/ws/sender{number}")]

    def unicast(self, number: int) -> bytes:
        """Text for the receiver's room."""
        return _say(f"receiver{number}")


def _say(room: str) -> bytes:
    return client_frame(json.dumps({"room": room, "text": PAYLOAD.decode()}).encode())
