"""The benchmark's own WebSocket client, against the server's parser and frames."""

import asyncio

import pytest

from loadtest.clients.people import Person, pairs_of_friends
from loadtest.clients.wire import Socket, client_frame
from protocol.frames import CLOSE, PING, TEXT, FrameParser, close_frame, frame

pytestmark = pytest.mark.unit

HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


class Listener(Socket):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []
        self.batches = 0

    def message(self, payload: bytes, now: float) -> None:
        assert now > 0
        self.heard.append(payload)

    def batch_done(self, now: float) -> None:
        self.batches += 1


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_its_frames_are_what_the_server_parses(size: int) -> None:
    parser = FrameParser(1 << 20)
    assert parser.feed(client_frame(b"x" * size) * 2) == [(TEXT, b"x" * size)] * 2
    assert parser.failure is None


@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_it_hears_server_frames_however_they_are_cut(step: int) -> None:
    messages = [b"", b"a", b"b" * 126, b"c" * 70_000]
    stream = HANDSHAKE + b"".join(frame(TEXT, message) for message in messages)
    listener = Listener()
    listener.connection_made(Transport())
    for start in range(0, len(stream), step):
        listener.data_received(stream[start : start + step])
    await listener.opened
    assert listener.heard == messages
    assert listener.batches == -(-len(stream) // step)


async def test_it_answers_pings_and_closes() -> None:
    listener, transport = Listener(), Transport()
    listener.connection_made(transport)
    listener.data_received(HANDSHAKE + frame(PING, b"hi") + close_frame(4200, "drain"))
    answers = FrameParser(1000).feed(transport.written)
    assert [payload for _, payload in answers] == [b"hi", (4200).to_bytes(2)]
    assert answers[1][0] == CLOSE
    assert transport.is_closed
    listener.connection_lost(None)
    assert await listener.lost == "closed with 4200 'drain'"


async def test_a_refused_handshake_is_told() -> None:
    listener = Listener()
    listener.connection_made(Transport())
    listener.data_received(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\nfull")
    listener.connection_lost(None)
    with pytest.raises(Exception, match="503 Service Unavailable"):
        await listener.opened


def person(name: str, *friends: str) -> Person:
    return Person(name, "token", list(friends))


def test_pairs_are_friends_and_nobody_is_in_two() -> None:
    people = [person("a", "b", "c"), person("b", "a"), person("c", "a", "d"), person("d", "c"), person("e", "x")]
    pairs = pairs_of_friends(people, 2)
    assert [(one.id, other.id) for one, other in pairs] == [("a", "b"), ("c", "d")]
    with pytest.raises(ValueError, match="only 2 pairs"):
        pairs_of_friends(people, 3)
