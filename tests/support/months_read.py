"""Which months of moods a query reads, and how."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from storage.postgres import Database


class Walk:
    """What PostgreSQL did for a query: which months it planned for and which it read, how, and how many rows."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.planned: set[str] = set()
        self.months: set[str] = set()
        self.scans: set[str] = set()
        self.indexes: set[str] = set()
        self.rows = 0
        self._look(plan)

    def _look(self, node: dict[str, Any]) -> None:
        name = node.get("Relation Name", "")
        if name.startswith("moods_"):
            self.planned.add(name)
        if name in self.planned and node["Actual Loops"]:
            self.months.add(name)
            self.scans.add(node["Node Type"])
            self.indexes.add(node.get("Index Name", ""))
            self.rows += node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
        for child in node.get("Plans", []):
            self._look(child)


async def walk_of(database: Database, run: Callable[[Database], Awaitable[object]]) -> Walk:
    """What the last statement of *run* does."""
    spy = Spy(database)
    await run(spy)
    sql, args = spy.statement
    async with database.transaction() as connection:
        await connection.execute("set local plan_cache_mode = force_custom_plan")
        plan = await connection.fetchval("explain (analyze, format json) " + sql, *args)
    return Walk(json.loads(plan)[0]["Plan"])


class Spy(Database):
    """Remembers the last statement that went to *database*."""

    def __init__(self, database: Database) -> None:
        self._real = database

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.statement = (sql, args)
        return await self._real.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> Any:
        self.statement = (sql, args)
        return await self._real.fetchrow(sql, *args)
