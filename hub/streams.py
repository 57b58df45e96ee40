"""Sessions without a WebSocket: a stream of server-sent events, and a long poll.

Invariant: both are sessions like those of sockets, opened, numbered, revoked and drained by the same code; only
the wire below differs.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec import Raw

from domain.errors import Unavailable
from domain.ids import uuid7
from hub.admission import Admission
from hub.connection import PING_AFTER_S, ConnectionCounts
from hub.forms import Payload
from hub.line import Line, nobody_cares
from hub.node import Node
from hub.opening import Openings
from hub.request_wires import EventStream, PollWire, RequestWire
from hub.session import Session
from hub.sweep import Sweep
from protocol.codes import CloseCode
from protocol.commands import Hello
from protocol.events import Message, Welcome
from protocol.rest_live import Polled

MAILBOX_WITHIN_S = 5  # for events that are known to be in the mailbox
_NO_LIMIT = 2**62


class PollSession(Session):
    """A session that hears durable events only."""

    __slots__ = ("welcome",)

    wire: PollWire
    welcome: Welcome | None

    def send(self, message: Message) -> None:
        """`welcome` becomes part of the answer; the rest has no place in it."""
        if isinstance(message, Welcome):
            self.welcome = message
            self.wire.wake()

    def tell(self, payload: Payload) -> None:
        """Ephemeral events are for those who are connected."""

    def show(self, subject: str, payload: Payload) -> None:
        """Presence and pulses are for those who are connected."""


class Streams:
    """Opens the streams and polls of one node."""

    def __init__(
        self,
        admission: Admission,
        openings: Openings,
        node: Node,
        sweep: Sweep,
        counts: ConnectionCounts,
        clock: Callable[[], int],
    ) -> None:
        self._admission = admission
        self._openings = openings
        self._node = node
        self._sweep = sweep
        self._counts = counts
        self._clock = clock

    async def open_stream(self, line: Line, address: str, hello: Hello) -> EventStream:
        """A stream that has begun; the caller runs it and then calls `leave`. Raises: Refusal."""
        stream = EventStream(line, address, self._sweep, self._counts)
        stream.session = Session(self._id(), stream, self._node, _takes_no_commands, None)
        self._enter(stream, hello)
        try:
            await stream.opened()
        except BaseException:
            self.leave(stream)
            raise
        return stream

    async def poll(self, line: Line, address: str, hello: Hello, limit: int, wait_s: int) -> Polled:
        """At most *limit* events after those that *hello* names, or none after *wait_s*. Raises: Refusal."""
        wire = PollWire(line, address, self._sweep, limit)
        session = PollSession(self._id(), wire, self._node, _takes_no_commands, None)
        session.welcome = None
        wire.session = session
        self._enter(wire, hello)
        try:
            return await _answer(session, wait_s)
        finally:
            self.leave(wire)

    def _id(self) -> str:
        return uuid7(self._clock())

    def _enter(self, wire: RequestWire, hello: Hello) -> None:
        """Begin to open the session above *wire*. Raises: Unavailable."""
        if wire.line.is_lost:
            raise Unavailable("The client has gone.")
        self._admission.admit(wire)
        wire.session.window = _NO_LIMIT  # no ack comes on this way; the buffer alone bounds it

        def lost() -> None:
            wire.lost()
            self.leave(wire)

        wire.line.on_lost = lost
        self._sweep.add(wire, self._sweep.now + PING_AFTER_S)
        self._openings.hello(wire.session, hello)

    def leave(self, wire: RequestWire) -> None:
        """The answer is over, however it ended. Harmless when called again."""
        wire.line.on_lost = nobody_cares
        wire.due = 0
        wire.session.lost()
        self._admission.release(wire)


async def _answer(session: PollSession, wait_s: int) -> Polled:
    wire = session.wire
    while session.welcome is None:
        if wire.is_over():
            raise wire.refusal()
        await wire.moved()
    welcome = session.welcome
    is_there_more = welcome.head > session.cursor
    if welcome.resumed:
        within_s = max(wait_s, MAILBOX_WITHIN_S) if is_there_more else wait_s
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not wire.events and not wire.is_over():
                    await wire.moved()
        if wire.ended is not None and wire.ended[0] is not CloseCode.DRAIN:
            raise wire.refusal()
        if is_there_more and not wire.events and not wire.is_over():
            raise Unavailable
    return Polled(
        events=[Raw(event) for event in wire.events],
        after=session.cursor,
        epoch=welcome.epoch,
        resumed=welcome.resumed,
        head=max(welcome.head, session.cursor),
    )


def _takes_no_commands(session: Session, _data: bytes | str) -> None:
    raise RuntimeError(f"session {session.id} has no way to bring commands")
