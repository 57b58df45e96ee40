"""The wire of a stream above a transport that takes nothing, or something: what waits is bounded, what went out is in order."""

import asyncio
from typing import Any, cast

import pytest

from hub.connection import STALLED_MAX_S, ConnectionCounts
from hub.forms import Payload
from hub.line import Line
from hub.node import Node
from hub.request_wires import WRITE_HIGH_BYTES, WRITE_LOW_BYTES, EventStream
from hub.session import Session, State
from hub.sweep import Sweep
from protocol.codec import numbered
from protocol.codes import CloseCode

pytestmark = pytest.mark.unit

USER = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
BODY = b'{"type":"hug.received","message":"' + b"x" * 1_000 + b'"}'
MESSAGE_BYTES = 1_200


class Transport:
    """Keeps what is written until it is told that the client reads; pauses as asyncio's and uvloop's do."""

    def __init__(self) -> None:
        self.waiting = 0
        self.taken = b""
        self.is_aborted = False
        self.has_room = asyncio.Event()
        self.has_room.set()

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert (high, low) == (WRITE_HIGH_BYTES, WRITE_LOW_BYTES)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_aborted = True
        self.has_room.set()

    async def send(self, message: dict[str, Any]) -> None:
        """uvicorn: waits for room, then writes, unless the client has gone."""
        await self.has_room.wait()
        if self.is_aborted:
            return
        self.taken += message["body"]
        self.waiting += len(message["body"])
        if self.waiting > WRITE_HIGH_BYTES:
            self.has_room.clear()

    def read(self) -> None:
        """The client takes everything."""
        self.waiting = 0
        self.has_room.set()


class Bench:
    def __init__(self) -> None:
        self.transport = Transport()
        self.sweep = Sweep()
        self.node = Node("n")
        line = Line(cast("asyncio.Transport", self.transport))
        self.stream = EventStream(line, "192.0.2.1", self.sweep, ConnectionCounts())
        self.session = self.stream.session = Session("s", self.stream, self.node, lambda _s, _d: None, None)
        self.session.window = 2**62
        self.session.expires_s = self.sweep.now + 3_600
        self.session.joined(USER)
        self.session.state = State.LIVE
        self.sweep.add(self.stream, self.sweep.now + 5)
        self.running = asyncio.create_task(self.stream.run(cast("Any", self.transport.send)))

    def offer(self) -> bool:
        seq = self.session.cursor + 1
        return self.session.offer(seq, Payload(numbered(BODY, seq)))

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def seqs(self) -> list[int]:
        lines = self.transport.taken.split(b"\n")
        return [int(line[4:]) for line in lines if line.startswith(b"id: ")]


async def test_what_waits_is_bounded_however_writes_and_sends_alternate() -> None:
    bench = Bench()
    for _ in range(200):
        for _ in range(7):
            bench.offer()
        assert bench.transport.waiting <= WRITE_HIGH_BYTES + MESSAGE_BYTES
        await bench.settle()
        assert bench.transport.waiting <= WRITE_HIGH_BYTES + MESSAGE_BYTES
    stuck_at = bench.session.cursor
    assert stuck_at * len(BODY) <= WRITE_HIGH_BYTES + MESSAGE_BYTES
    assert not bench.offer()
    bench.transport.read()
    await bench.settle()
    assert bench.offer()
    await bench.settle()
    assert bench.seqs == list(range(1, stuck_at + 2))
    bench.running.cancel()


async def test_whoever_does_not_read_is_told_and_then_cut_off() -> None:
    bench = Bench()
    while bench.offer():
        pass
    await bench.settle()
    last = bench.sweep.coming() + STALLED_MAX_S
    bench.sweep.sweep(bench.sweep.now + STALLED_MAX_S)
    assert bench.stream.ended is None  # a whole second may have been a part of one
    bench.sweep.sweep(last)
    assert bench.stream.ended is not None
    assert bench.stream.ended[0] is CloseCode.SLOW_READER
    assert not bench.transport.is_aborted
    assert not bench.node.seats
    bench.sweep.sweep(bench.sweep.now + 6)
    assert bench.transport.is_aborted
    bench.stream.lost()  # as the line then says
    await bench.running


async def test_bye_is_the_last_thing_written() -> None:
    bench = Bench()
    bench.offer()
    bench.session.end(CloseCode.DRAIN, "drain")
    bench.stream.write(b"too late")
    await bench.running
    events = [line for line in bench.transport.taken.split(b"\n") if line.startswith(b"event: ")]
    assert events == [b"event: hug.received", b"event: bye"]
    assert b"too late" not in bench.transport.taken
    assert not bench.transport.is_aborted


async def test_whoever_goes_leaves_the_node_at_once() -> None:
    bench = Bench()
    bench.stream.lost()
    assert not bench.node.seats
    assert not bench.stream.has_room()
    await bench.running
