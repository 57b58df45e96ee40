"""Real hub processes for tests, each on a port of its own, and people whose tokens they accept.

Processes, not tasks: their memory can be measured, and they can be killed.
"""

import os
import signal
import sys
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from deploy.children import Child, spawn
from deploy.people import Crowd, make_people
from deploy.ports import free_port
from deploy.supervisor import wait_http_ready
from hub.tokens import issue_access_token
from tests.support.keys import KEY

SECRET = b"the secret of hubs in tests: 32 bytes"


class Person(msgspec.Struct, frozen=True):
    """Somebody who can say hello."""

    id: str
    name: str
    access_token: str
    friends: list[str]

    def token(self, now_ms: int, ttl_s: int, secret: bytes = SECRET) -> str:
        """Another access token of the same log-in, to be as old as a test wants."""
        claims = msgspec.json.decode(_unpadded(self.access_token.split(".")[1]))
        return issue_access_token(secret, self.id, claims["sid"], ["user"], now_ms, ttl_s)


class HubProcess:
    """One hub. Its address stays the same over restarts."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """*settings*: `HUGMOOD_*` by their names without the prefix, in lower case."""
        self.port = free_port()
        self._metrics_port = free_port()
        self.log = folder / f"hub-{self.port}.log"
        own = {
            "HUGMOOD_SECRET": SECRET.decode(),
            "HUGMOOD_ENCRYPTION_KEYS": KEY.line,
            "HUGMOOD_PORT": str(self.port),
            "HUGMOOD_METRICS_PORT": str(self._metrics_port),
            "HUGMOOD_LIMITS": "off",
        }
        given = {f"HUGMOOD_{name.upper()}": value for name, value in settings.items()}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("HUGMOOD_")}
        self._environment |= own | given
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self._metrics_port}/metrics"

    @property
    def pid(self) -> int:
        return self._running().pid

    async def start(self) -> None:
        """Until it is ready. Raises: CannotStart."""
        with self.log.open("ab") as log:
            argv = [sys.executable, "-m", "deploy.cli", "hub"]
            self._child = spawn(argv, "hub", death_signal=signal.SIGKILL, output=log, env=self._environment)
        await wait_http_ready(self._child, self._metrics_port, self._last_words)

    def is_alive(self) -> bool:
        return self._child is not None and self._child.exit_code is None

    async def kill(self) -> None:
        """kill -9."""
        child = self._running()
        child.send(signal.SIGKILL)
        await child.ended()

    def pause(self) -> None:
        """SIGSTOP: it keeps everything and does nothing, until `resume`."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; the exit code once it has drained."""
        child = self._running()
        child.send(signal.SIGCONT)
        child.send(signal.SIGTERM)
        return await child.ended()

    def rss_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _running(self) -> Child:
        assert self._child is not None, "the hub was never started"
        return self._child

    def _last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-600:]


StartHub = Callable[..., Coroutine[Any, Any, HubProcess]]


@asynccontextmanager
async def hub_starter(database_url: str, redis_url: str) -> AsyncIterator[StartHub]:
    """Gives a function that starts hubs, on these servers unless told otherwise; all of them end with the block."""
    hubs: list[HubProcess] = []

    async def start(folder: Path, **settings: str) -> HubProcess:
        servers = {"database_url": database_url, "redis_url": redis_url}
        hub = HubProcess(folder, **(servers | settings))
        hubs.append(hub)
        await hub.start()
        return hub

    with tempfile.TemporaryDirectory(prefix="hugmood-hubs-") as folder:
        try:
            yield partial(start, Path(folder))
        finally:
            for hub in hubs:
                if hub.is_alive():
                    await hub.kill()


async def make_friends(database_url: str, count: int, *, friends: int | None = None) -> list[Person]:
    """*count* people in a ring of friendships; all of them each other's friends unless *friends* says less."""
    out = BytesIO()
    crowd = Crowd(count=count, friends=count - 1 if friends is None else friends, token_ttl_s=86_400, password=None)
    await make_people(database_url, SECRET, crowd, out, lambda _line: None)
    return [msgspec.json.decode(line, type=Person) for line in out.getvalue().splitlines()]


def _unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
