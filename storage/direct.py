"""One connection of its own, outside the pool, for what changes the schema.

Invariant: nobody waits inside PostgreSQL for the advisory lock. It is polled, because a session that
blocks in `pg_advisory_lock` holds a snapshot and so deadlocks with anything `concurrently`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from domain.errors import Unavailable
from storage.postgres import CLOSE_TIMEOUT_S, translated

CONNECT_TIMEOUT_S = 10.0
LOCK_TIMEOUT_MS = 2_000  # a schema change queues behind a long query, and everybody else behind it: give up early
ADVISORY_POLL_S = 0.1
ADVISORY_WAIT_S = 120.0


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A direct connection with `lock_timeout` and without a statement timeout.

    Raises: Unavailable, with the reason in its text, if the server cannot be reached; likewise from the
    block when a table stays locked for longer than `LOCK_TIMEOUT_MS`.
    """
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=CONNECT_TIMEOUT_S,
            statement_cache_size=0,  # the schema changes under prepared statements
            server_settings={
                "application_name": "hugmood-schema",
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "statement_timeout": "0",
                "timezone": "UTC",
            },
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise Unavailable(f"Cannot connect to PostgreSQL: {reason}.") from error
    try:
        with translated():
            yield connection
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable("A long transaction keeps a table locked. Try again later.") from error
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close(timeout=CLOSE_TIMEOUT_S)


@asynccontextmanager
async def advisory_lock(
    connection: asyncpg.Connection, key: int, wait_s: float = ADVISORY_WAIT_S
) -> AsyncIterator[None]:
    """Hold the session's advisory lock *key* for the block.

    Raises: Unavailable when somebody else keeps it for longer than *wait_s*.
    """
    try:
        async with asyncio.timeout(wait_s):
            while not await connection.fetchval("select pg_try_advisory_lock($1)", key):  # noqa: ASYNC110  it is another process's
                await asyncio.sleep(ADVISORY_POLL_S)
    except TimeoutError:
        raise Unavailable("Another process is changing the schema and does not end. Try again later.") from None
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", key)
