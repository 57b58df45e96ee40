"""One WebSocket after its handshake: bytes to messages for the session, frames to the transport.

Invariant: memory per connection is bounded whatever its client does. Reading stops while writing is
stalled, messages have a limit, and a client that neither reads nor answers is closed by the sweep.
"""

import asyncio
import os
from collections.abc import Callable
from typing import ClassVar, cast

from hub.forms import FORMS, Payload
from hub.session import HELLO_S, LIVE, Session, State
from hub.sweep import Sweep
from hub.tick import TickWriter
from protocol.codec import Codec
from protocol.codes import CloseCode
from protocol.frames import BINARY, CLOSE, PING, TEXT, FrameParser, close_frame, frame
from protocol.frames import PONG as PONG_OPCODE

CLIENT_MESSAGE_MAX_BYTES = 16 * 1024
GATHERED_MAX_BYTES = 32 * 1024  # in one tick; what can wait, or is told anew anyway, is not written beyond it
PING_AFTER_S = 25
PONG_WITHIN_S = 10
STALLED_MAX_S = 30
CLOSE_WITHIN_S = 5

_PING = frame(PING, b"")


class ConnectionCounts:
    """What connections of one node count; read by the metrics at scrape time."""

    __slots__ = ("bytes_in", "bytes_out", "closed", "messages_in", "opened", "slow", "writes")

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.messages_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.writes = 0
        self.slow = 0


class Connection(asyncio.Protocol):
    """Takes over the transport of an upgraded HTTP connection."""

    __slots__ = (
        "_close_by",
        "_counts",
        "_fd",
        "_gathered",
        "_gathered_bytes",
        "_heard",
        "_is_held",
        "_is_json",
        "_on_lost",
        "_opened_at",
        "_parser",
        "_ping_at",
        "_stalled_at",
        "_sweep",
        "_tick",
        "_transport",
        "address",
        "codec",
        "due",
        "form",
        "session",
    )

    blank_parser: ClassVar = FrameParser(CLIENT_MESSAGE_MAX_BYTES)  # for all who have nothing incomplete: most, always
    session: Session

    def __init__(
        self,
        transport: asyncio.Transport,
        codec: Codec,
        address: str,
        *,
        sweep: Sweep,
        tick: TickWriter,
        counts: ConnectionCounts,
        on_lost: "Callable[[Connection], None]",
    ) -> None:
        self.codec = codec
        self.form = FORMS[codec]
        self._is_json = codec is Codec.JSON
        self.address = address
        self.due = 0
        self._transport = transport
        self._fd = plain_fd(transport)
        self._sweep = sweep
        self._tick = tick
        self._counts = counts
        self._on_lost = on_lost
        self._parser: FrameParser | None = None  # while something is incomplete
        self._gathered: list[bytes] | None = None
        self._gathered_bytes = 0
        self._heard = self._opened_at = sweep.now
        self._ping_at = 0
        self._is_held = False
        self._stalled_at = 0
        self._close_by = 0
        counts.opened += 1
        transport.set_write_buffer_limits(0)  # what the kernel does not take at once is a stall: enough hides there
        sweep.add(self, sweep.now + HELLO_S + 1)

    # Bytes from the client

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have arrived."""
        self._heard = self._sweep.now
        counts = self._counts
        counts.bytes_in += len(data)
        parser = self._parser or Connection.blank_parser
        messages = parser.feed(data)  # none after a violation; reading on lets the client see our close
        if parser.has_more():
            self._keep(parser)
        else:
            self._parser = None
        for opcode, payload in messages:
            if opcode == CLOSE:
                self._answer_close(payload)
                return
            if self._close_by:
                continue
            if opcode in (TEXT, BINARY):
                counts.messages_in += 1
                self._message(opcode, payload)
            elif opcode == PING:
                self.write(frame(PONG_OPCODE, payload))
        failure = parser.failure
        if failure is not None and not self._close_by:
            self.fail(failure.code, failure.reason)

    def _keep(self, parser: FrameParser) -> None:
        if self._parser is None:
            self._parser = parser
            Connection.blank_parser = FrameParser(CLIENT_MESSAGE_MAX_BYTES)

    def _message(self, opcode: int, payload: bytes) -> None:
        if (opcode == TEXT) != (self.codec is Codec.JSON):
            kind = "text" if self.codec is Codec.JSON else "binary"
            self.fail(CloseCode.UNSUPPORTED_DATA, f"this subprotocol speaks {kind} messages")
        elif opcode == BINARY:
            self.session.receive(payload)
        else:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                self.fail(CloseCode.INVALID_PAYLOAD, "text messages are UTF-8")
                return
            self.session.receive(text)

    def _answer_close(self, payload: bytes) -> None:
        if not self._close_by:
            code = int.from_bytes(payload[:2]) if payload else CloseCode.NORMAL
            self.write(close_frame(code))
            self.flush()
        self._end_reading()
        self._transport.close()

    def _end_reading(self) -> None:
        self.session.lost()
        self._close_by = self._close_by or self._sweep.now + CLOSE_WITHIN_S
        self._sweep.add(self, self._close_by)

    def eof_received(self) -> bool:
        """asyncio: the client has sent its last byte; the transport closes itself."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is over, whoever ended it."""
        self._counts.closed += 1
        self._close_by = self._close_by or 1
        self._gathered = self.session.bundle = None
        self._fd = -1  # the number may be another connection's from now on
        self.due = 0
        self.session.lost()
        self._on_lost(self)

    # Frames to the client

    def write(self, data: bytes) -> None:
        """Queue one frame for the end of this tick; dropped when the connection is closing."""
        if not self._close_by:
            self._gather(data)

    def take(self, payload: Payload) -> bool:
        """Queue *payload* if there is room for it. Only for a session that is live."""
        if self._stalled_at or self._close_by or self._gathered_bytes > GATHERED_MAX_BYTES:
            return False
        data = payload.json if self._is_json else payload.bytes_as(self.form)
        if self._gathered is not None:
            self._gather(data)
        else:  # the usual way, without a detour
            self._gathered = gathered = [data]
            self._gathered_bytes = len(data)
            self._tick.add(self)
            if self._is_json:
                self.session.bundle = gathered
        return True

    def _gather(self, data: bytes) -> None:
        self._gathered_bytes += len(data)
        if self._gathered is not None:
            self._gathered.append(data)
            return
        self._gathered = [data]
        self._tick.add(self)
        if self._is_json and not self._stalled_at and self.session.state is LIVE:
            self.session.bundle = self._gathered

    def flush(self) -> None:
        """Everything gathered goes to the kernel in one call; what it does not take, to the transport."""
        gathered = self._gathered
        if gathered is None:
            return
        was_full = self._gathered_bytes > GATHERED_MAX_BYTES
        self._gathered = self.session.bundle = None
        self._gathered_bytes = 0
        data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        written = 0
        if self._fd >= 0 and not self._transport.get_write_buffer_size():
            try:
                written = os.write(self._fd, data)  # costs less than by the transport: docs/performance.md
            except OSError:
                written = 0  # full, or gone: the transport finds out which
        if written < len(data):
            try:
                self._transport.write(data[written:])
            except RuntimeError:
                return  # lost already; `connection_lost` is on its way
        counts = self._counts
        counts.writes += 1
        counts.bytes_out += len(data)
        if was_full and not self._stalled_at:
            self.session.room_again()

    def has_room(self) -> bool:
        """Does the kernel take what is written, and is it not too much for one tick?"""
        return not self._stalled_at and not self._close_by and self._gathered_bytes <= GATHERED_MAX_BYTES

    def pause_writing(self) -> None:
        """asyncio: the kernel's buffer is full. Nothing is taken from a client that does not read."""
        self._stalled_at = self._sweep.coming()
        self._counts.slow += 1
        if not self._close_by:
            self._transport.pause_reading()
            self._sweep.add(self, min(self.due, self._stalled_at + STALLED_MAX_S))

    def resume_writing(self) -> None:
        """asyncio: the buffer has drained."""
        self._stalled_at = 0
        self._heard = self._sweep.now  # it reads: that is a sign of life, and its pong could not be read
        if not self._close_by:
            if not self._is_held:
                self._transport.resume_reading()
            self.session.room_again()

    def hold(self) -> None:
        """Read nothing more for now: the session has enough to do."""
        self._is_held = True
        if not self._stalled_at and not self._is_over():
            self._transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        self._is_held = False
        self._heard = self._sweep.now  # silence while we did not listen says nothing
        if not self._stalled_at and not self._is_over():
            self._transport.resume_reading()

    def _is_over(self) -> bool:
        return self._close_by != 0 or self._transport.is_closing()

    # Closing

    def is_closing(self) -> bool:
        """Has either side said that it is over?"""
        return self._close_by != 0

    def close(self, code: CloseCode, reason: str) -> None:
        """Everything written so far, a close frame, then the connection once the client has answered or `CLOSE_WITHIN_S` is over."""
        if self._close_by:
            return
        self.write(close_frame(code, reason))
        self.flush()
        self._close_by = self._sweep.now + CLOSE_WITHIN_S
        self._sweep.add(self, self._close_by)
        if (self._stalled_at or self._is_held) and not self._transport.is_closing():
            self._transport.resume_reading()  # or the client's answer would never be seen

    def fail(self, code: CloseCode, reason: str) -> None:
        """RFC 6455, section 7.1.7: the stream cannot be followed any more."""
        self.session.say_bye(code, reason)
        self.close(code, reason)
        # Our side ends now; what the client still sends is read and thrown away, because unread bytes at a
        # close make the kernel send a reset, which can take the close frame with it.
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    # Time

    def check(self, now: int) -> int:
        """Do what is due at second *now*; the next second to be asked at."""
        if self._close_by:
            self._transport.abort()
            return 0
        session = self.session
        if session.state is State.NEW:
            if now > self._opened_at + HELLO_S:
                session.end(CloseCode.NO_HELLO, "no hello in time")
                return 0
            return self._opened_at + HELLO_S + 1
        if self._stalled_at and now - self._stalled_at >= STALLED_MAX_S:
            session.end(CloseCode.SLOW_READER, "the client does not read")
            return 0
        session.check_expiry(now)
        due = min(self._keep_alive(now), session.next_expiry())
        if self.is_closing():
            return 0  # `close` has put itself into the bucket where it is due
        if self._stalled_at:
            due = min(due, self._stalled_at + STALLED_MAX_S)
        return due

    def _keep_alive(self, now: int) -> int:
        if self._ping_at and self._heard >= self._ping_at:
            self._ping_at = 0
        if self._stalled_at or self._is_held:
            return now + PONG_WITHIN_S  # a pong could not be read now; other limits bound this
        if self._ping_at:
            if now - self._ping_at >= PONG_WITHIN_S:
                self.session.end(CloseCode.NO_PONG, "no answer to a ping")
            return self._ping_at + PONG_WITHIN_S
        if now - self._heard >= PING_AFTER_S:
            self._ping_at = now
            self.write(_PING)
            return now + PONG_WITHIN_S
        return self._heard + PING_AFTER_S


def plain_fd(transport: asyncio.BaseTransport) -> int:
    """The file descriptor of a TCP connection; -1 where what is written is not what the kernel gets (TLS)."""
    connection = transport.get_extra_info("socket")
    return -1 if connection is None or transport.get_extra_info("sslcontext") is not None else connection.fileno()


def as_transport(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """uvloop's transports are no subclass of asyncio's, but keep their promises."""
    return cast("asyncio.Transport", transport)
