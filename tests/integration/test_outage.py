"""`hugmood outage`, as an operator types it, and what it does to streaks on a real PostgreSQL."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from subprocess import CompletedProcess

import asyncpg
import pytest

from domain.ids import uuid7
from domain.streaks import DAY
from storage.direct import connect
from storage.postgres import Database
from storage.streak_book import rebuild_books, reckon_due
from tests.support.local import hugmood
from tests.support.notes import add_notes

pytestmark = pytest.mark.integration

FAR_AHEAD = datetime(9000, 1, 1, tzinfo=UTC)


async def outage(database_url: str, *arguments: object) -> "CompletedProcess[str]":
    given = [str(argument) for argument in arguments]
    return await asyncio.to_thread(partial(hugmood, "outage", *given, HUGMOOD_DATABASE_URL=database_url))


async def log(connection: asyncpg.Connection, user: str, days: Iterable[date]) -> None:
    """A mood at noon of each of *days*."""
    noons = [datetime.combine(day, time(12), UTC) for day in days]
    await add_notes(connection, [((user, noon, uuid7(1)), None) for noon in noons])


async def current(database: Database) -> list[int]:
    """The streaks, once everything that is due has been reckoned."""
    reckonings, _ = await reckon_due(database, datetime.now(UTC), 100)
    assert await reckon_due(database, datetime.now(UTC), 100) == ({}, []), reckonings
    return [row["current"] for row in await database.fetch("select current from streaks order by user_id")]


async def test_an_outage_bridges_the_streaks_it_concerns(database_url: str) -> None:
    today = datetime.now(UTC).date()
    first, last = today - 4 * DAY, today - 3 * DAY
    users = [uuid7(number) for number in range(3)]
    async with connect(database_url) as connection, Database(database_url) as database:
        await log(connection, users[0], (today - n * DAY for n in (7, 6, 5, 2, 1, 0)))
        await log(connection, users[1], (today - n * DAY for n in (6, 5, 4, 3, 2, 1, 0)))
        await log(connection, users[2], (today - n * DAY for n in (1, 0)))  # began when it was over
        await rebuild_books(database, users, datetime.now(UTC))
        assert await current(database) == [3, 7, 2]
        await database.execute("update streaks set due_at = $1", FAR_AHEAD)

        added = await outage(database_url, "add", first, last, "--reason", "a long night")
        assert added.returncode == 0, added.stderr
        assert added.stdout.splitlines() == [
            f"Outage 1, {first} to {last}, is declared.",
            "2 streaks are reckoned anew by the workers.",
        ]
        due = await database.fetch("select due_at < $1 as is_due from streaks order by user_id", FAR_AHEAD)
        assert [row["is_due"] for row in due] == [True, True, False]
        assert await current(database) == [6, 7, 2]

        listed = await outage(database_url, "list")
        assert listed.stdout.split() == ["1", str(first), str(last), "a", "long", "night"]
        again = await outage(database_url, "add", first, last)
        assert "was declared before" in again.stdout
        assert await database.fetchval("select count(*) from outages") == 1

        removed = await outage(database_url, "remove", 1)
        assert removed.returncode == 0, removed.stderr
        assert "2 streaks are reckoned anew" in removed.stdout
        assert await current(database) == [3, 7, 2]
        gone = await outage(database_url, "remove", 1)
        assert (gone.returncode, gone.stderr) == (1, "There is no outage 1.\n")
        assert (await outage(database_url, "list")).stderr == "There is none.\n"


async def test_more_streaks_than_one_batch_and_what_is_overdue_stays_so(database_url: str) -> None:
    today = datetime.now(UTC).date()
    async with Database(database_url) as database:
        await database.execute(
            """
            insert into streaks (
                user_id, timezone, felt_at, first_day, current, longest, freezes, reckoned_for, due_at, updated_at
            )
            select gen_random_uuid(), 'UTC', now(), $1, 0, 0, 0, $1, to_timestamp(n * 1e9), now()
            from generate_series(1, 2500) as n
            """,
            today - DAY,
        )
        done = await outage(database_url, "add", today, today)
        assert "2,500 streaks are reckoned anew" in done.stdout
        assert await database.fetchval("select count(*) from streaks where due_at <= now()") == 2500
        assert await database.fetchval("select min(due_at) from streaks") == datetime.fromtimestamp(1e9, UTC)


@pytest.mark.parametrize(
    ("first", "days", "reason"),
    [
        ("yesterday", 1, "not a date such as"),
        (-1, -1, "cannot end"),
        (-40, 32, "at most 31 days"),
        (-400, 1, "within 366 days"),
    ],
)
async def test_what_cannot_be_declared(database_url: str, first: int | str, days: int, reason: str) -> None:
    today = datetime.now(UTC).date()
    begins = today + timedelta(days=first) if isinstance(first, int) else today
    done = await outage(
        database_url, "add", first if isinstance(first, str) else begins, begins + timedelta(days=days - 1)
    )
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    async with Database(database_url) as database:
        assert await database.fetchval("select count(*) from outages") == 0
