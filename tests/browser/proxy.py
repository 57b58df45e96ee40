"""A TCP proxy that breaks connections the way networks do.

Runs on a thread and a loop of its own, because Playwright's synchronous API holds the test's thread.
"""

import asyncio
import threading
from types import TracebackType


class CuttableProxy:
    """Passes connections on to a local port until it is told otherwise; `port` stays the same."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._is_mute = False
        self._server: asyncio.Server | None = None
        self.port = 0
        self.refused = 0

    def __enter__(self) -> "CuttableProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset what is connected, and everything that tries, until `mend`."""
        self._do(self._cut)

    def mend(self) -> None:
        """Pass on again, both ways."""
        self._do(self._mend)

    def mute_hub(self) -> None:
        """Take what the hub says and pass nothing on, as on a link that has died in one direction."""
        self._do(self._mute)

    def _do(self, work: object) -> None:
        async def call() -> None:
            work()  # type: ignore[operator]  # one of the three below

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def _mend(self) -> None:
        self._is_cut = self._is_mute = False

    def _mute(self) -> None:
        self._is_mute = True

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        while self._tasks:  # who is being accepted just now may begin two more
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.current_task())
        if self._is_cut:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()  # the hub is away
            return
        if self._is_cut:
            writer.transport.abort()
            hub_writer.transport.abort()
            return
        for source, target, is_hub in ((reader, hub_writer, False), (hub_reader, writer, True)):
            self._writers.add(target)
            self._keep(asyncio.create_task(self._pump(source, target, is_hub=is_hub)))

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_hub: bool) -> None:
        try:
            while data := await source.read(65_536):
                if not (is_hub and self._is_mute):
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(target)
            target.close()
