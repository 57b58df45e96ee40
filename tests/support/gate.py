"""A gate in the way of a TCP connection: what goes through can be held back in one direction.

With the answers of a server held back, what it was asked is done, and whoever asked does not know.
"""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Listens on a port of its own and passes everything on to *host* and *port*."""

    def __init__(self, url: str) -> None:
        """*url*: of the server behind the gate."""
        self._parts = urlsplit(url)
        self._port = 0  # any, at first
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The server's URL, through the gate."""
        assert self._port
        credentials, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{credentials}{at}127.0.0.1:{self._port}"))

    async def __aenter__(self) -> "Gate":
        await self.open_again()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def shut(self) -> None:
        """Who is connected is cut off, and nobody can connect, until `open_again`."""
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def open_again(self) -> None:
        """On the same port as before."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def hold_answers(self) -> None:
        """Questions go through, answers wait."""
        self._open.clear()

    def let_answers_through(self) -> None:
        self._open.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            writer.transport.abort()
            return
        for pump in (self._pump(reader, behind_writer, None), self._pump(behind_reader, writer, self._open)):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event | None) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    if gate is not None:
                        await gate.wait()
                    writer.write(data)
                    await writer.drain()
        finally:  # also of who is still there when the gate goes
            writer.transport.abort()
