"""The servers that a command works on: those that the environment names, those that run on the data folder, or the
folder's PostgreSQL, started for as long as the command takes.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from msgspec import Struct

from deploy.children import CannotStart
from deploy.embedded import EmbeddedPostgres
from deploy.folder import DataFolder, InUse
from deploy.running import load_running
from deploy.settings import load_database_url, load_encryption_keys, load_jobs_redis_url, load_redis_url, load_secret
from domain.errors import Refusal
from storage.direct import connect
from storage.encryption_keys import EncryptionKey, load_keys
from storage.migrate import SchemaMismatch, check, migrate

Environment = Mapping[str, str]


class Servers(Struct, frozen=True):
    """Where they are. *foreign*: what the database is, in words, unless it is the data folder's own."""

    database_url: str
    jobs_redis_url: str | None  # None: it does not run
    redis_url: str | None = None  # likewise
    foreign: str | None = None
    is_started: bool = False  # for this command


@contextmanager
def reach(data: Path, environment: Environment) -> Iterator[Servers]:
    """For the block. Raises: CannotStart."""
    redis_url = load_jobs_redis_url(environment)
    if url := load_database_url(environment):
        yield Servers(url, redis_url, load_redis_url(environment), "HUGMOOD_DATABASE_URL")
        return
    try:
        folder = DataFolder.hold(data)
    except InUse:
        running = load_running(data)
        if running is None:
            raise
        foreign = "the database that `hugmood up` was given" if running.pids.postgres is None else None
        yield Servers(running.database_url, redis_url or running.redis_url, running.redis_url, foreign)
        return
    try:
        folder.secret_file()
        folder.keys_file()
        server = EmbeddedPostgres(folder)
        try:
            server.launch()
            server.wait_ready()
            yield Servers(server.url, redis_url, is_started=True)
        finally:
            server.stop()
    finally:
        folder.release()


Work = Callable[[Servers, asyncpg.Connection], Awaitable[int]]


def operate(arguments: argparse.Namespace, environment: Environment, work: Work) -> int:
    """Have *work* done on what is stored already; it returns the exit code. Raises: CannotStart."""
    if not load_database_url(environment) and not arguments.data.is_dir():
        raise CannotStart(
            f"There is no data folder {arguments.data}: name one with --data, or a database in HUGMOOD_DATABASE_URL."
        )
    try:
        with reach(arguments.data, environment) as servers:
            return asyncio.run(_operate(servers, work))
    except (Refusal, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error


async def _operate(servers: Servers, work: Work) -> int:
    if servers.is_started:
        await migrate(servers.database_url)
    async with connect(servers.database_url) as connection:
        await check(connection)
        return await work(servers, connection)


def find_secret(data: Path, environment: Environment) -> bytes:
    """What signs access tokens. Raises: CannotStart."""
    try:
        return load_secret(environment) or (data / "secret").read_bytes().strip()
    except OSError as error:
        raise CannotStart("HUGMOOD_SECRET is missing: without it the tokens would not verify.") from error


def find_keys(data: Path, environment: Environment) -> tuple[EncryptionKey, ...]:
    """The keys of encrypted fields, the newest first. Raises: CannotStart."""
    if keys := load_encryption_keys(environment):
        return keys
    path = data / "encryption-keys"
    try:
        return load_keys(path.read_text())
    except OSError as error:
        raise CannotStart("HUGMOOD_ENCRYPTION_KEYS is missing: without the keys nothing can be read.") from error
    except ValueError as error:
        raise CannotStart("\n".join(f"{path} {wrong}" for wrong in error.args)) from error
