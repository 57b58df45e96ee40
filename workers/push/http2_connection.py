"""One HTTP/2 connection to a server (RFC 9113), as a client: what waits for it, what is under way on it, and how that ends.

Invariant: each request ends once, whatever happens to the connection: with a Response, with `Unprocessed` (the server has
certainly not acted on it, so it may be sent again at once) or with `Unanswered` (it may have).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from msgspec import Struct

from workers.push.http2_framing import Framing

ALPN = "h2"
STREAMS_MAX = 1_000  # at once, whatever the server allows
STREAM_IDS_MAX = 2**31 - 1_000  # a connection that has used so many is left
BODY_MAX_BYTES = 65_536  # of an answer; what is beyond is thrown away
PING = b"hugmood."

Headers = Sequence[tuple[bytes, bytes]]


class Response(Struct, frozen=True):
    """Names of *headers* are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Unprocessed(Exception):  # noqa: N818  what happened
    """The server has not acted on the request. *retry_after_s*: nothing can be sent sooner.

    *is_refused*: by a RST_STREAM(REFUSED_STREAM), so the connection itself is good.
    """

    def __init__(self, reason: str, retry_after_s: float = 0.0, *, is_refused: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.is_refused = is_refused


class Unanswered(Exception):  # noqa: N818  what happened
    """The request was sent, and nobody knows what the server has done with it."""


class _Exchange:
    """A request and what there is of its answer. *left*: what of the body is not sent yet."""

    __slots__ = ("answer", "done", "headers", "left", "response", "stream_id", "timer")

    def __init__(self, headers: Headers, body: bytes, done: "asyncio.Future[Response]") -> None:
        self.headers = headers
        self.left = body
        self.done = done
        self.stream_id = 0  # 0: waits for a stream
        self.timer: asyncio.TimerHandle | None = None
        self.response: dict[bytes, bytes] | None = None
        self.answer = b""

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Connection(asyncio.Protocol):
    """Pings the server every *ping_every_s*; without an answer within *ping_within_s* it is dead.

    *on_lost* is called once when no new request can be begun on it any more.
    """

    def __init__(self, on_lost: Callable[["Connection"], None], ping_every_s: float, ping_within_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()  # the server's settings are known
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.answers = 0
        self.is_open = True  # new requests may be begun
        self._on_lost = on_lost
        self._ping_every_s = ping_every_s
        self._ping_within_s = ping_within_s
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._framing = Framing()
        self._transport: asyncio.Transport | None = None
        self._reason = "the connection was closed"
        self._waiting: deque[_Exchange] = deque()
        self._under_way: dict[int, _Exchange] = {}
        self._blocked: dict[int, _Exchange] = {}  # by the server's flow control
        self._has_room = False  # it has given some
        self._outgoing: list[bytes] = []
        self._is_flush_due = False
        self._handlers: dict[type[Event], Callable[..., None]] = {
            ResponseReceived: self._response_received,
            DataReceived: self._data_received,
            StreamEnded: self._stream_ended,
            StreamReset: self._stream_reset,
            WindowUpdated: self._window_updated,
            RemoteSettingsChanged: self._settings_changed,
            PingAckReceived: self._ping_answered,
            ConnectionTerminated: self._told_to_go,
        }

    async def request(self, headers: Headers, body: bytes, until: float) -> Response:
        """Send it as soon as a stream is free, and wait for the answer. *until*: of the loop's clock; *body* is not empty.

        When cancelled, the stream is reset. Raises: Unprocessed, Unanswered.
        """
        if not self.is_open:
            raise Unprocessed(self._reason)
        exchange = _Exchange(headers, body, self._loop.create_future())
        exchange.timer = self._loop.call_at(until, self._time_out, exchange)
        self._waiting.append(exchange)
        self._begin_waiting()
        try:
            return await exchange.done
        except asyncio.CancelledError:
            self._drop(exchange)
            raise
        finally:
            exchange.timer.cancel()

    def close(self, reason: str = "the connection was closed by us") -> None:
        """Say good-bye; what has no answer yet gets none."""
        self._end(reason)
        if self._transport is not None:
            self._framing.close_connection()
            self._flush()
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Without a word: the server does not hear us, or makes no sense."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Speak first, as HTTP/2 wants it."""
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is None or tls.selected_alpn_protocol() != ALPN:
            self.abort("the server does not speak HTTP/2")
            return
        self._framing.initiate_connection()
        self._flush()
        self._timers["ping"] = self._loop.call_later(self._ping_every_s, self._ping)

    def data_received(self, data: bytes) -> None:
        """One read, of any size."""
        self._outgoing.append(self._framing.data_to_send())  # h2 throws it away when it reads a GOAWAY
        try:
            events = self._framing.receive_data(data)
        except ProtocolError as error:
            self.abort(f"the server broke HTTP/2: {error}")
            return
        for event in events:
            if handle := self._handlers.get(event.__class__):
                handle(event)
        if self._has_room:  # only now: streams that were reset in the same read are known to be gone
            self._has_room = False
            for exchange in list(self._blocked.values()):
                self._send_body(exchange)
        self._begin_waiting()
        self._close_if_left()

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything on it ends now."""
        if exc is not None and self.is_open:
            self._reason = f"the connection broke: {_words(exc)}"
        self._end(self._reason)
        self.ended.set_result(None)

    def _begin_waiting(self) -> None:
        allowed = min(STREAMS_MAX, self._framing.remote_settings.max_concurrent_streams)
        while self._waiting and self.is_open and self.ready.done() and len(self._under_way) < allowed:
            exchange = self._waiting.popleft()
            exchange.stream_id = stream_id = self._framing.get_next_available_stream_id()
            self._framing.open_streams = len(self._under_way)
            self._framing.send_headers(stream_id, exchange.headers)
            self._under_way[stream_id] = exchange
            self._send_body(exchange)
            if stream_id > STREAM_IDS_MAX:
                self._leave("no stream ids are left")
        self._flush_soon()

    def _send_body(self, exchange: _Exchange) -> None:
        framing, stream_id = self._framing, exchange.stream_id
        while exchange.left:
            window = framing.local_flow_control_window(stream_id)
            if window <= 0:
                self._blocked[stream_id] = exchange
                return
            part = exchange.left[: min(window, framing.max_outbound_frame_size)]
            exchange.left = exchange.left[len(part) :]
            framing.send_data(stream_id, part, end_stream=not exchange.left)
        self._blocked.pop(stream_id, None)

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)  # behind all that is ready to run: one write for all of it

    def _flush(self) -> None:
        self._is_flush_due = False
        self._outgoing.append(self._framing.data_to_send())
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _drop(self, exchange: _Exchange) -> bool:
        """Forget it; says whether the server may have acted on it."""
        if not exchange.stream_id:
            if exchange in self._waiting:
                self._waiting.remove(exchange)
            return False
        if self._under_way.pop(exchange.stream_id, None) is not None:
            self._blocked.pop(exchange.stream_id, None)
            self._framing.reset_stream(exchange.stream_id, ErrorCodes.CANCEL)
            self._begin_waiting()
            self._close_if_left()
        return not exchange.left

    def _time_out(self, exchange: _Exchange) -> None:
        if exchange.done.done():
            return
        if self._drop(exchange):
            exchange.fail(Unanswered("no answer in time"))
            self._ping()  # is there anybody?
        else:
            exchange.fail(Unprocessed("could not be sent in time"))

    def _response_received(self, event: ResponseReceived) -> None:
        if exchange := self._under_way.get(event.stream_id):
            exchange.response = dict(event.headers)

    def _data_received(self, event: DataReceived) -> None:
        self._framing.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        exchange = self._under_way.get(event.stream_id)
        if exchange is not None and len(exchange.answer) < BODY_MAX_BYTES:
            exchange.answer += event.data

    def _stream_ended(self, event: StreamEnded) -> None:
        exchange = self._under_way.pop(event.stream_id, None)
        if exchange is None:
            return
        if exchange.left:  # answered before it was read
            self._blocked.pop(event.stream_id, None)
            with suppress(StreamClosedError):  # by the server, in the same read
                self._framing.reset_stream(event.stream_id, ErrorCodes.NO_ERROR)
        self.answers += 1
        headers = exchange.response or {}
        status = headers.get(b":status", b"")
        if not status.isdigit():
            exchange.fail(Unanswered("an answer without a status"))
        elif not exchange.done.done():
            exchange.done.set_result(Response(int(status), headers, exchange.answer))

    def _stream_reset(self, event: StreamReset) -> None:
        exchange = self._under_way.pop(event.stream_id, None)
        if exchange is None:
            return
        self._blocked.pop(event.stream_id, None)
        if event.error_code == ErrorCodes.REFUSED_STREAM:
            exchange.fail(Unprocessed("the server refused the stream", is_refused=True))
        else:
            exchange.fail(Unanswered(f"the server reset the stream: {_code(event.error_code)}"))

    def _window_updated(self, _event: WindowUpdated) -> None:
        self._has_room = True

    def _settings_changed(self, _event: RemoteSettingsChanged) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
        self._has_room = True

    def _ping(self) -> None:
        if "answer" in self._timers:
            return
        self._timers.pop("ping").cancel()
        self._framing.ping(PING)
        self._timers["answer"] = self._loop.call_later(self._ping_within_s, self.abort, "no answer to a ping")
        self._flush_soon()

    def _ping_answered(self, _event: PingAckReceived) -> None:
        if answer := self._timers.pop("answer", None):
            answer.cancel()
            self._timers["ping"] = self._loop.call_later(self._ping_every_s, self._ping)

    def _told_to_go(self, event: ConnectionTerminated) -> None:
        self._leave(f"the server asked to go: {_code(event.error_code)}")
        above = [stream_id for stream_id in self._under_way if stream_id > (event.last_stream_id or 0)]
        for stream_id in above:
            self._blocked.pop(stream_id, None)
            self._under_way.pop(stream_id).fail(Unprocessed(self._reason))

    def _leave(self, reason: str) -> None:
        """Begin nothing new on it; what is under way may end."""
        if not self.is_open:
            return
        self.is_open = False
        self._reason = reason
        while self._waiting:
            self._waiting.popleft().fail(Unprocessed(reason))
        self._on_lost(self)

    def _close_if_left(self) -> None:
        if not self.is_open and not self._under_way and self._transport is not None:
            self._flush()
            self._transport.close()

    def _end(self, reason: str) -> None:
        """Nothing comes any more, of whatever is under way."""
        self._leave(reason)
        for timer in self._timers.values():
            timer.cancel()
        if not self.ready.done():
            self.ready.set_exception(Unprocessed(self._reason))
            self.ready.exception()  # nobody may be waiting for it
        for exchange in self._under_way.values():
            exchange.fail(Unprocessed(self._reason) if exchange.left else Unanswered(self._reason))
        self._under_way.clear()
        self._blocked.clear()


def _code(code: int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else str(code)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return getattr(error, "strerror", None) or type(error).__name__
