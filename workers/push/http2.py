"""A client of one HTTP/2 server over one connection, which is opened when it is needed and replaced when it ends.

What a connection has certainly not handed to the server is sent again on the next one; what may have been is not.
"""

import asyncio
import random
import ssl
from types import TracebackType
from typing import Self

from workers.push.http2_connection import ALPN, Connection, Headers, Response, Unanswered, Unprocessed

__all__ = ["Http2Client", "Response", "Unanswered", "Unprocessed"]

CONNECT_WITHIN_S = 8.0  # with TLS and the server's settings
BACKOFF_MAX_S = 30.0
PING_EVERY_S = 60.0
PING_WITHIN_S = 10.0
REPLAYS_MAX = 3
REFUSED_WAIT_S = 0.05  # and longer each time
CLOSE_WITHIN_S = 1.0
ENDS_EARLY = "connections end before anything is answered"


class Http2Client:
    """`async with` around all use."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        *,
        ping_every_s: float = PING_EVERY_S,
        ping_within_s: float = PING_WITHIN_S,
    ) -> None:
        """*tls* is changed to speak HTTP/2 only, so nobody else may use it."""
        tls.set_alpn_protocols([ALPN])
        self._host = host
        self._port = port
        self._tls = tls
        self._ping_every_s = ping_every_s
        self._ping_within_s = ping_within_s
        self._connection: Connection | None = None
        self._connections: set[Connection] = set()  # with those that are left but have something under way
        self._opening: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0  # the loop's clock
        self._reason = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (opening := self._opening) is not None:
            opening.cancel()
            await asyncio.wait({opening})
        open_ones = list(self._connections)
        for connection in open_ones:
            connection.close()
        if open_ones:
            await asyncio.wait([connection.ended for connection in open_ones], timeout=CLOSE_WITHIN_S)
        for connection in open_ones:
            connection.abort("closed")

    async def request(self, headers: Headers, body: bytes, timeout_s: float) -> Response:
        """The answer, within *timeout_s* in all. Raises: Unprocessed, Unanswered."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        for replay in range(REPLAYS_MAX + 1):
            connection = await self._connected(until)
            try:
                response = await connection.request(headers, body, until)
            except Unprocessed as error:
                pause_s = REFUSED_WAIT_S * 2**replay * random.uniform(0.5, 1) if error.is_refused else 0.0  # noqa: S311  jitter
                if replay == REPLAYS_MAX or loop.time() + pause_s >= until:
                    raise
                await asyncio.sleep(pause_s)
            else:
                self._failures = 0
                return response
        raise AssertionError("the last replay returns or raises")

    async def _connected(self, until: float) -> Connection:
        if (connection := self._connection) is not None:
            return connection
        loop = asyncio.get_running_loop()
        if self._opening is None:
            if (wait_s := self._not_before - loop.time()) > 0:
                raise Unprocessed(self._reason, wait_s)
            self._opening = loop.create_task(self._open())
        await asyncio.wait({self._opening}, timeout=until - loop.time())  # cancelled, it goes on for the others
        if (opened := self._connection) is not None:
            return opened
        raise Unprocessed(self._reason or "no connection in time", max(0.0, self._not_before - loop.time()))

    async def _open(self) -> None:
        connection = Connection(self._lost, self._ping_every_s, self._ping_within_s)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, self._host, self._port, ssl=self._tls
                )
                self._connections.add(connection)
                connection.ended.add_done_callback(lambda _: self._connections.discard(connection))
                await connection.ready
        except (OSError, Unprocessed) as error:  # TimeoutError and those of TLS are among them
            connection.abort("it was not ready in time")
            self._failed(f"no connection: {str(error) or 'not in time'}")
        except asyncio.CancelledError:
            connection.abort("closed")
            raise
        else:
            if connection.is_open:
                self._connection = connection
            else:  # told to go at once
                self._failed(ENDS_EARLY)
        finally:
            self._opening = None

    def _lost(self, connection: Connection) -> None:
        """No new requests on *connection*: the next one opens another."""
        if self._connection is not connection:
            return
        self._connection = None
        if not connection.answers:
            self._failed(ENDS_EARLY, is_once_nothing=True)

    def _failed(self, reason: str, *, is_once_nothing: bool = False) -> None:
        self._failures += 1
        self._reason = reason
        if is_once_nothing and self._failures == 1:
            return
        wait_s = random.uniform(0.05, min(BACKOFF_MAX_S, 0.1 * 2 ** min(self._failures, 9)))  # noqa: S311  jitter
        self._not_before = asyncio.get_running_loop().time() + wait_s
