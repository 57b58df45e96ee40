"""`hugmood up` as a subprocess, and the harm that can be done to what it runs.

Known of HugMood are only its commands, the ready file and the settings: nothing of its code is imported.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.chaos.swarm import Person

READY_WITHIN_S = 60.0
BACK_WITHIN_S = 40.0
POLL_S = 0.05
HUGMOOD = str(Path(sys.executable).with_name("hugmood"))


class Stack:
    """Everything that one `hugmood up` runs."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self._process = process

    def running(self) -> dict[str, Any]:
        """The ready file as it is now."""
        ready: dict[str, Any] = json.loads((self.folder / "ready.json").read_bytes())
        return ready

    @property
    def url(self) -> str:
        url: str = self.running()["url"]
        return url

    def pid(self, name: str, index: int | None = None) -> int:
        """Of `hubs` and `workers` by their index, of `postgres` and `valkey`."""
        pids = self.running()["pids"][name]
        pid: int = pids if index is None else pids[index]
        return pid

    async def end(self, signum: signal.Signals, name: str, index: int | None = None) -> None:
        """Send a signal that ends one of them, and wait until `up` runs another in its place."""
        pid = self.pid(name, index)
        os.kill(pid, signum)
        await self.replaced(pid, name, index)

    async def replaced(self, pid: int, name: str, index: int | None = None) -> None:
        """Until `up` runs another in the place of process *pid*."""
        await self._until(lambda: self.pid(name, index) != pid, f"another {name} after {pid}")

    async def pause(self, name: str, index: int | None, seconds: float) -> None:
        """Neither dead nor alive for a while."""
        pid = self.pid(name, index)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def flushall(self) -> None:
        """Valkey forgets everything."""
        address = urlsplit(self.running()["redis_url"])
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            words = [f"AUTH {unquote(address.password)}"] if address.password else []
            for command in [*words, "FLUSHALL"]:
                writer.write(f"{command}\r\n".encode())  # an inline command
                answer = await reader.readline()
                if answer != b"+OK\r\n":
                    raise ConnectionError(f"{command.split()[0]}: {answer!r}")
        finally:
            writer.close()

    async def people(self, count: int, friends: int) -> list[Person]:
        """Accounts with tokens."""
        out = self.folder / "people.jsonl"
        make = ["people", "make", "--count", str(count), "--friends", str(friends), "--out", str(out)]
        process = await asyncio.create_subprocess_exec(HUGMOOD, *make, "--data", str(self.folder / "data"))
        assert await process.wait() == 0
        lines = [json.loads(line) for line in out.read_bytes().splitlines()]
        return [Person(line["id"], line["access_token"], tuple(line["friends"])) for line in lines]

    async def all_ready(self) -> None:
        """Until both hubs take traffic again."""
        for metrics in self.running()["metrics"][: len(self.running()["pids"]["hubs"])]:
            deadline = time.monotonic() + BACK_WITHIN_S
            while not await _is_ready(metrics):
                assert time.monotonic() < deadline, f"{metrics} is not ready"
                await asyncio.sleep(POLL_S)

    def logs(self) -> str:
        """The last lines of every log."""
        paths = sorted((self.folder / "data" / "log").glob("*"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2_000:]}" for path in paths)

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self._process.returncode is None:
            self._process.terminate()
        return await self._process.wait()

    async def _until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + BACK_WITHIN_S
        while True:
            with suppress(FileNotFoundError, json.JSONDecodeError):
                if is_so():
                    return
            assert time.monotonic() < deadline, f"no {what} within {BACK_WITHIN_S} s\n{self.logs()}"
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def hugmood_up(
    folder: Path, hubs: int, workers: int = 1, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """Started and ready; stopped at the end of the block, in order. *settings*: further `HUGMOOD_*`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUGMOOD_")}
    command = [HUGMOOD, "up", "--hubs", str(hubs), "--workers", str(workers), "--port", "0"]
    paths = ["--data", str(folder / "data"), "--ready-file", str(folder / "ready.json")]
    with (folder / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, *paths, stdout=log, stderr=log, env=environment | {"HUGMOOD_LIMITS": "off"} | dict(settings or {})
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not (folder / "ready.json").exists():
            said = (folder / "up.log").read_text(encoding="utf-8")
            assert process.returncode is None, f"hugmood up has ended: {said}"
            assert time.monotonic() < deadline, f"hugmood up is not ready: {said}"
            await asyncio.sleep(POLL_S)
        stack = Stack(folder, process)
        yield stack
        assert await stack.stop() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _is_ready(metrics_url: str) -> bool:
    address = urlsplit(metrics_url)
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200 ")
