"""The client of comparisons counts deliveries by a mark in the bytes."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from loadtest.clients.crowd import Crowd, take_all
from loadtest.clients.wire import Lost
from loadtest.peers.peer import Step, upgrade

pytestmark = pytest.mark.unit

MARK = b"-mark-"


@pytest.fixture
def ends() -> Iterator[tuple[list[socket.socket], Crowd]]:
    pairs = [socket.socketpair() for _ in range(2)]
    for _, client in pairs:
        client.setblocking(False)
    crowd = Crowd([client for _, client in pairs], MARK)
    yield [server for server, _ in pairs], crowd
    crowd.close()
    for server, _ in pairs:
        server.close()


def test_marks_are_counted_for_each_connection(ends: tuple[list[socket.socket], Crowd]) -> None:
    servers, crowd = ends
    servers[0].send(b"\x81\x0aone -mark-\x81\x0btwo! -mark-")
    servers[1].send(b"\x81\x0aone -mark-")
    crowd.quiet(0.05)
    assert (crowd.delivered, crowd.counts()) == (3, [2, 1])
    crowd.count_anew()
    assert (crowd.delivered, crowd.counts()) == (0, [0, 0])


@pytest.mark.parametrize("cut", range(1, len(MARK)))
def test_a_mark_cut_in_two_counts_once(ends: tuple[list[socket.socket], Crowd], cut: int) -> None:
    servers, crowd = ends
    for part in (b"one " + MARK[:cut], MARK[cut:] + b" two " + MARK[:cut], MARK[cut:]):
        servers[0].send(part)
        while not crowd.read(0.1):
            pass
    assert crowd.counts() == [2, 0]


def test_tails_of_two_connections_do_not_mix(ends: tuple[list[socket.socket], Crowd]) -> None:
    servers, crowd = ends
    servers[0].send(MARK[:3])
    crowd.quiet(0.05)
    servers[1].send(MARK[3:])
    crowd.quiet(0.05)
    assert crowd.delivered == 0


def test_a_connection_that_the_server_ends_is_lost(ends: tuple[list[socket.socket], Crowd]) -> None:
    servers, crowd = ends
    servers[1].close()
    with pytest.raises(Lost, match="closed"):
        crowd.read(1.0)


def test_a_step_waits_for_its_answer_or_says_what_came(ends: tuple[list[socket.socket], Crowd]) -> None:
    servers, crowd = ends
    servers[0].send(b"first: ok")
    servers[1].send(b"refused")
    servers[1].shutdown(socket.SHUT_WR)
    with pytest.raises(Lost, match="refused"):
        asyncio.run(take_all(crowd.connections, lambda number: Step(b"join %d" % number, b"ok")))
    assert servers[0].recv(100) == b"join 0"
    assert servers[1].recv(100) == b"join 1"


def test_the_handshake_offers_a_protocol_only_if_there_is_one() -> None:
    assert b"Sec-WebSocket-Protocol: nats\r\n" in upgrade(80, "/", protocol="nats").send
    assert b"Sec-WebSocket-Protocol" not in upgrade(80, "/").send
    assert upgrade(8080, "/x").send.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")
