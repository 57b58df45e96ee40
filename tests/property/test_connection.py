"""Arbitrary bytes into a connection: it answers or closes as the RFC says, and never raises."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from hub.connection import CLIENT_MESSAGE_MAX_BYTES, Connection, ConnectionCounts
from hub.forms import Payload
from hub.node import Node
from hub.session import Session, State
from hub.sweep import Sweep
from hub.tick import TickWriter
from protocol.codec import Codec
from protocol.codes import CloseCode

pytestmark = pytest.mark.property


class MemoryTransport:
    """What a connection does to its transport."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.is_half_closed = False
        self.is_reading = True

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        assert not self.is_half_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_half_closed = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def get_extra_info(self, name: str) -> None:
        """It has no socket."""

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0


class ImmediateTick(TickWriter):
    """Leaves the writing to the test, which has no loop."""

    def __init__(self) -> None:
        self.last: Connection | None = None

    def add(self, connection: Connection) -> None:  # type: ignore[override]
        self.last = connection


class Bench:
    """One connection whose session notes what it receives."""

    def __init__(self, codec: Codec = Codec.JSON) -> None:
        self.transport = MemoryTransport()
        self.received: list[bytes | str] = []
        self.sweep = Sweep()
        self.lost: list[Connection] = []
        self.connection = Connection(
            self.transport,  # type: ignore[arg-type]
            codec,
            "test",
            sweep=self.sweep,
            tick=ImmediateTick(),
            counts=ConnectionCounts(),
            on_lost=self.lost.append,
        )
        self.connection.session = Session(
            "s", self.connection, Node("node"), lambda _session, data: self.received.append(data), None
        )

    def feed(self, *chunks: bytes) -> None:
        for chunk in chunks:
            if self.transport.is_closed:
                return
            self.connection.data_received(chunk)
        if not self.transport.is_closed and not self.transport.is_half_closed:
            self.connection.flush()

    @property
    def close_code(self) -> int | None:
        """Of the close frame at the end of what was written."""
        position, code = 0, None
        while position < len(self.transport.written):
            opcode, length = self.transport.written[position] & 0xF, self.transport.written[position + 1]
            start = position + 2
            if length == 126:
                length, start = int.from_bytes(self.transport.written[start : start + 2]), start + 2
            if opcode == Opcode.CLOSE:
                code = int.from_bytes(self.transport.written[start : start + 2]) if length else 1005
            position = start + length
        return code


def client_frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


@given(st.lists(st.binary(max_size=200), max_size=20), st.sampled_from(Codec))
@example([b"\x81\x80abcd", b"\xff" * 30], Codec.JSON)
def test_no_bytes_raise(chunks: list[bytes], codec: Codec) -> None:
    bench = Bench(codec)
    bench.feed(*chunks)
    assert (
        bench.close_code in (None, 1002, 1003, 1005, 1007, 1009)
        or 3000 <= bench.close_code < 5000
        or bench.close_code < 1015
    )


@given(st.text(max_size=300), st.integers(1, 60))
def test_text_arrives_whole_however_it_is_cut(text: str, size: int) -> None:
    bench = Bench()
    stream = client_frame(Opcode.TEXT, text.encode())
    bench.feed(*(stream[start : start + size] for start in range(0, len(stream), size)))
    assert bench.received == [text]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10), st.binary(max_size=20))
@settings(max_examples=50)
def test_pings_are_answered_inside_a_fragmented_message(parts: list[bytes], ping: bytes) -> None:
    bench = Bench(Codec.MSGPACK)
    stream = b""
    for position, part in enumerate(parts):
        opcode = Opcode.CONT if position else Opcode.BINARY
        stream += client_frame(opcode, part, fin=position == len(parts) - 1) + client_frame(Opcode.PING, ping)
    bench.feed(stream)
    assert bench.received == [b"".join(parts)]
    assert bench.transport.written == (bytes((0x8A, len(ping))) + ping) * len(parts)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002, id="unmasked"),
        pytest.param(bytes([0x09, 0x80]) + b"mask", 1002, id="fragmented control frame"),
        pytest.param(client_frame(Opcode.CONT, b"x"), 1002, id="continuation of nothing"),
        pytest.param(bytes([0xC1, 0x80]) + b"mask", 1002, id="reserved bit"),
        pytest.param(bytes([0x83, 0x80]) + b"mask", 1002, id="reserved opcode"),
        pytest.param(client_frame(Opcode.TEXT, b"\xff\xfe"), 1007, id="not UTF-8"),
        pytest.param(client_frame(Opcode.BINARY, b"x"), 1003, id="binary on the JSON subprotocol"),
        pytest.param(client_frame(Opcode.TEXT, b"x" * (CLIENT_MESSAGE_MAX_BYTES + 1)), 1009, id="too large"),
        pytest.param(client_frame(Opcode.CLOSE, (1005).to_bytes(2)), 1002, id="impossible close code"),
    ],
)
def test_a_violation_is_told_and_closed(data: bytes, code: int) -> None:
    bench = Bench()
    bench.feed(data)
    assert bench.close_code == code
    bye = json.loads(
        bench.transport.written[bench.transport.written.index(b"{") : bench.transport.written.index(b"}") + 1]
    )
    assert (bye["type"], bye["code"]) == ("bye", code)
    assert bench.transport.is_half_closed
    bench.feed(b"more" * 1000)
    bench.sweep.sweep(bench.sweep.now + 10)
    assert bench.transport.is_closed


def test_a_close_is_echoed() -> None:
    bench = Bench()
    bench.feed(client_frame(Opcode.CLOSE, (4321).to_bytes(2) + b"done"))
    assert bench.close_code == 4321
    assert bench.transport.is_closed
    assert bench.connection.session.state is State.ENDED


def test_nobody_who_stalls_is_read_and_the_sweep_ends_it() -> None:
    bench = Bench()
    bench.connection.session.state = State.LIVE
    bench.connection.session.expires_s = bench.sweep.now + 10_000
    bench.connection.pause_writing()
    assert not bench.transport.is_reading
    assert not bench.connection.has_room()
    bench.sweep.sweep(bench.sweep.now + 31)
    assert bench.close_code == 4103
    bench.sweep.sweep(bench.sweep.now + 6)
    assert bench.transport.is_closed


def test_silence_is_pinged_then_ended() -> None:
    bench = Bench()
    bench.connection.session.state = State.LIVE
    bench.connection.session.expires_s = bench.sweep.now + 10_000
    bench.sweep.sweep(bench.sweep.now + 26)
    bench.connection.flush()
    assert bench.transport.written == b"\x89\x00"
    bench.sweep.sweep(bench.sweep.now + 11)
    assert bench.close_code == 4201


def test_any_sign_of_life_is_enough() -> None:
    bench = Bench()
    bench.connection.session.state = State.LIVE
    bench.connection.session.expires_s = bench.sweep.now + 10_000
    for _ in range(20):
        bench.sweep.sweep(bench.sweep.now + 20)
        bench.feed(client_frame(Opcode.PONG, b""))
    assert bench.close_code is None


@given(st.lists(st.sampled_from(["reply", "pulse", "tick", "stall", "drain", "end"]), max_size=40))
def test_what_many_are_sent_keeps_its_place_and_never_comes_too_early_or_too_late(steps: list[str]) -> None:
    """However pulses reach the connection: by its own way, or added to the bundle of a tick."""
    bench = Bench()
    session, connection = bench.connection.session, bench.connection
    assert session.bundle is None
    connection.write(b"early")
    assert session.bundle is None  # no `welcome` yet: nothing may be added
    connection.flush()
    session.state = State.LIVE
    expected = b"early"
    for number, step in enumerate(steps):
        payload = Payload(b"%d" % number)
        if step == "reply":
            connection.write(payload.json)
            expected += payload.json * (not connection.is_closing())
        elif step == "pulse" and session.bundle is not None:
            session.bundle.append(payload.json)
            expected += payload.json
        elif step == "pulse":
            expected += payload.json * (session.state is State.LIVE and connection.take(payload))
        elif step == "tick":
            connection.flush()
            assert session.bundle is None
        elif step == "stall":
            connection.flush()
            connection.pause_writing()
        elif step == "drain":
            connection.resume_writing()
        else:
            session.end(CloseCode.DRAIN, "drain")
            assert session.bundle is None
            assert bench.transport.written.startswith(expected)
            expected = bench.transport.written
    connection.flush()
    assert bench.transport.written == expected
