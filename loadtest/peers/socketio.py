"""Socket.IO on Node.js, over WebSocket only; the server is in socketio_server.js. With two nodes: its Redis adapter."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from loadtest.clients.wire import client_frame
from loadtest.peers.launch import free_port, running, running_valkey
from loadtest.peers.peer import PAYLOAD, SERVER, VALKEY, Peer, Serving, Site, Step, upgrade
from loadtest.server.stack import StackFailed

SCRIPT = Path(__file__).with_name("socketio_server.js")
PACKAGES = ("socket.io@4.8", "@socket.io/redis-adapter@8", "redis")
_PATH = "/socket.io/?EIO=4&transport=websocket"


class SocketIo(Peer):
    """Engine.IO v4 packets: 4 is a message, 42 an event, 43 its acknowledgement."""

    name = "socketio"
    title = "Socket.IO"
    unicast_nodes = 2

    @classmethod
    def missing(cls, site: Site) -> str:
        """The npm registry has it."""
        if shutil.which("node") is None:
            return "apt install nodejs npm"
        folders = [
            site.installed / "node_modules" / name for name in ("socket.io", "@socket.io/redis-adapter", "redis")
        ]
        return "" if all(map(Path.is_dir, folders)) else f"npm install --prefix {site.installed} {' '.join(PACKAGES)}"

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """As many servers as there are nodes."""
        del people
        node = shutil.which("node")
        if node is None:
            raise StackFailed(cls.missing(site))
        with ExitStack() as stack:
            pids: dict[str, list[int]] = {SERVER: []}
            redis = 0
            if nodes > 1:
                redis, redis_pid = stack.enter_context(running_valkey(site.scratch))
                pids[VALKEY] = [redis_pid]
            ports = []
            for _ in range(nodes):
                port = free_port()
                argv = (node, SCRIPT, str(port), str(redis), site.installed)
                pids[SERVER].append(stack.enter_context(running(argv, port, site.scratch / f"socketio-{port}.log")))
                ports.append(port)
            yield cls(Serving(ports, pids))

    def _enter(self, port: int, room: str) -> list[Step]:
        return [
            upgrade(port, _PATH),
            Step(client_frame(b"40"), b'40{"sid"'),
            Step(client_frame(b"421" + json.dumps(["join", room]).encode()), b"431["),
        ]

    def member(self, number: int) -> list[Step]:
        """One room for all."""
        del number
        return self._enter(self.serving.ports[0], "room0")

    def fan(self, room: int) -> bytes:
        """A message to all, oneself too."""
        return _say(f"room{room}")

    def receiver(self, number: int) -> list[Step]:
        """A room of one's own."""
        return self._enter(self.serving.ports[-1], f"receiver{number}")

    def sender(self, number: int) -> list[Step]:
        """Likewise."""
        return self._enter(self.serving.ports[0], f"sender{number}")

    def unicast(self, number: int) -> bytes:
        """A message to the room of the receiver."""
        return _say(f"receiver{number}")


def _say(room: str) -> bytes:
    return client_frame(b"42" + json.dumps(["say", room, PAYLOAD.decode()]).encode())
