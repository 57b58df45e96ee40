"""The nights of patterns: who gets new ones, once each, whatever happens to the worker."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Unavailable
from domain.times import to_ms
from storage.mood_patterns import load_patterns
from storage.postgres import Database
from tests.support.moods import NOW, felt_ago, save_moods
from tests.support.people import make_users
from workers import patterns
from workers.patterns import PatternCare, night_of

pytestmark = pytest.mark.contract

NIGHT = datetime(2026, 5, 28, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    """A time that a test may move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return to_ms(self.now)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "PAGE", 3)


async def times(database: Database) -> dict[str, datetime]:
    """When patterns were found, by user."""
    rows = await database.fetch("select user_id, computed_at from mood_patterns")
    return {str(row["user_id"]): row["computed_at"] for row in rows}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
async def test_all_who_logged_in_the_last_week_get_new_ones(database: Database, clock: Clock, count: int) -> None:
    users = await make_users(database, count + 2)
    *lately, long_ago, _never = users
    await save_moods(
        database, [felt_ago(user, ago, 0.5) for user in lately for ago in (0, 6)] + [felt_ago(long_ago, 8, 0.5)]
    )
    await PatternCare(database, clock).go_on()
    assert await times(database) == dict.fromkeys(lately, NOW)


@pytest.mark.usefixtures("small_pages")
async def test_once_a_night_each_also_by_a_worker_that_knows_nothing(database: Database, clock: Clock) -> None:
    users = await make_users(database, 7)
    await save_moods(database, [felt_ago(user, 0, 0.5) for user in users])
    first = PatternCare(database, clock)
    await first.go_on()
    clock.now += timedelta(minutes=1)
    for worker in (first, PatternCare(database, clock)):
        await worker.go_on()
        assert await times(database) == dict.fromkeys(users, NOW)
    clock.now = NIGHT + DAY - timedelta(seconds=1)
    await first.go_on()
    assert await times(database) == dict.fromkeys(users, NOW), "the night has not begun"
    clock.now = NIGHT + DAY
    await first.go_on()
    assert await times(database) == dict.fromkeys(users, NIGHT + DAY)


@pytest.mark.usefixtures("small_pages")
async def test_a_night_goes_on_where_it_was_broken_off(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = await make_users(database, 10)
    await save_moods(database, [felt_ago(user, 0, 0.5) for user in users])
    care, found = PatternCare(database, clock), []
    find = care.find

    async def find_until_away(user: str) -> None:
        if len(found) == 5:
            raise Unavailable
        found.append(user)
        await find(user)

    monkeypatch.setattr(care, "find", find_until_away)
    with pytest.raises(Unavailable):
        await care.go_on()
    assert set(await times(database)) == set(found) == set(users[:5])
    monkeypatch.setattr(care, "find", find)
    clock.now += timedelta(minutes=1)
    await care.go_on()
    assert await times(database) == dict.fromkeys(users[:5], NOW) | dict.fromkeys(users[5:], clock.now)


@pytest.mark.usefixtures("small_pages")
async def test_a_run_ends_with_its_page_when_its_time_is_up(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = await make_users(database, 7)
    await save_moods(database, [felt_ago(user, 0, 0.5) for user in users])
    monkeypatch.setattr(patterns, "RUN_S", 0)
    care = PatternCare(database, clock)
    for done in (3, 6, 7):
        await care.go_on()
        assert set(await times(database)) == set(users[:done])


async def test_one_whose_entries_make_trouble_stops_nobody(
    database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    users = await make_users(database, 5)
    await save_moods(database, [felt_ago(user, 0, 0.5, factors={"sleep": 7}) for user in users])
    await database.execute("update moods set factors = 'not JSON' where user_id = $1", users[1])
    await PatternCare(database, clock).go_on()
    assert set(await times(database)) == {*users} - {users[1]}
    assert [record.user for record in caplog.records if record.levelname == "ERROR"] == [users[1]]


async def test_those_who_have_asked_since_the_night_began_are_not_found_again(database: Database, clock: Clock) -> None:
    ana, ben = await make_users(database, 2)
    await save_moods(database, [felt_ago(user, 0, 0.5) for user in (ana, ben)])
    care = PatternCare(database, clock)
    await care.find(ana)
    clock.now += timedelta(hours=1)
    await care.go_on()
    assert await times(database) == {ana: NOW, ben: clock.now}
    found = await load_patterns(database, ben)
    assert found is not None
    assert found.days == 1


@pytest.mark.parametrize(
    ("now", "night"), [(NIGHT, NIGHT), (NIGHT - timedelta(microseconds=1), NIGHT - DAY), (NOW, NIGHT)]
)
def test_a_night_begins_at_two(now: datetime, night: datetime) -> None:
    assert night_of(now) == night


def test_its_jobs_end_soon_as_the_queue_waits_for_the_longest(database: Database) -> None:
    jobs = PatternCare(database, lambda: 0).jobs()
    assert [(job.name, job.is_periodic) for job in jobs] == [("patterns.find", False), ("patterns.nightly", True)]
    assert all(patterns.RUN_S < job.timeout_s <= 30 for job in jobs)
