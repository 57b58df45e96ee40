"""What a hub has rung where, against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from domain.ids import uuid7
from domain.times import from_ms
from storage import routes
from storage.postgres import Database
from storage.routes import Route, Routes, load_routes
from tests.support.people import NOW_MS

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "CUT_EVERY_S", 0.001)
    monkeypatch.setattr(routes, "RETRY_S", 0.001)


@asynccontextmanager
async def running(noted: Routes) -> AsyncIterator[None]:
    task = asyncio.create_task(noted.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def rows(database: Database, count: int) -> None:
    """Until there are so many."""
    while await database.fetchval("select count(*) from routes") < count:  # noqa: ASYNC110  PostgreSQL tells nobody
        await asyncio.sleep(0.001)


async def test_what_was_rung_is_found_by_user_seq_and_time(database: Database) -> None:
    ana, ben = uuid7(NOW_MS), uuid7(NOW_MS)
    one, other = Routes(database, "hub-1"), Routes(database, "hub-2")
    async with running(one), running(other):
        one.note(ana, 7, ["hub-1", "hub-2"], NOW_MS + 5)
        one.note(ben, 7, ["hub-3"], NOW_MS + 6)
        one.note(ana, 8, [], NOW_MS + 7)
        one.note(ben, 2**40, ["hub-1", "hub-2"], NOW_MS + 900)
        other.note(ana, 7, ["hub-1"], NOW_MS + 4)
        await rows(database, 2)
    at = from_ms(NOW_MS)
    assert await load_routes(database, ana, 7, at) == [
        Route("hub-2", NOW_MS + 4, ["hub-1"]),
        Route("hub-1", NOW_MS + 5, ["hub-1", "hub-2"]),
    ]
    assert await load_routes(database, ana, 8, at) == [Route("hub-1", NOW_MS + 7, [])]
    assert await load_routes(database, ben, 2**40, at) == [Route("hub-1", NOW_MS + 900, ["hub-1", "hub-2"])]
    assert await load_routes(database, ben, 8, at) == []
    assert await load_routes(database, ana, 7, from_ms(NOW_MS - 40_000)) == []
    assert await load_routes(database, ana, 7, from_ms(NOW_MS + 40_000)) == []


async def test_many_in_one_second_are_one_row(database: Database) -> None:
    users = [uuid7(NOW_MS) for _ in range(5_000)]
    noted = Routes(database, "hub-1")
    for number, user in enumerate(users):
        noted.note(user, number, [f"hub-{number % 3}"], NOW_MS + number % 1000)
    async with running(noted):
        await rows(database, 1)
    assert await database.fetchval("select count(*) from routes") == 1
    for number in (0, 1, 1_999, 2_000, 4_999):
        (route,) = await load_routes(database, users[number], number, from_ms(NOW_MS))
        assert route == Route("hub-1", NOW_MS + number % 1000, [f"hub-{number % 3}"])
    assert noted.lost == 0


async def test_while_postgresql_is_stuck_the_oldest_seconds_are_lost_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "KEPT_SECONDS", 2)
    ana = uuid7(NOW_MS)
    noted = Routes(database, "hub-1")
    seq = 0
    async with running(noted):
        async with database.transaction() as connection:
            await connection.execute("lock table routes in access exclusive mode")
            while noted.lost < 3:
                seq += 1
                noted.note(ana, seq, ["hub-2"], NOW_MS)
                await asyncio.sleep(0.002)
        await rows(database, 3)
    found = [bool(await load_routes(database, ana, each, from_ms(NOW_MS))) for each in range(1, seq + 1)]
    assert found[-1], "the newest is kept"
    assert not all(found)
    assert noted.lost >= 3


async def test_what_cannot_be_written_at_all_is_counted_and_no_more(database: Database) -> None:
    noted = Routes(database, "hub-1")
    ana = uuid7(NOW_MS)
    await database.execute("alter table routes add constraint never check (node <> 'hub-1')")
    async with running(noted):
        noted.note(ana, 1, ["hub-2"], NOW_MS)
        while not noted.lost:  # noqa: ASYNC110  a count has no event
            await asyncio.sleep(0.001)
        await database.execute("alter table routes drop constraint never")
        noted.note(ana, 2, ["hub-2"], NOW_MS)
        await rows(database, 1)
    assert await load_routes(database, ana, 2, from_ms(NOW_MS)) == [Route("hub-1", NOW_MS, ["hub-2"])]
