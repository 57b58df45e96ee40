"""`hugmood people make`: accounts in bulk, for tests and load."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.children import CannotStart
from deploy.embedded import EmbeddedPostgres
from deploy.folder import DataFolder, InUse
from deploy.people import Crowd, make_people
from deploy.running import load_running
from deploy.settings import load_database_url, load_secret
from domain.errors import Refusal
from storage.migrate import SchemaMismatch, migrate


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Raises: CannotStart."""
    crowd = Crowd(
        count=arguments.count,
        friends=arguments.friends,
        token_ttl_s=arguments.token_ttl,
        password=arguments.password,
    )
    try:
        crowd.check()
        with _database(arguments.data, environment, may_be_foreign=arguments.yes) as url:
            asyncio.run(_make(url, crowd, arguments, environment))
    except (Refusal, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    return 0


async def _make(url: str, crowd: Crowd, arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    await migrate(url)
    secret = load_secret(environment) or _read_secret(arguments.data)
    if str(arguments.out) == "-":
        await make_people(url, secret, crowd, sys.stdout.buffer, _say)
        return
    try:
        out = arguments.out.open("wb")
    except OSError as error:
        raise CannotStart(f"{arguments.out} cannot be written: {error.strerror}.") from error
    with out:
        arguments.out.chmod(0o600)  # tokens
        await make_people(url, secret, crowd, out, _say)


def _read_secret(data: Path) -> bytes:
    try:
        return (data / "secret").read_bytes().strip()
    except OSError as error:
        raise CannotStart("HUGMOOD_SECRET is missing: without it the tokens would not verify.") from error


@contextmanager
def _database(data: Path, environment: Mapping[str, str], *, may_be_foreign: bool) -> Iterator[str]:
    """The URL of the named database, of the one that runs on *data*, or of that one started for the block."""
    if url := load_database_url(environment):
        _refuse_foreign("HUGMOOD_DATABASE_URL", may_be_foreign)
        yield url
        return
    try:
        folder = DataFolder.hold(data)
    except InUse:
        running = load_running(data)
        if running is None:
            raise
        if running.pids.postgres is None:
            _refuse_foreign("the database that `hugmood up` was given", may_be_foreign)
        yield running.database_url
        return
    try:
        folder.secret_file()
        server = EmbeddedPostgres(folder)
        try:
            server.launch()
            server.wait_ready()
            yield server.url
        finally:
            server.stop()
    finally:
        folder.release()


def _refuse_foreign(what: str, may_be_foreign: bool) -> None:
    if not may_be_foreign:
        raise CannotStart(
            f"This would write accounts in bulk to {what}, which is not the data folder's own: add --yes if you mean it."
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
