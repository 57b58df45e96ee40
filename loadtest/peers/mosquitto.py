"""Mosquitto: MQTT 3.1.1 with QoS 0, over WebSocket, in one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from loadtest.clients.wire import BINARY, client_frame
from loadtest.peers.launch import LOOPBACK, find_program, free_port, running
from loadtest.peers.peer import PAYLOAD, SERVER, Peer, Serving, Site, Step, upgrade
from loadtest.server.stack import StackFailed

_CONNECT, _PUBLISH, _SUBSCRIBE = 0x10, 0x30, 0x82
_CONNACK = b"\x20\x02\x00\x00"
_SUBACK = b"\x90\x03\x00\x01\x00"
_CLEAN_SESSION = 0x02


class Mosquitto(Peer):
    """Topics instead of rooms."""

    name = "mosquitto"
    title = "Mosquitto"

    @classmethod
    def missing(cls, site: Site) -> str:
        """Debian has it."""
        return "" if find_program(site.installed, "mosquitto") else "apt install mosquitto"

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """One process, which is all that it knows."""
        del nodes, people
        program = find_program(site.installed, "mosquitto")
        if program is None:
            raise StackFailed(cls.missing(site))
        port, config = free_port(), site.scratch / "mosquitto.conf"
        # The second listener is not used: without a plain one, version 2.0 does not start.
        config.write_text(
            f"listener {port} {LOOPBACK}\nprotocol websockets\nlistener {free_port()} {LOOPBACK}\n"
            "allow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\nlog_dest stderr\n"
        )
        with running((program, "-c", config), port, site.scratch / "mosquitto.log") as pid:
            yield cls(Serving([port], {SERVER: [pid]}))

    def _enter(self, client: str, topic: str) -> list[Step]:
        connect = _text("MQTT") + bytes((4, _CLEAN_SESSION, 0, 0)) + _text(client)  # no keep-alive
        subscribe = b"\x00\x01" + _text(topic) + b"\x00"
        return [
            upgrade(self.serving.ports[0], "/mqtt", protocol="mqtt"),
            Step(client_frame(_packet(_CONNECT, connect), BINARY), _CONNACK),
            Step(client_frame(_packet(_SUBSCRIBE, subscribe), BINARY), _SUBACK),
        ]

    def member(self, number: int) -> list[Step]:
        """One topic for all."""
        return self._enter(f"member{number}", "room0")

    def fan(self, room: int) -> bytes:
        """A message to all, oneself too."""
        return _publish(f"room{room}")

    def receiver(self, number: int) -> list[Step]:
        """A topic of one's own."""
        return self._enter(f"receiver{number}", f"receiver{number}")

    def sender(self, number: int) -> list[Step]:
        """Likewise."""
        return self._enter(f"sender{number}", f"sender{number}")

    def unicast(self, number: int) -> bytes:
        """A message to the topic of the receiver."""
        return _publish(f"receiver{number}")


def _publish(topic: str) -> bytes:
    return client_frame(_packet(_PUBLISH, _text(topic) + PAYLOAD), BINARY)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _packet(kind: int, body: bytes) -> bytes:
    """MQTT 3.1.1, 2.2: the length in groups of seven bits, the lowest first."""
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes((digit | 0x80 if rest else digit,))
        if not rest:
            return bytes((kind,)) + length + body
