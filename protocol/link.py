"""One connection of a client at a time: hello, welcome, then messages in and due commands and acks out.

Invariant: nothing is sent before `welcome` but `hello`; the cursor is saved before it is acknowledged;
whatever ends a connection becomes a `Farewell`, never an exception of the WebSocket library.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from ssl import SSLContext
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from protocol.codec import Codec, encode
from protocol.codes import CloseCode, Reconnect
from protocol.commands import Ack, Command, Hello
from protocol.cursor import CursorStore, Follower
from protocol.events import Welcome
from protocol.incoming import BadServerMessage, Failed, Farewell, Unknown, farewell_of_close, read_message
from protocol.messages import ServerMessage
from protocol.outbox import Outbox

PATH = "/v1/socket"
SERVER_MESSAGE_MAX_BYTES = 64 * 1024
OPEN_WITHIN_S = 10.0
WELCOME_WITHIN_S = 10.0
PING_EVERY_S = 20.0
PONG_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0

_LOST = 1006  # RFC 6455, section 7.1.5: no close frame was seen
_COMES_BACK = {408, 425, 429}  # statuses below 500 after which the same request may succeed
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

Incoming = ServerMessage | Failed | Unknown


class Gap(Exception):  # noqa: N818  a finding about the stream
    """An event is missing: the connection is given up, and the next one resumes from the cursor."""


class _Ended(Exception):  # noqa: N818  ends the tasks of a connection
    def __init__(self, farewell: Farewell) -> None:
        super().__init__(farewell.reason)
        self.farewell = farewell


class Ears(Struct, frozen=True):
    """Who hears what a link brings. Both are synchronous; `on_message` may raise `Gap`."""

    on_welcome: Callable[[Welcome], None]
    on_message: Callable[[Incoming], None]


def socket_url(url: str) -> str:
    """The WebSocket address of a hub from any address of it. Raises: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a hub: http, https, ws or wss, then a host.")
    path = parts.path if parts.path.strip("/") else PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


class Link:
    """The way to the hub. `run` is one connection; `wake` says that there may be something to send."""

    def __init__(
        self, url: str, codec: Codec, outbox: Outbox, store: CursorStore, ears: Ears, tls: SSLContext | None
    ) -> None:
        self.follower = Follower()
        self.lasted_s = 0.0  # how long the last connection was open, from `welcome` to its end
        self._url = url
        self._codec = codec
        self._outbox = outbox
        self._store = store
        self._ears = ears
        self._tls = tls
        self._wake = asyncio.Event()
        self._socket: ClientConnection | None = None  # set while it is open, from `welcome` on

    def wake(self) -> None:
        """There may be something to send, or to send earlier than before."""
        self._wake.set()

    async def run(self, hello: Hello) -> Farewell:
        """One connection, from the handshake to its end. Cancelling closes it."""
        self.lasted_s = 0.0
        socket = await self._connect()
        if isinstance(socket, Farewell):
            return socket
        loop = asyncio.get_running_loop()
        opened_at: float | None = None
        try:
            ended = await self._open(socket, hello)
            if ended is None:
                opened_at = loop.time()
                self._socket = socket
                ended = await self._pump(socket)
            return ended
        finally:
            self._socket = None
            self.lasted_s = loop.time() - opened_at if opened_at is not None else 0.0
            await socket.close()

    async def say_goodbye(self) -> None:
        """Acknowledge what is done, and close. What the server has not answered yet stays unanswered."""
        socket = self._socket
        if self.follower.ack_at() is not None:
            await self._acknowledge(socket)
        if socket is not None:
            await socket.close()

    async def _connect(self) -> ClientConnection | Farewell:
        try:
            return await connect(
                self._url,
                subprotocols=[Subprotocol(self._codec.value)],
                compression=None,
                proxy=None,
                ssl=self._tls if self._url.startswith("wss:") else None,
                max_size=SERVER_MESSAGE_MAX_BYTES,
                open_timeout=OPEN_WITHIN_S,
                ping_interval=PING_EVERY_S,
                ping_timeout=PONG_WITHIN_S,
                close_timeout=CLOSE_WITHIN_S,
            )
        except InvalidStatus as error:
            return _turned_away(error)
        except (OSError, EOFError, InvalidHandshake) as error:  # a timeout is an OSError
            return Farewell(_LOST, str(error) or type(error).__name__, Reconnect.BACKOFF)

    async def _open(self, socket: ClientConnection, hello: Hello) -> Farewell | None:
        """Say `hello` and hear `welcome`; otherwise, why not."""
        try:
            async with asyncio.timeout(WELCOME_WITHIN_S):
                await self._write(socket, hello)
                while True:
                    message = await self._read(socket)
                    if isinstance(message, Welcome):
                        self._welcomed(message)
                        return None
                    if isinstance(message, Failed):
                        action = Reconnect.BACKOFF if message.is_retryable else Reconnect.STOP
                        return Farewell(CloseCode.BAD_MESSAGE, message.message, action, message.retry_after_ms or 0)
        except _Ended as ended:
            return ended.farewell
        except ConnectionClosed:  # while writing: what the server said last can still be read
            return farewell_of_close(socket.close_code, socket.close_reason or "")
        except TimeoutError:
            return Farewell(_LOST, "no welcome in time", Reconnect.BACKOFF)

    def _welcomed(self, welcome: Welcome) -> None:
        self._outbox.in_flight = max(1, welcome.limits.commands_in_flight)
        self.follower.welcomed(welcome.epoch, welcome.head, welcome.acked, is_resumed=welcome.resumed)
        self._ears.on_welcome(welcome)

    async def _pump(self, socket: ClientConnection) -> Farewell:
        # No task group: in Python 3.11 it forgets a cancellation that comes while one of its tasks fails.
        tasks = [
            asyncio.create_task(self._receive(socket), name="hugmood client receives"),
            asyncio.create_task(self._send(socket), name="hugmood client sends"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception) and not isinstance(error, _Ended):
                raise error
        return next(error.farewell for error in results if isinstance(error, _Ended))

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            while True:
                self._ears.on_message(await self._read(socket))
        except Gap as gap:
            raise _Ended(Farewell(_LOST, str(gap), Reconnect.RESUME)) from None

    async def _read(self, socket: ClientConnection) -> Incoming:
        try:
            message = read_message(await socket.recv(decode=False), self._codec)
        except ConnectionClosed:
            raise _Ended(farewell_of_close(socket.close_code, socket.close_reason or "")) from None
        except BadServerMessage as bad:
            raise _Ended(Farewell(_LOST, str(bad), Reconnect.BACKOFF)) from None
        if isinstance(message, Farewell):
            raise _Ended(message)
        return message

    async def _send(self, socket: ClientConnection) -> None:
        # When the connection is gone, the reader knows better why: it may still have a `bye` to read.
        with suppress(ConnectionClosed):
            while True:
                self._wake.clear()
                await self._send_due(socket)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(_earliest((self._outbox.wake_at(), self.follower.ack_at()))):
                        await self._wake.wait()

    async def _send_due(self, socket: ClientConnection) -> None:
        now = asyncio.get_running_loop().time()
        ack_at = self.follower.ack_at()
        if ack_at is not None and ack_at <= now:
            await self._acknowledge(socket)
        while (command := self._outbox.take(now)) is not None:
            await self._write(socket, command)

    async def _acknowledge(self, socket: ClientConnection | None) -> None:
        cursor = self.follower.cursor()
        if cursor is None:
            return
        seq = self.follower.take_ack()
        # In this order: what the server was told must not be forgotten here.
        await self._store.save(cursor)
        if socket is not None:
            await self._write(socket, Ack(seq=seq))

    async def _write(self, socket: ClientConnection, command: Command) -> None:
        await socket.send(encode(command, self._codec), text=self._codec is Codec.JSON)


def _earliest(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _turned_away(error: InvalidStatus) -> Farewell:
    """An HTTP answer instead of an upgrade: 5xx and "not now" may pass, anything else will not by itself."""
    status = error.response.status_code
    reason = f"the handshake was answered with HTTP {status}"
    if status < 500 and status not in _COMES_BACK:
        return Farewell(_LOST, reason, Reconnect.STOP)
    seconds = error.response.headers.get("Retry-After", "0")
    return Farewell(_LOST, reason, Reconnect.BACKOFF, int(seconds) * 1000 if seconds.isdecimal() else 0)
