"""The wires of sessions without a WebSocket: what a session writes becomes the answer to a request.

Invariant: on our side of the kernel at most `WRITE_HIGH_BYTES` and one message wait for a client that does not
read; the session leaves at once when its client goes.
"""

import asyncio

from starlette.types import Send

from domain.errors import RateLimited, Refusal, Unauthenticated, Unavailable
from hub.connection import (
    CLOSE_WITHIN_S,
    PING_AFTER_S,
    STALLED_MAX_S,
    ConnectionCounts,
)
from hub.forms import Form, Payload
from hub.line import Line
from hub.session import Session
from hub.sweep import Sweep
from hub.tokens import TokenExpired
from protocol.codec import Codec
from protocol.codes import CloseCode
from protocol.rest_live import POLLED_BYTES

WRITE_HIGH_BYTES = 64 * 1024
WRITE_LOW_BYTES = 16 * 1024
RETRY_HINT_MS = 2_000  # after which a browser's EventSource comes back by itself
AGAIN_MS = 2_000
_HEARTBEAT = b":\n\n"


class RequestWire:
    """What the wires of streams and polls have in common: a request on a line, and a task that answers it."""

    codec = Codec.JSON  # never brings anything
    form: Form
    kind: str

    def __init__(self, line: Line, address: str, sweep: Sweep) -> None:
        self.address = address
        self.due = 0
        self.session: Session
        self.ended: tuple[CloseCode, str] | None = None
        self.is_lost = False
        self.line = line
        self._sweep = sweep
        self._wake = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Queue one message for the task that answers."""
        raise NotImplementedError

    def close(self, code: CloseCode, reason: str) -> None:
        """End the answer with what has been written so far."""
        self.ended = self.ended or (code, reason)
        self._wake.set()

    def has_room(self) -> bool:
        """May more be written?"""
        raise NotImplementedError

    def take(self, payload: Payload) -> bool:
        """Queue *payload* if there is room for it."""
        if not self.has_room():
            return False
        self.write(payload.bytes_as(self.form))
        return True

    def hold(self) -> None:
        """Nothing is read from the client anyway."""

    def release(self) -> None:
        """Nothing is read from the client anyway."""

    def lost(self) -> None:
        """The client has gone."""
        self.is_lost = True
        self.session.lost()
        self._wake.set()

    def is_over(self) -> bool:
        """Has either side ended it?"""
        return self.is_lost or self.ended is not None

    def check(self, now: int) -> int:
        """Sweep: the token may end."""
        if self.is_over():
            return 0
        self.session.check_expiry(now)
        return 0 if self.is_over() else self.session.next_expiry()

    def refusal(self) -> Refusal:
        """Why it ended, as an answer to a request."""
        code, reason = self.ended or (CloseCode.INTERNAL, "the client has gone")
        if code is CloseCode.TOKEN_EXPIRED:
            return TokenExpired("The access token has expired. Refresh it.")
        if code in (CloseCode.TOKEN_INVALID, CloseCode.SESSION_REVOKED):
            return Unauthenticated(f"{reason.capitalize()}. Log in again.")
        if code is CloseCode.TOO_MANY_CONNECTIONS:
            return RateLimited("Too many connections of this user. End another one first.", AGAIN_MS)
        return Unavailable(retry_after_ms=AGAIN_MS)


class EventStream(RequestWire):
    """The wire of a session whose messages go out as text/event-stream."""

    form = Form.STREAM
    kind = "stream"

    def __init__(self, line: Line, address: str, sweep: Sweep, counts: ConnectionCounts) -> None:
        super().__init__(line, address, sweep)
        self._counts = counts
        self._gathered = [b"retry: %d\n\n" % RETRY_HINT_MS]
        self._gathered_bytes = 0
        self._written_at = sweep.now
        self._stalled_at = 0
        self._close_by = 0
        line.transport.set_write_buffer_limits(WRITE_HIGH_BYTES, WRITE_LOW_BYTES)

    def write(self, data: bytes) -> None:
        """Queue one message; dropped when the stream is over."""
        if not self.is_over():
            self._gathered.append(data)
            self._gathered_bytes += len(data)
            self._wake.set()

    def has_room(self) -> bool:
        """May more be written without buffering beyond the high-water mark?"""
        if self._stalled_at or self.is_over():
            return False
        return self._gathered_bytes + self.line.transport.get_write_buffer_size() <= WRITE_HIGH_BYTES

    def close(self, code: CloseCode, reason: str) -> None:
        """What has been written goes out; a client that does not take it within `CLOSE_WITHIN_S` is cut off."""
        if not self.is_over():
            self._close_by = self._sweep.now + CLOSE_WITHIN_S
            self._sweep.add(self, self._close_by)
        super().close(code, reason)

    async def opened(self) -> None:
        """Until the mailbox has been found. Raises: Refusal when the session ended instead."""
        await self._wake.wait()
        if self.is_over():
            raise self.refusal()

    async def run(self, send: Send) -> None:
        """Send what the session writes until either side ends it; *send* is ASGI's."""
        while not self.is_lost:
            await self._wake.wait()
            self._wake.clear()
            if self._gathered:
                body, self._gathered = b"".join(self._gathered), []
                self._gathered_bytes = 0
                self._written_at = self._sweep.now
                await self._send(send, body)
            if self.ended is not None and not self._gathered:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            self.session.room_again()

    async def _send(self, send: Send, body: bytes) -> None:
        """Until the transport has taken *body* and has room again, or is gone."""
        self._counts.writes += 1
        self._counts.bytes_out += len(body)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if self.line.transport.get_write_buffer_size() > WRITE_HIGH_BYTES:
            self._stalled_at = self._sweep.coming()
            self._counts.slow += 1
            if not self.is_over():
                self._sweep.add(self, min(self.due, self._stalled_at + STALLED_MAX_S))
        # uvicorn waits for room before it sends, not after.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        self._stalled_at = 0

    def check(self, now: int) -> int:
        """Do what is due at second *now*; the next second to be asked at."""
        if self._close_by:
            self.line.transport.abort()
            return 0
        if self.is_lost:
            return 0
        if self._stalled_at and now - self._stalled_at >= STALLED_MAX_S:
            self.session.end(CloseCode.SLOW_READER, "the client does not read")
            return 0  # `close` has put itself into the bucket where it is due
        expiry = super().check(now)
        if self.is_over():
            return 0
        if self._stalled_at:
            return min(expiry, self._stalled_at + STALLED_MAX_S)
        if now - self._written_at >= PING_AFTER_S:
            self._written_at = now
            self.write(_HEARTBEAT)
        return min(expiry, self._written_at + PING_AFTER_S)


class PollWire(RequestWire):
    """The wire of a session that lasts for one answer: it takes durable events until the answer is full."""

    form = Form.TEXT
    kind = "poll"

    def __init__(self, line: Line, address: str, sweep: Sweep, limit: int) -> None:
        super().__init__(line, address, sweep)
        self.events: list[bytes] = []
        self._bytes = 0
        self._limit = limit

    def write(self, data: bytes) -> None:
        """Put one event into the answer."""
        self.events.append(data)
        self._bytes += len(data)
        self._wake.set()

    def has_room(self) -> bool:
        """Is the answer not full yet?"""
        return not self.is_over() and len(self.events) < self._limit and self._bytes <= POLLED_BYTES

    async def moved(self) -> None:
        """Until something has been written, or it is over."""
        await self._wake.wait()
        self._wake.clear()

    def wake(self) -> None:
        """Let `moved` return."""
        self._wake.set()
