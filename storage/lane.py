"""A connection that one task keeps for itself, with its statements prepared.

For whoever asks the same thing hundreds of times a second: taking a connection from the pool and giving it back
costs more than a short query.
"""

import asyncio
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.prepared_stmt import PreparedStatement

from storage.postgres import Database, translated


class Lane:
    """Used by one task at a time. Whatever fails, the next statement gets another connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolConnectionProxy | None = None
        self._prepared: dict[str, PreparedStatement] = {}

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows of one statement, in a transaction of its own. Raises: Unavailable."""
        with translated():
            if self._connection is not None and _is_cut(self._connection):
                await self.close()
            try:
                statement = self._prepared.get(sql) or await self._prepare(sql)
                return await statement.fetch(*args)
            except BaseException:
                await asyncio.shield(self.close())
                raise

    async def _prepare(self, sql: str) -> PreparedStatement:
        if self._connection is None:
            self._connection = await self._database.acquire()
        statement = self._prepared[sql] = await self._connection.prepare(sql)
        return statement

    async def close(self) -> None:
        """Give the connection back; harmless when there is none."""
        connection, self._connection = self._connection, None
        self._prepared.clear()
        if connection is not None:
            await self._database.release(connection)


def _is_cut(connection: PoolConnectionProxy) -> bool:
    """Has PostgreSQL ended it since the last statement, as a restart does?"""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back already
        return True
