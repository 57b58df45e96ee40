"""The inbox's weeks against a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.errors import Unavailable
from domain.ids import uuid7
from domain.times import to_ms
from storage import direct, partitions
from storage.partitions import RETENTION_DAYS, WEEKS_AHEAD, tend, week_name
from storage.postgres import Database

pytestmark = pytest.mark.contract


async def weeks(database: Database) -> list[str]:
    rows = await database.fetch(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'inbox'::regclass order by 1"
    )
    return [row["relname"] for row in rows]


async def insert(database: Database, user: str, seq: int, at: datetime) -> None:
    await database.execute(
        "insert into inbox (user_id, seq, kind, body, at) values ($1, $2, 'hug.received', '{}', $3)", user, seq, at
    )


def user() -> str:
    return uuid7(to_ms(datetime.now(UTC)))


async def test_every_moment_from_a_week_ago_to_weeks_ahead_has_a_place(database_url: str) -> None:
    now = datetime.now(UTC)
    async with Database(database_url) as database:
        for days in range(-7, 7 * WEEKS_AHEAD + 1):
            await insert(database, user(), 1, now + timedelta(days=days))
        with pytest.raises(asyncpg.CheckViolationError):
            await insert(database, user(), 1, now + timedelta(weeks=WEEKS_AHEAD + 2))


async def test_weeks_begin_on_monday_in_utc_also_over_new_year(database_url: str) -> None:
    start = datetime(2040, 12, 27, 3, tzinfo=UTC)
    made = (await tend(database_url, start)).made
    assert made == ["inbox_2040w51", "inbox_2040w52", "inbox_2041w01", "inbox_2041w02", "inbox_2041w03"]
    assert week_name(start.date()) == "inbox_2040w52"
    async with Database(database_url) as database:
        sunday, monday = datetime(2040, 12, 30, 23, 59, 59, tzinfo=UTC), datetime(2040, 12, 31, tzinfo=UTC)
        for moment, name in ((sunday, "inbox_2040w52"), (monday, "inbox_2041w01")):
            someone = user()
            await insert(database, someone, 1, moment)
            where = await database.fetchval("select tableoid::regclass::text from inbox where user_id = $1", someone)
            assert where == name


async def test_a_seq_is_unique_within_a_week(database_url: str) -> None:
    now, someone = datetime.now(UTC), user()
    async with Database(database_url) as database:
        await insert(database, someone, 1, now)
        with pytest.raises(asyncpg.UniqueViolationError):
            await insert(database, someone, 1, now)


async def test_the_inbox_is_read_in_order_through_the_indexes(database_url: str) -> None:
    now, someone = datetime.now(UTC), user()
    async with Database(database_url) as database:
        for seq in range(1, 31):
            await insert(database, someone, seq, now + timedelta(days=seq % 20))
        sql = "select seq from inbox where user_id = $1 and seq > $2 order by seq limit 10"
        rows = await database.fetch(sql, someone, 5)
        assert [row["seq"] for row in rows] == list(range(6, 16))
        async with database.transaction() as connection:
            await connection.execute("set local enable_seqscan = off")
            plan: Any = "\n".join(row[0] for row in await connection.fetch(f"explain {sql}", someone, 5))
        assert "Seq Scan" not in plan
        assert "Sort" not in plan.replace("Sort Key", "")


async def test_old_weeks_go_and_young_ones_stay(database_url: str) -> None:
    now, someone = datetime.now(UTC), user()
    async with Database(database_url) as database:
        await insert(database, someone, 1, now)
        old = set(await weeks(database))
        assert (await tend(database_url, now + timedelta(days=RETENTION_DAYS - 1))).dropped != list(old)
        assert await database.fetchval("select count(*) from inbox") == 1
        done = await tend(database_url, now + timedelta(days=RETENTION_DAYS + 8))
        assert await database.fetchval("select count(*) from inbox") == 0
        left = await weeks(database)
        assert week_name(now.date()) in done.dropped
        assert not set(done.dropped) & set(left)
        assert (
            await database.fetchval("select count(*) from pg_class where relname = any($1::text[])", done.dropped) == 0
        )


async def test_many_at_once_do_it_once(database_url: str) -> None:
    later = datetime.now(UTC) + timedelta(days=100)
    results = await asyncio.gather(*(tend(database_url, later) for _ in range(4)))
    assert sorted(len(done.made) for done in results) == [0, 0, 0, WEEKS_AHEAD + 2]
    assert sorted(bool(done.dropped) for done in results) == [False, False, False, True]
    assert await tend(database_url, later) == partitions.Tended(made=[], dropped=[])


async def test_it_happens_beside_readers_and_writers(database_url: str) -> None:
    """Neither making nor dropping waits for an open transaction that has used this week."""
    now, someone = datetime.now(UTC), user()
    async with Database(database_url) as database, database.transaction() as connection:
        await connection.execute(
            "insert into inbox (user_id, seq, kind, body, at) values ($1, 1, 'hug.received', '{}', $2)", someone, now
        )
        assert (await tend(database_url, now + timedelta(weeks=2))).made
        assert await connection.fetchval("select count(*) from inbox where user_id = $1", someone) == 1


async def test_a_drop_that_was_cut_short_is_finished(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader keeps the old week locked: the round gives up half-way, the next one finishes."""
    monkeypatch.setattr(direct, "LOCK_TIMEOUT_MS", 200)
    now = datetime.now(UTC)
    later = now + timedelta(days=RETENTION_DAYS + 15)
    async with Database(database_url) as database:
        async with database.transaction() as connection:
            await connection.fetchval("select count(*) from inbox")
            with pytest.raises(Unavailable):
                await tend(database_url, later)
        assert week_name(now.date()) in await weeks(database)
        await tend(database_url, later)
        assert week_name(now.date()) not in await weeks(database)
        assert (await tend(database_url, later)) == partitions.Tended(made=[], dropped=[])
