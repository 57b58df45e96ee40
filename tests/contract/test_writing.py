"""What a connection writes, over real sockets and both event loops: whole and in order, whoever reads and however slowly."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from hub.connection import Connection, ConnectionCounts, as_transport
from hub.node import Node
from hub.session import Session
from hub.sweep import Sweep
from hub.tick import TickWriter
from protocol.codec import Codec

pytestmark = pytest.mark.contract

FRAMES = [bytes([number % 256]) * 9_000 for number in range(300)]  # more than the kernel holds


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = request.param()
    yield loop
    loop.close()


def talk(
    loop: asyncio.AbstractEventLoop, use: Callable[[Connection, socket.socket], Awaitable[None]], before: bytes = b""
) -> None:
    """*use* a connection, whose transport has been given *before* already, and the socket of its client."""

    async def meet() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            accepted, _ = listening.accept()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        transport.write(before)
        connection = Connection(
            as_transport(transport),
            Codec.JSON,
            "test",
            sweep=Sweep(),
            tick=TickWriter(loop),
            counts=ConnectionCounts(),
            on_lost=lambda _connection: None,
        )
        connection.session = Session("s", connection, Node("node"), lambda _session, _data: None, None)
        transport.set_protocol(connection)
        try:
            await use(connection, client)
        finally:
            client.close()
            transport.abort()
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(meet(), 20))


async def read(loop: asyncio.AbstractEventLoop, client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = await loop.sock_recv(client, 10_000)
        assert data, "the connection ended"
        got += data
    return got


def test_a_reader_that_stops_and_goes_on_gets_everything_in_order(loop: asyncio.AbstractEventLoop) -> None:
    async def use(connection: Connection, client: socket.socket) -> None:
        for frame in FRAMES:
            connection.write(frame)
            await asyncio.sleep(0)
        assert not connection.has_room(), "the client has not read yet"
        assert await read(loop, client, sum(map(len, FRAMES))) == b"".join(FRAMES)
        connection.write(b"and on")
        assert await read(loop, client, 6) == b"and on"

    talk(loop, use)


def test_what_the_transport_still_holds_goes_first(loop: asyncio.AbstractEventLoop) -> None:
    before = b"101" * 200_000  # more than the kernel holds

    async def use(connection: Connection, client: socket.socket) -> None:
        connection.write(b"welcome")
        connection.flush()
        assert await read(loop, client, len(before) + 7) == before + b"welcome"

    talk(loop, use, before)


def test_a_few_bytes_that_the_transport_has_not_written_yet_go_first(loop: asyncio.AbstractEventLoop) -> None:
    async def use(connection: Connection, client: socket.socket) -> None:
        connection.write(b"welcome")
        connection.flush()
        assert await read(loop, client, 10) == b"101welcome"

    talk(loop, use, b"101")


def test_nothing_is_written_to_a_file_descriptor_that_was_lost(loop: asyncio.AbstractEventLoop) -> None:
    async def use(connection: Connection, client: socket.socket) -> None:
        connection.write(b"for the first")
        connection.connection_lost(None)
        connection.flush()
        connection.write(b"later")
        connection.flush()
        with pytest.raises(BlockingIOError):
            client.recv(100)

    talk(loop, use)
