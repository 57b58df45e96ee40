"""The processes of load as the conductor sees them: started, asked, ended.

Invariant: a question to a child that has died, or dies before it answers, fails with the way it died.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from loadtest.child import LINE_BYTES_MAX, Command, Reply
from loadtest.clients.wire import Lost
from loadtest.scenario import Orders

END_WITHIN_S = 5.0


class LoadProcess:
    """One child. Make it with `LoadProcess.start`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.name = name
        self._process = process
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._is_ending = False
        self.dead: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, orders: Orders) -> "LoadProcess":
        """Start it and hand it its orders."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # Ctrl-C is for the conductor; this one ends with its input
        )
        child = cls(process, f"load process {orders.index + 1}")
        await child._write(msgspec.json.encode(orders))
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, name: str, *arguments: Any) -> Any:
        """The answer to one command. Raises: Lost."""
        if self.dead.done():
            raise Lost(self.dead.result())
        self._next_id += 1
        command = Command(self._next_id, name, list(arguments))
        answer = self._waiting[command.id] = asyncio.get_running_loop().create_future()
        try:
            await self._write(msgspec.json.encode(command))
            return await answer
        finally:
            self._waiting.pop(command.id, None)

    async def end(self) -> None:
        """Close its input; whoever does not end then is killed."""
        self._is_ending = True
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("a child is started with pipes")
        with suppress(ConnectionError):  # it has died: `_read` tells
            stdin.write(line + b"\n")
            await stdin.drain()

    async def _read(self) -> None:
        stdout, decoder = self._process.stdout, msgspec.json.Decoder(Reply)
        if stdout is None:
            raise RuntimeError("a child is started with pipes")
        while line := await stdout.readline():
            reply = decoder.decode(line)
            answer = self._waiting.get(reply.id)
            if answer is None or answer.done():
                continue
            if reply.failure is None:
                answer.set_result(reply.value)
            else:
                answer.set_exception(Lost(reply.failure))
        code = await self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self.dead.set_result(f"{self.name} (process {self.pid}) {how}")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Lost(self.dead.result()))
