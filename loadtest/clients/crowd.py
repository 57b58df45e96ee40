"""Many connections in one process that only count what is delivered to them: a client lean enough for comparisons.

Nothing is parsed. A delivery is a mark in the bytes, counted also where two reads cut it in two; so the same code,
at the same cost, serves every protocol.
"""

import asyncio
import select
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from loadtest.clients.wire import Lost
from loadtest.peers.peer import Step

ENTERING_AT_ONCE = 100
STEP_WITHIN_S = 30.0
READ_BYTES = 256 * 1024
EVENTS_AT_ONCE = 512


async def enter(port: int, steps: Sequence[Step]) -> tuple[socket.socket, bytes]:
    """A connection that has taken all *steps*, and everything it has read. Raises: Lost."""
    connection = socket.socket()
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = b"".join([await _take(connection, step) for step in steps])
    except OSError as error:
        connection.close()
        raise Lost(f"cannot enter: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection, heard


async def _take(connection: socket.socket, step: Step) -> bytes:
    loop, said = asyncio.get_running_loop(), b""
    await loop.sock_sendall(connection, step.send)
    while step.until not in said:
        try:
            async with asyncio.timeout(STEP_WITHIN_S):
                data = await loop.sock_recv(connection, READ_BYTES)
        except TimeoutError:
            raise Lost(f"no answer in time; the server had said {said[-300:]!r}") from None
        if not data:
            raise Lost(f"the server closed the connection; it had said {said[-300:]!r}")
        said += data
    return said


async def enter_all(port: int, count: int, steps: Callable[[int], list[Step]]) -> list[socket.socket]:
    """*count* connections. Raises: Lost."""
    entered: dict[int, socket.socket] = {}

    async def work(number: int) -> None:
        entered[number], _ = await enter(port, steps(number))

    try:
        await _each(count, work)
    except Lost:
        for connection in entered.values():
            connection.close()
        raise
    return [entered[number] for number in range(count)]


async def take_all(connections: Sequence[socket.socket], step: Callable[[int], Step]) -> None:
    """One more step for each of them; the first one has taken it before the others begin. Raises: Lost."""
    await _take(connections[0], step(0))

    async def work(number: int) -> None:
        await _take(connections[number + 1], step(number + 1))

    await _each(len(connections) - 1, work)


async def _each(count: int, work: Callable[[int], Awaitable[None]]) -> None:
    waiting = list(range(count - 1, -1, -1))

    async def go_on() -> None:
        while waiting:
            await work(waiting.pop())

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(ENTERING_AT_ONCE, count)):
                group.create_task(go_on())
    except* Lost as errors:
        raise Lost(str(errors.exceptions[0])) from None


class _Reader:
    """One connection. *tail*: the last bytes read, in which a mark may have begun."""

    __slots__ = ("count", "receive", "tail")

    def __init__(self, connection: socket.socket, tail: bytes) -> None:
        self.receive = connection.recv_into
        self.tail = tail
        self.count = 0


class Crowd:
    """Connections that have entered. *mark* comes once in each delivery."""

    def __init__(self, connections: Sequence[socket.socket], mark: bytes) -> None:
        self.connections = list(connections)
        self.delivered = 0
        self._mark = mark
        self._kept = len(mark) - 1
        self._buffer = bytearray(self._kept + READ_BYTES)
        self._view = memoryview(self._buffer)[self._kept :]
        self._poll = select.epoll()
        self._readers: dict[int, _Reader] = {}
        for connection in connections:
            self._readers[connection.fileno()] = _Reader(connection, bytes(self._kept))
            self._poll.register(connection, select.EPOLLIN)

    def read(self, within_s: float) -> int:
        """Wait up to *within_s* for something, read what is there; how many bytes that were. Raises: Lost."""
        if within_s > 0:  # select waits for microseconds, epoll for milliseconds
            select.select([self._poll], [], [], within_s)
        buffer, view, mark, kept = self._buffer, self._view, self._mark, self._kept
        total = 0
        for fd, _ in self._poll.poll(0, EVENTS_AT_ONCE):
            reader = self._readers[fd]
            try:
                size = reader.receive(view)
            except OSError as error:
                raise Lost(f"a connection ended: {error}") from error
            if not size:
                raise Lost(f"the server closed a connection; it had said {bytes(buffer[:kept])!r}")
            buffer[:kept] = reader.tail
            count = buffer.count(mark, 0, kept + size)
            reader.tail = bytes(buffer[size : size + kept])
            reader.count += count
            self.delivered += count
            total += size
        return total

    def write(self, number: int, data: bytes) -> None:
        """Let one connection send. Raises: Lost if the server does not take it."""
        try:
            sent = self.connections[number].send(data)
        except OSError as error:
            raise Lost(f"cannot write: {error}") from error
        if sent != len(data):
            raise Lost("the server does not read what it is sent")

    def quiet(self, for_s: float) -> None:
        """Read on until nothing has come *for_s*. Raises: Lost."""
        until = time.monotonic() + for_s
        while (left := until - time.monotonic()) > 0:
            if self.read(left):
                until = time.monotonic() + for_s

    def count_anew(self) -> None:
        """Forget what has been delivered."""
        self.delivered = 0
        for reader in self._readers.values():
            reader.count = 0

    def counts(self) -> list[int]:
        """The deliveries of each connection."""
        return [self._readers[connection.fileno()].count for connection in self.connections]

    def close(self) -> None:
        """End all connections without a farewell."""
        self._poll.close()
        for connection in self.connections:
            connection.close()
