"""Sockets of people who acknowledge at once, or never; also as a process of its own, which a test may stop.

Only the wire protocol. `python -m tests.chaos.phones URL` reads tokens, one a line, prints `connected` when all have been
welcomed, and then says nothing more, not even an ack.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

BACK_AFTER_S = 0.5
ROOT = Path(__file__).parents[2]


class Phone:
    """One device of one person: connected, and again, from `start` to `stop`. *acks*: everything, as it comes."""

    def __init__(self, url: str, token: str, *, acks: bool, status: str = "online") -> None:
        self._url = f"ws://{urlsplit(url).netloc}/v1/socket"
        self._token = token
        self._acks = acks
        self._status = status
        self._welcomed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.held = 0  # the last seq that was acked

    async def start(self) -> int:
        """When it has been welcomed: Unix ms."""
        self._task = asyncio.create_task(self._live())
        await self._welcomed.wait()
        return now_ms()

    async def stop(self) -> None:
        """Returns when it is gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            with suppress(OSError, EOFError, InvalidHandshake, ConnectionClosed):
                await self._connect_once()
            await asyncio.sleep(BACK_AFTER_S)

    async def _connect_once(self) -> None:
        hello = {"token": self._token, "device": "phone", "after": self.held, "status": self._status}
        protocols = [Subprotocol("hugmood.v1.json")]
        async with connect(
            self._url, subprotocols=protocols, compression=None, proxy=None, close_timeout=1, ping_interval=None
        ) as socket:
            await socket.send(json.dumps({"type": "hello", **hello}))
            async for text in socket:
                message: dict[str, Any] = json.loads(text)
                if message["type"] == "welcome":
                    self._welcomed.set()
                if self._acks and (seq := message.get("seq", 0)) > self.held and message["type"] != "caught_up":
                    self.held = seq
                    await socket.send(json.dumps({"type": "ack", "seq": seq}))


@asynccontextmanager
async def phones_elsewhere(url: str, tokens: Sequence[str]) -> AsyncIterator[int]:
    """Phones that never ack, in a process, all of them welcomed: its pid. It is killed at the end of the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.phones", url, cwd=ROOT, stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("".join(f"{token}\n" for token in tokens).encode())
        process.stdin.write_eof()
        assert await process.stdout.readline() == b"connected\n"
        yield process.pid
    finally:
        process.kill()
        await process.wait()


def now_ms() -> int:
    """Unix time."""
    return time.time_ns() // 1_000_000


async def main(url: str) -> None:
    """Until it is killed."""
    phones = [Phone(url, line.strip(), acks=False) for line in sys.stdin]
    await asyncio.gather(*(phone.start() for phone in phones))
    print("connected", flush=True)  # noqa: T201  whoever started it reads this
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
