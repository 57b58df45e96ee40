"""The last days of moods and the prompts that were shown, against a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.ids import uuid7
from domain.times import from_ms, to_ms
from storage.care import LastDays, load_last_days, save_shown
from storage.postgres import Database
from tests.support.moods import feel

pytestmark = pytest.mark.contract

NOW_MS = to_ms(datetime.now(UTC))
NOW = from_ms(NOW_MS)
TODAY = NOW.date()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


async def test_who_has_logged_nothing_has_no_days(database: Database) -> None:
    assert await load_last_days(database, uuid7(NOW_MS), NOW_MS) == LastDays({}, None, None)


async def test_each_day_has_the_mean_of_its_entries_without_rounding_errors(database: Database) -> None:
    ana, ben = uuid7(NOW_MS), uuid7(NOW_MS)
    for valence in (-0.5, -0.7):
        await feel(database, ana, NOW - timedelta(days=1), valence, day=ago(1))
    for valence in (-1.0, 0.25):
        await feel(database, ana, NOW, valence, day=TODAY)
    await feel(database, ben, NOW, 1.0, day=TODAY)
    last = await load_last_days(database, ana, NOW_MS)
    assert last.days == {TODAY: -0.375, ago(1): -0.6}


async def test_the_dates_are_those_that_were_frozen_and_the_zone_is_that_of_the_latest(database: Database) -> None:
    ana = uuid7(NOW_MS)
    await feel(database, ana, NOW - timedelta(hours=2), -1.0, day=ago(1), timezone="Pacific/Honolulu")
    await feel(database, ana, NOW - timedelta(hours=1), -1.0, day=ago(-1), timezone="Pacific/Kiritimati")
    await feel(database, ana, NOW - timedelta(hours=3), -1.0, day=ago(-1), timezone="Asia/Tokyo")
    await feel(database, ana, NOW - timedelta(hours=4), -1.0, day=TODAY, timezone="UTC")
    last = await load_last_days(database, ana, NOW_MS)
    assert last.timezone == "Pacific/Kiritimati"
    assert set(last.days) == {ago(1), ago(-1), TODAY}


async def test_seven_days_are_there_anywhere_on_earth_and_old_ones_are_not_read(database: Database) -> None:
    ana = uuid7(NOW_MS)
    await feel(database, ana, NOW - timedelta(days=8, hours=23), -1.0, day=ago(9))
    await feel(database, ana, NOW - timedelta(days=9, seconds=1), -1.0, day=ago(10))
    assert set((await load_last_days(database, ana, NOW_MS)).days) == {ago(9)}


async def test_the_latest_time_it_was_shown_stays(database: Database) -> None:
    ana, ben = uuid7(NOW_MS), uuid7(NOW_MS)
    for shown_ms in (NOW_MS, NOW_MS, NOW_MS - 86_400_000):  # said twice, and by a node whose clock is late
        await save_shown(database, ana, shown_ms)
    assert (await load_last_days(database, ana, NOW_MS)).shown_at == NOW
    assert (await load_last_days(database, ben, NOW_MS)).shown_at is None
