"""Real PostgreSQL and Valkey for tests: one pair for the session, and servers of their own for tests that kill them.

They run synchronously, as child processes, and so belong to no event loop.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import redis

from deploy.embedded import EmbeddedPostgres, EmbeddedValkey
from deploy.folder import DataFolder
from storage.migrate import migrate

TEMPLATE = "hugmood_template"
Result = TypeVar("Result")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for a test, removed at the end, that the servers' account can enter when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="hugmood-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def temporary_data() -> Iterator[DataFolder]:
    """A data folder for a test, held for the block and removed with everything in it."""
    with temporary_folder() as path:
        folder = DataFolder.hold(path / "data")
        try:
            yield folder
        finally:
            folder.release()
            if folder.home != folder.path:
                shutil.rmtree(folder.home, ignore_errors=True)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a loop and a thread of its own, whatever loop the test has."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class KillableServer:
    """A server of one test, which may kill, pause and restart it. Its URL stays the same."""

    def __init__(self, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        self._server = server

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(self) -> None:
        """Blocks until it answers."""
        self._server.launch()
        self._server.wait_ready()

    def stop(self) -> None:
        """In good order: everything is written out. Nothing if it does not run."""
        self._server.stop()

    def kill(self) -> None:
        """kill -9. Blocks until it is gone."""
        self._server.child.stop((signal.SIGKILL, 10.0))

    def pause(self) -> None:
        """It keeps its connections and answers nothing more, until `resume`."""
        self._server.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.child.send(signal.SIGCONT)


class Databases:
    """Copies of one migrated template database, a fresh one for each test."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = count(1)
        run(self._execute(f"create database {TEMPLATE}"))
        run(migrate(self._url(TEMPLATE)))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a database that nobody else uses. It is dropped at the end, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        run(self._execute(f"create database {name} template {TEMPLATE} strategy = file_copy"))
        try:
            yield self._url(name)
        finally:
            run(self._execute(f"drop database {name} with (force)"))

    def _url(self, name: str) -> str:
        return f"{self._server.url.rpartition('/')[0]}/{name}"

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def flush(redis_url: str) -> None:
    """Empty a Valkey."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


def must_not_skip() -> bool:
    """On CI a missing server is a failure; on a laptop a skip with the reason."""
    return bool(os.environ.get("CI"))
