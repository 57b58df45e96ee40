"""A connection of one's own, against a real PostgreSQL that takes it away."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.errors import Unavailable
from storage.lane import Lane
from storage.postgres import Database

pytestmark = pytest.mark.contract

WHO = "select pg_backend_pid() as pid"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def test_it_keeps_its_connection_until_something_fails(database: Database) -> None:
    lane = Lane(database)
    (first,) = await lane.fetch(WHO)
    (again,) = await lane.fetch(WHO)
    assert first["pid"] == again["pid"]
    with pytest.raises(asyncpg.DivisionByZeroError):
        await lane.fetch("select 1 / $1::int", 0)
    assert [row["n"] for row in await lane.fetch("select $1::int as n", 7)] == [7]
    await lane.close()
    await lane.close()
    assert await lane.fetch(WHO)
    await lane.close()


async def test_a_connection_that_is_cut_between_two_statements_is_not_noticed(database: Database) -> None:
    lane = Lane(database)
    (row,) = await lane.fetch(WHO)
    await database.execute("select pg_terminate_backend($1)", row["pid"])
    while await database.fetch("select from pg_stat_activity where pid = $1", row["pid"]):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # the news is on its way
    (other,) = await lane.fetch(WHO)
    assert other["pid"] != row["pid"]
    await lane.close()


async def test_a_connection_that_is_cut_in_a_statement_is_replaced(database: Database) -> None:
    lane = Lane(database)
    (row,) = await lane.fetch(WHO)
    asking = asyncio.create_task(lane.fetch("select pg_sleep(5)"))
    await asyncio.sleep(0.1)
    await database.execute("select pg_terminate_backend($1)", row["pid"])
    with pytest.raises(Unavailable):
        await asking
    (other,) = await lane.fetch(WHO)
    assert other["pid"] != row["pid"]
    await lane.close()


async def test_who_is_cancelled_leaves_nothing_behind(database: Database) -> None:
    lane = Lane(database)
    task = asyncio.create_task(lane.fetch("select pg_sleep(30)"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lane.fetch(WHO)
    await lane.close()
