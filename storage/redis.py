"""The two links of a process to Redis or Valkey: one for commands, one that listens.

They speak RESP2 through hiredis directly, because on the hot way an awaited redis-py command costs
forty times as much. Commands of one loop iteration leave in one write; replies are matched in order.

Invariant: a link never ends. It connects again with backoff for as long as it is open; while it is
away, commands fail at once with `Unavailable`, and nothing waits longer than `REPLY_TIMEOUT_S`.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

import hiredis

from domain.errors import Unavailable

CONNECT_TIMEOUT_S = 3.0
REPLY_TIMEOUT_S = 3.0
BACKOFF_MAX_S = 2.0
PENDING_MAX = 200_000  # replies outstanding; beyond that Redis is as good as away

# Replies that mean "not now" rather than "you are wrong".
_AWAY_PREFIXES = ("LOADING", "OOM", "MISCONF", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "BUSY", "NOAUTH", "TRYAGAIN")

Argument = str | bytes | int
log = logging.getLogger("hugmood.redis")


class _Reply(Exception):  # noqa: N818  hiredis wants an exception class for error replies
    """An error reply of the server."""


class _Wire(asyncio.Protocol):
    """One TCP or Unix connection: bytes in, parsed replies out."""

    def __init__(self, on_reply: Callable[[Any], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0  # replies so far: a link that waits and sees this stand still is dead
        self._on_reply = on_reply
        self._reader = hiredis.Reader(protocolError=ConnectionError, replyError=_Reply)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self.received += 1
                self._on_reply(reply)
        except ConnectionError:
            log.exception("redis sent what is not RESP")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Link:
    """What both links share: the address, the connect loop, the watch over a silent server."""

    def __init__(self, url: str, name: str) -> None:
        self._address = urlsplit(url)
        self._name = name
        self._wire: _Wire | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self.on_connect: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        return self._wire is not None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name=f"redis-{self._name}")
        await self._first_try.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def drop(self, reason: str) -> None:
        """Throw the connection away and make a new one: used when it is suspected deaf."""
        if self._wire is not None:
            log.warning("redis link dropped", extra={"link": self._name, "reason": reason})
            self._wire.abort()

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    wire = await self._open()
            except (OSError, TimeoutError, _Reply) as error:
                failures += 1
                if failures == 1:
                    log.warning("redis is away", extra={"link": self._name, "reason": repr(error)})
            else:
                failures = 0
                self._connected(wire)
            self._first_try.set()
            if failures == 0:
                await self._watch(wire)
            await asyncio.sleep(random.uniform(0.05, min(BACKOFF_MAX_S, 0.1 * 2 ** min(failures, 6))))  # noqa: S311  jitter

    async def _open(self) -> _Wire:
        replies: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        address = self._address
        wire = _Wire(replies.put_nowait)
        if address.scheme == "unix":
            await loop.create_unix_connection(lambda: wire, address.path)
        else:
            tls = True if address.scheme == "rediss" else None
            await loop.create_connection(lambda: wire, address.hostname or "127.0.0.1", address.port or 6379, ssl=tls)
        try:
            for command in self._greeting():
                _write(wire, _pack([command]))
                _check(await replies.get())
        except BaseException:
            wire.abort()
            raise
        wire._on_reply = self._replied  # noqa: SLF001  handed over once greeted
        return wire

    def _greeting(self) -> Iterable[tuple[Argument, ...]]:
        address = self._address
        if address.password:
            user = (unquote(address.username),) if address.username else ()
            yield ("AUTH", *user, unquote(address.password))
        yield ("PING",)
        database = address.path.strip("/")
        if address.scheme != "unix" and database:
            yield ("SELECT", database)

    def _connected(self, wire: _Wire) -> None:
        self._wire = wire
        log.info("redis connected", extra={"link": self._name})
        for callback in self.on_connect:
            callback()

    async def _watch(self, wire: _Wire) -> None:
        """Return when *wire* is lost; cut it when it owes a reply for too long."""
        try:
            while not wire.lost.done():
                seen, owed = wire.received, self._owed()
                await asyncio.wait([wire.lost], timeout=REPLY_TIMEOUT_S)
                if owed and wire.received == seen and not wire.lost.done():
                    self.drop("no reply in time")
        finally:
            self._wire = None
            wire.abort()
            self._disconnected()

    def _owed(self) -> int:
        raise NotImplementedError

    def _replied(self, reply: Any) -> None:
        raise NotImplementedError

    def _disconnected(self) -> None:
        raise NotImplementedError


class _Waiter:
    """Who waits for the next *count* replies as a list; 0 means one reply, by itself."""

    __slots__ = ("count", "future", "replies")

    def __init__(self, count: int, future: "asyncio.Future[Any]") -> None:
        self.count = count
        self.future = future
        self.replies: list[Any] = []

    def take(self, reply: Any) -> bool:
        """Take one reply; True when it was the last one."""
        if isinstance(reply, _Reply):
            reply = _refusal(reply)
        if self.count:
            self.replies.append(reply)
            if len(self.replies) < self.count:
                return False
            reply = self.replies
        if not self.future.done():
            if isinstance(reply, Exception):
                self.future.set_exception(reply)
            else:
                self.future.set_result(reply)
        return True


class RedisLink(_Link):
    """Commands and their replies."""

    def __init__(self, url: str, name: str = "commands") -> None:
        super().__init__(url, name)
        self._loop = asyncio.get_running_loop()  # kept: asking for it costs a system call each time
        self._waiters: deque[_Waiter | None] = deque()
        self._outgoing: list[bytes] = []

    def call(self, *command: Argument) -> "asyncio.Future[Any]":
        """One command; the future is its reply. Raises (through the future): Unavailable."""
        return self._ask([command], single=True)

    def pipeline(self, commands: Sequence[tuple[Argument, ...]]) -> "asyncio.Future[list[Any]]":
        """All *commands* in one go; the future is their replies in order, errors of single ones among them.

        Raises (through the future): Unavailable if the link is away or breaks before the last reply.
        """
        return self._ask(commands, single=False)

    def _ask(self, commands: Sequence[tuple[Argument, ...]], *, single: bool) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._wire is None or len(self._waiters) > PENDING_MAX:
            future.set_exception(Unavailable())
        elif not commands:
            future.set_result([])
        else:
            self._send(commands)
            self._waiters.append(_Waiter(0 if single else len(commands), future))
        return future

    def post(self, *command: Argument) -> None:
        """One command whose reply nobody needs; silently lost while the link is away."""
        if self._wire is not None and len(self._waiters) <= PENDING_MAX:
            self._send([command])
            self._waiters.append(None)

    def _send(self, commands: Sequence[tuple[Argument, ...]]) -> None:
        packed = _pack(commands)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(packed)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._wire is not None:
            _write(self._wire, b"".join(outgoing))

    def _replied(self, reply: Any) -> None:
        waiter = self._waiters[0]
        if waiter is None:
            self._waiters.popleft()
            if isinstance(reply, _Reply):
                log.warning("redis refused a command", extra={"reason": str(reply)})
            return
        if waiter.take(reply):
            self._waiters.popleft()

    def _owed(self) -> int:
        return len(self._waiters)

    def _disconnected(self) -> None:
        waiters, self._waiters = self._waiters, deque()
        self._outgoing = []
        for waiter in waiters:
            if waiter is not None and not waiter.future.done():
                waiter.future.set_exception(Unavailable())


class RedisSubscriber(_Link):
    """Channels and what is published on them. What is published while it is away is never heard."""

    def __init__(self, url: str, on_message: Callable[[bytes, bytes], None]) -> None:
        super().__init__(url, "subscriber")
        self._on_message = on_message
        self._channels: set[str] = set()

    def subscribe(self, channel: str) -> None:
        """Hear *channel* from now on, also after every reconnect."""
        self._channels.add(channel)
        if self._wire is not None:
            _write(self._wire, _pack([("SUBSCRIBE", channel)]))

    def unsubscribe(self, channel: str) -> None:
        """Hear *channel* no more."""
        self._channels.discard(channel)
        if self._wire is not None:
            _write(self._wire, _pack([("UNSUBSCRIBE", channel)]))

    def _connected(self, wire: _Wire) -> None:
        if self._channels:
            _write(wire, _pack([("SUBSCRIBE", *sorted(self._channels))]))
        super()._connected(wire)

    def _replied(self, reply: Any) -> None:
        if isinstance(reply, list) and reply[0] == b"message":
            self._on_message(reply[1], reply[2])

    def _owed(self) -> int:
        return 0  # silence is normal here: the doorbell's self-probe is what notices a deaf link

    def _disconnected(self) -> None:
        return None


def _check(reply: Any) -> None:
    if isinstance(reply, _Reply):
        raise reply


def _pack(commands: Iterable[tuple[Argument, ...]]) -> bytes:
    return b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub forgets longer tuples


def _write(wire: _Wire, data: bytes) -> None:
    if wire.transport is not None and not wire.transport.is_closing():
        wire.transport.write(data)


def _refusal(reply: _Reply) -> Exception:
    text = str(reply)
    return Unavailable() if text.startswith(_AWAY_PREFIXES) else RuntimeError(f"redis refused: {text}")
