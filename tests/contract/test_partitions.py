"""The inbox's weeks and the months of moods against a real PostgreSQL."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.errors import Unavailable
from domain.ids import uuid7
from domain.times import to_ms
from storage import direct, partitions
from storage.partitions import INBOX, MONTHS_AHEAD, RETENTION_DAYS, WEEKS_AHEAD, make_months, moods, tend
from storage.postgres import Database

pytestmark = pytest.mark.contract


async def weeks(database: Database) -> list[str]:
    return await parts(database, "inbox")


async def parts(database: Database, table: str) -> list[str]:
    rows = await database.fetch(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = $1::text::regclass order by 1",
        table,
    )
    return [row["relname"] for row in rows]


async def insert(database: Database, user: str, seq: int, at: datetime) -> None:
    await database.execute(
        "insert into inbox (user_id, seq, kind, body, at) values ($1, $2, 'hug.received', '{}', $3)", user, seq, at
    )


async def feel(database: Database, felt_at: datetime) -> str:
    """A mood at that moment, with its id; returns the name of the partition that it is in."""
    mood, someone = user(), user()
    await database.execute("insert into mood_ids (id, user_id, felt_at) values ($1, $2, $3)", mood, someone, felt_at)
    place: str = await database.fetchval(
        "insert into moods (user_id, felt_at, id, mood, valence, arousal, visibility, timezone, local_date, in_streak,"
        " received_at) values ($1, $2, $3, 'calm', 0.5, -0.5, 'private', 'UTC', $4, true, $2)"
        " returning tableoid::regclass::text",
        someone,
        felt_at,
        mood,
        felt_at.date(),
    )
    return place


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
    made = (await tend(database_url, INBOX, start)).made
    assert made == ["inbox_2040w51", "inbox_2040w52", "inbox_2041w01", "inbox_2041w02", "inbox_2041w03"]
    assert INBOX.partition(start.date()) == "inbox_2040w52"
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
        assert (await tend(database_url, INBOX, now + timedelta(days=RETENTION_DAYS - 1))).dropped != list(old)
        assert await database.fetchval("select count(*) from inbox") == 1
        done = await tend(database_url, INBOX, now + timedelta(days=RETENTION_DAYS + 8))
        assert await database.fetchval("select count(*) from inbox") == 0
        left = await weeks(database)
        assert INBOX.partition(now.date()) in done.dropped
        assert not set(done.dropped) & set(left)
        assert (
            await database.fetchval("select count(*) from pg_class where relname = any($1::text[])", done.dropped) == 0
        )


async def test_many_at_once_do_it_once(database_url: str) -> None:
    later = datetime.now(UTC) + timedelta(days=100)
    results = await asyncio.gather(*(tend(database_url, INBOX, later) for _ in range(4)))
    assert sorted(len(done.made) for done in results) == [0, 0, 0, WEEKS_AHEAD + 2]
    assert sorted(bool(done.dropped) for done in results) == [False, False, False, True]
    assert await tend(database_url, INBOX, later) == partitions.Tended(made=[], dropped=[])


async def test_it_happens_beside_readers_and_writers(database_url: str) -> None:
    """Neither making nor dropping waits for an open transaction that has used this week."""
    now, someone = datetime.now(UTC), user()
    async with Database(database_url) as database, database.transaction() as connection:
        await connection.execute(
            "insert into inbox (user_id, seq, kind, body, at) values ($1, 1, 'hug.received', '{}', $2)", someone, now
        )
        assert (await tend(database_url, INBOX, now + timedelta(weeks=2))).made
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
                await tend(database_url, INBOX, later)
        assert INBOX.partition(now.date()) in await weeks(database)
        await tend(database_url, INBOX, later)
        assert INBOX.partition(now.date()) not in await weeks(database)
        assert (await tend(database_url, INBOX, later)) == partitions.Tended(made=[], dropped=[])


async def test_a_mood_finds_its_month_from_30_days_ago_to_months_ahead(database_url: str) -> None:
    now = datetime.now(UTC)
    async with Database(database_url) as database:
        for days in range(-30, 28 * MONTHS_AHEAD + 1):
            felt_at = now + timedelta(days=days)
            assert await feel(database, felt_at) == f"moods_{felt_at:%Ym%m}"
        with pytest.raises(asyncpg.CheckViolationError):
            await feel(database, now + timedelta(days=31 * (MONTHS_AHEAD + 1)))


async def test_months_begin_at_midnight_in_utc_also_over_new_year(database_url: str) -> None:
    made = (await tend(database_url, moods(), datetime(2043, 12, 31, 23, tzinfo=UTC))).made
    assert made == ["moods_2043m10", "moods_2043m11", "moods_2043m12", "moods_2044m01", "moods_2044m02"]
    async with Database(database_url) as database:
        assert await feel(database, datetime(2043, 12, 31, 23, 59, 59, 999_999, UTC)) == "moods_2043m12"
        assert await feel(database, datetime(2044, 1, 1, tzinfo=UTC)) == "moods_2044m01"
        assert await feel(database, datetime(2044, 2, 29, 23, tzinfo=UTC)) == "moods_2044m02"  # a leap year


async def test_told_30_days_late_on_the_first_of_march_there_is_a_place(database_url: str) -> None:
    march = datetime(2045, 3, 1, 0, 0, 1, tzinfo=UTC)
    await tend(database_url, moods(), march)
    async with Database(database_url) as database:
        assert await feel(database, march - timedelta(days=30)) == "moods_2045m01"


async def test_the_indexes_of_a_month_are_those_of_all(database_url: str) -> None:
    async with Database(database_url) as database:
        rows = await database.fetch(
            "select c.relname, count(*) as indexes, count(i.inhparent) as of_all from pg_index x"
            " join pg_class c on c.oid = x.indrelid left join pg_inherits i on i.inhrelid = x.indexrelid where c.relname like 'moods\\_2%' group by 1"
        )
        assert len(rows) == 5
        assert {(row["indexes"], row["of_all"]) for row in rows} == {(2, 2)}


async def test_moods_stay_for_ever_unless_a_retention_is_set(database_url: str) -> None:
    now = datetime.now(UTC)
    async with Database(database_url) as database:
        await feel(database, now)
        assert (await tend(database_url, moods(), now + timedelta(days=20_000))).dropped == []
        assert await database.fetchval("select count(*) from moods") == 1


async def test_months_out_of_retention_go_and_the_ids_of_their_moods_stay(database_url: str) -> None:
    async with Database(database_url) as database:
        await tend(database_url, moods(), datetime(2043, 5, 15, tzinfo=UTC))
        await feel(database, datetime(2043, 5, 31, 23, 59, tzinfo=UTC))
        kept = (await tend(database_url, moods(3), datetime(2043, 8, 31, 23, tzinfo=UTC))).dropped
        assert "moods_2043m04" in kept  # and whatever is older
        assert "moods_2043m05" not in kept
        done = await tend(database_url, moods(3), datetime(2043, 9, 1, tzinfo=UTC))
        assert done.dropped == ["moods_2043m05"]
        assert await parts(database, "moods") == [f"moods_2043m{month:02}" for month in range(6, 12)]
        assert await database.fetchval("select count(*) from moods") == 0
        assert await database.fetchval("select count(*) from mood_ids") == 1


async def test_the_shortest_retention_drops_nothing_that_has_to_be_there(database_url: str) -> None:
    later = datetime(2043, 9, 1, tzinfo=UTC)
    await tend(database_url, moods(2), later)
    assert await tend(database_url, moods(2), later) == partitions.Tended(made=[], dropped=[])
    with pytest.raises(ValueError, match="2 months"):
        moods(1)


async def test_older_months_are_made_where_they_are_asked_for(database_url: str) -> None:
    first, last = date(2019, 11, 30), date(2020, 2, 1)
    async with direct.connect(database_url) as connection, Database(database_url) as database:
        made = await make_months(connection, first, last)
        assert made == ["moods_2019m11", "moods_2019m12", "moods_2020m01", "moods_2020m02"]
        assert await make_months(connection, first, last) == []
        assert await feel(database, datetime(2019, 11, 1, tzinfo=UTC)) == "moods_2019m11"
        assert await make_months(connection, date(2018, 1, 1), date(2018, 1, 1)) == ["moods_2018m01"]


async def test_tending_one_table_leaves_the_other(database_url: str) -> None:
    later = datetime.now(UTC) + timedelta(days=1_000)
    async with Database(database_url) as database:
        months, inbox = await parts(database, "moods"), await weeks(database)
        assert (await tend(database_url, INBOX, later)).dropped == inbox
        assert await parts(database, "moods") == months
        assert (await tend(database_url, moods(2), later)).dropped == months
