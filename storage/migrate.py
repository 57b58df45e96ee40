"""Brings the schema to what this code needs: numbered SQL files, each applied once, in order.

Invariant: a file that was applied is never changed (its checksum is on record), each is applied in
one transaction together with its record, and only one process applies at a time.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from msgspec import Struct

from domain.errors import Unavailable
from storage.direct import advisory_lock, connect
from storage.partitions import make_ahead
from storage.postgres import Database

FOLDER = Path(__file__).parent / "migrations"
LOCK_KEY = 0x6875_676D_6D69_6772  # "hugmmigr"
LOCK_TRIES = 15  # at `LOCK_TIMEOUT_MS` each, with a pause in which the queries behind us can pass
LOCK_PAUSE_S = 1.0

log = logging.getLogger("hugmood.migrate")

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_RECORDS = """
create table if not exists schema_migrations (
    version    integer primary key,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default now()
)
"""


class SchemaMismatch(Exception):  # noqa: N818  it reads as what it is
    """The schema of the database and this code do not fit. The message says what to do."""


class Migration(Struct, frozen=True):
    """One numbered file. *checksum*: SHA-256 of its text, in hex."""

    version: int
    name: str
    checksum: str
    sql: str


def load_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files of *folder* in order. Raises: SchemaMismatch for a gap, a double number or a strange name."""
    migrations = []
    for position, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE.fullmatch(path.name)
        if match is None or int(match[1]) != position:
            raise SchemaMismatch(f"{path.name} is not migration {position:04}: number the files without gaps.")
        sql = path.read_text(encoding="utf-8")
        migrations.append(Migration(position, match[2], hashlib.sha256(sql.encode()).hexdigest(), sql))
    return migrations


async def migrate(database_url: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, then make the partitions of the time ahead; returns the names applied.

    Several processes may call it at once: one works, the others wait for it and find nothing to do.
    Raises: Unavailable if the server is away, or a table stays locked; SchemaMismatch if the database is
    newer than this code, or an applied file has been changed since.
    """
    migrations = load_migrations(folder)
    async with connect(database_url) as connection, advisory_lock(connection, LOCK_KEY):
        await connection.execute(_RECORDS)
        rows = await connection.fetch("select version, checksum from schema_migrations")
        applied = {row["version"]: row["checksum"] for row in rows}
        _compare(migrations, applied)
        missing = [migration for migration in migrations if migration.version not in applied]
        for migration in missing:
            await _apply(connection, migration)
        await make_ahead(connection, datetime.now(UTC))
    return [f"{migration.version:04}_{migration.name}" for migration in missing]


async def check(database: Database | asyncpg.Connection, folder: Path = FOLDER) -> None:
    """Refuse a database that is not exactly what this code needs. Raises: SchemaMismatch, Unavailable."""
    migrations = load_migrations(folder)
    applied: dict[int, str] = {}
    if await database.fetchval("select to_regclass('schema_migrations') is not null"):
        rows = await database.fetch("select version, checksum from schema_migrations")
        applied = {row["version"]: row["checksum"] for row in rows}
    _compare(migrations, applied)
    if len(applied) < len(migrations):
        raise SchemaMismatch(
            f"The database schema is at version {max(applied, default=0)}, this code needs {len(migrations)}:"
            " run `hugmood migrate`."
        )


def _compare(migrations: Sequence[Migration], applied: Mapping[int, str]) -> None:
    newest = max(applied, default=0)
    if newest > len(migrations):
        raise SchemaMismatch(
            f"The database schema is at version {newest}, newer than this code, which knows {len(migrations)}:"
            " run a newer HugMood."
        )
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise SchemaMismatch(
                f"Migration {migration.version:04}_{migration.name} was changed after it had been applied:"
                " put the file back, and write the change as a new migration."
            )


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    """One file and its record in one transaction; tried again while somebody else holds a lock on its tables."""
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into schema_migrations (version, name, checksum) values ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.checksum,
                )
        except (asyncpg.FeatureNotSupportedError, asyncpg.InsufficientPrivilegeError) as error:
            raise SchemaMismatch(
                f"Migration {migration.name} cannot be applied here: {error.message}. PostgreSQL needs its contrib"
                " modules (Debian has them with the server, others as postgresql-contrib), and the owner of the database"
                " must be allowed what the message names."
            ) from error
        except asyncpg.LockNotAvailableError:
            if not tries_left:
                raise Unavailable(f"Migration {migration.name} waits for a lock that is not given up.") from None
            await asyncio.sleep(LOCK_PAUSE_S)
        else:
            log.info("migration applied", extra={"version": migration.version, "migration": migration.name})
            return
