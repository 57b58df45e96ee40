"""The connection pool, and the seam where asyncpg's exceptions become ours.

Nothing above storage/ knows asyncpg: use `Database.fetch`, `fetchrow`, `execute` and `transaction`,
which raise `Unavailable` when the server is away, restarting or too slow.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from domain.errors import Unavailable

COMMAND_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_MS = 9_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000
CLOSE_TIMEOUT_S = 5.0

# What a restart, a failover or a full disk looks like from here. All mean: nothing was committed, or
# it is unknown; callers repeat only what is idempotent.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class Database:
    """A pool of connections to one PostgreSQL. Open it as an async context manager."""

    def __init__(self, url: str, *, min_size: int = 1, max_size: int = 10) -> None:
        self._url = url
        self._min_size = min_size
        self._max_size = max_size
        self._pool: asyncpg.Pool | None = None

    async def __aenter__(self) -> "Database":
        with translated():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=self._min_size,
                max_size=self._max_size,
                command_timeout=COMMAND_TIMEOUT_S,
                timeout=COMMAND_TIMEOUT_S,
                reset=_leave_as_is,
                server_settings={
                    "application_name": "hugmood",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                    "timezone": "UTC",
                    "pg_trgm.word_similarity_threshold": "0.5",  # of storage/search.py: "anna" finds "Ana López"
                    "jit": "off",  # compiling costs more than any of our short queries
                },
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            pool.terminate()

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows of one statement, in a transaction of its own. Raises: Unavailable."""
        with translated():
            return await self._open_pool().fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, or None. Raises: Unavailable."""
        with translated():
            return await self._open_pool().fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None. Raises: Unavailable."""
        with translated():
            return await self._open_pool().fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run one statement; returns its command tag, such as `UPDATE 3`. Raises: Unavailable."""
        with translated():
            return await self._open_pool().execute(sql, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PoolConnectionProxy]:
        """A connection inside a transaction: committed at the end of the block, rolled back on any exception."""
        with translated():
            async with self._open_pool().acquire() as connection, connection.transaction():
                yield connection

    async def acquire(self) -> PoolConnectionProxy:
        """A connection of the pool, to be given back with `release`; for storage/lane.py. Raises: Unavailable."""
        with translated():
            return await self._open_pool().acquire()

    async def release(self, connection: PoolConnectionProxy) -> None:
        """Give back what `acquire` gave, whatever state it is in."""
        if self._pool is not None:
            with suppress(*AWAY):
                await self._pool.release(connection)

    def _open_pool(self) -> asyncpg.Pool:
        if self._pool is None:
            raise RuntimeError("the database is used outside its `async with`")
        return self._pool


async def _leave_as_is(_connection: object) -> None:
    """No statement of ours changes a session, so giving a connection back costs no round trip."""


class translated:  # noqa: N801  a context manager that reads as a word
    """Turns what `AWAY` lists into `Unavailable`; lets everything else through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AWAY):
            raise Unavailable from error
