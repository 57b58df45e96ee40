"""Saving moods, against real PostgreSQL: once each, streaks with them, whoever does it and however many at once."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from domain.errors import Unavailable
from domain.ids import uuid7
from domain.moods import local_date
from domain.streak_book import NEVER
from domain.streaks import DAY, closes_at
from domain.times import to_ms
from storage.mood_commits import MoodCommits
from storage.mood_patterns import NOBODY
from storage.mood_queue import QueuedMood
from storage.postgres import Database
from storage.streak_book import load_book, reckon_due
from storage.streak_risk import AtRisk, load_at_risk
from tests.support.moods import make_months
from tests.support.people import make_users
from tests.support.reminders import want_reminders

pytestmark = pytest.mark.contract

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
TODAY = NOON.date()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return to_ms(self.now)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=20) as database:
        await make_months(database, NOON - timedelta(days=60), NOON + timedelta(days=60))
        yield database


def felt(user: str, ago: float = 0, timezone: str = "UTC", **fields: Any) -> QueuedMood:
    """A mood of *ago* days before noon."""
    felt_ms = to_ms(NOON - timedelta(days=ago))
    mood = QueuedMood(
        id=uuid7(felt_ms),
        user=user,
        mood="calm",
        valence=0.5,
        arousal=-0.5,
        intensity=None,
        note=None,
        tags=[],
        factors=None,
        visibility="private",
        felt_ms=felt_ms,
        timezone=timezone,
        day=local_date(felt_ms, timezone).toordinal(),
        is_timely=True,
        received_ms=to_ms(NOON),
    )
    return msgspec.structs.replace(mood, **fields)


async def days_of(database: Database, user: str) -> set[date]:
    book = await load_book(database, user)
    return book.logged if book is not None else set()


async def test_a_batch_is_stored_with_its_streaks_and_milestones(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    moods = [felt(ana, 1), felt(ana), felt(bo, tags=['a "b", \\c', "{}"], factors='{"x":1}'), felt(ana, 2)]
    saved = await MoodCommits(database, Clock()).save(moods)
    assert [mood.id for mood in saved.fresh] == [mood.id for mood in moods]
    assert {user: found.streak.current for user, found in saved.streaks.items()} == {ana: 3, bo: 1}
    assert [(event.user, event.seq) for event in saved.events] == [(ana, 1)]
    assert msgspec.json.decode(saved.events[0].body)["days"] == 3
    tags = await database.fetchval("select tags from moods where user_id = $1", bo)
    assert tags == ['a "b", \\c', "{}"]
    row = await database.fetchrow("select current, longest, reckoned_for from streaks where user_id = $1", ana)
    assert tuple(row or ()) == (3, 3, TODAY)


async def test_the_same_again_changes_nothing_and_what_belongs_to_others_is_told_apart(database: Database) -> None:
    ana, bo, gone = await make_users(database, 3)
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    commits, mood = MoodCommits(database, Clock()), felt(ana)
    await commits.save([mood])
    stolen, orphan = msgspec.structs.replace(mood, user=bo), felt(gone)
    again = await commits.save([mood, msgspec.structs.replace(mood, mood="happy"), orphan])
    assert (again.fresh, [each.id for each in again.saved], again.streaks) == ([], [mood.id], {})
    assert again.orphaned == [orphan]
    assert (await commits.save([stolen])).taken == [stolen]
    await database.execute("update mood_ids set deleted_at = now()")
    assert (await commits.save([mood])).deleted == [mood]
    assert await database.fetchval("select count(*) from moods") == 1


async def test_many_workers_at_once_store_each_mood_once_and_lose_no_date(database: Database) -> None:
    people = await make_users(database, 12)
    moods = [felt(user, ago) for user in people for ago in range(15)]
    commits = [MoodCommits(database, Clock()) for _ in range(4)]
    chance = random.Random(5)

    async def work(commit: MoodCommits) -> None:
        mine = chance.sample(moods, len(moods))  # all of them, each worker in another order
        for start in range(0, len(mine), 9):
            await insist(commit, mine[start : start + 9])

    await asyncio.gather(*map(work, commits))
    assert await database.fetchval("select count(*) from moods") == len(moods)
    for user in people:
        assert await days_of(database, user) == {TODAY - ago * DAY for ago in range(15)}
    told = await database.fetch("select user_id, count(*) as n from inbox where kind = 'streak.milestone' group by 1")
    assert [row["n"] for row in told] == [3] * len(people)  # 3, 7 and 14 days


async def insist(commits: MoodCommits, batch: Sequence[QueuedMood]) -> None:
    """As a worker does it: what a deadlock undid is done again."""
    while True:
        try:
            await commits.save(batch)
        except Unavailable:
            continue
        return


async def test_history_is_no_streak(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    saved = await MoodCommits(database, Clock()).save([felt(ana, 20, is_timely=False)])
    assert (len(saved.fresh), saved.streaks) == (1, {})
    assert await load_book(database, ana) is None


async def test_the_third_change_of_the_zone_in_a_day_counts_for_nothing(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    commits = MoodCommits(database, Clock())
    for ago, zone in [(0.9, "Europe/Berlin"), (0.7, "Asia/Kolkata"), (0.5, "Europe/Berlin"), (0.1, "Asia/Tokyo")]:
        await commits.save([felt(ana, ago, zone)])
    rows = await database.fetch("select timezone, in_streak from moods order by felt_at")
    assert [row["in_streak"] for row in rows] == [True, True, True, False]


async def test_the_night_spends_a_freeze_when_the_date_has_closed(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    clock, tokyo = Clock(), ZoneInfo("Asia/Tokyo")
    commits = MoodCommits(database, clock)
    await commits.save([felt(ana, ago, tokyo.key) for ago in range(7)])
    missed = TODAY + DAY
    due = await database.fetchval("select due_at from streaks")
    assert due == closes_at(missed, tokyo)
    for ahead in (2, 3):
        clock.now = NOON + ahead * DAY
        await commits.save([felt(ana, -ahead, tokyo.key)])
    assert await database.fetchval("select current from streaks") == 2
    assert await reckon_due(database, due - timedelta(seconds=1), 10) == ({}, [])
    reckonings, events = await reckon_due(database, due, 10)
    assert (reckonings[ana].streak.current, reckonings[ana].freezes) == (9, 0)
    assert events == []  # the milestone of 7 was told before
    book = await load_book(database, ana)
    assert book is not None
    assert book.spent == {missed}
    assert await database.fetchval("select due_at from streaks") == NEVER
    assert await reckon_due(database, NOON + 30 * DAY, 10) == ({}, [])


async def test_who_is_at_risk_is_found_in_the_evening_of_their_zone(database: Database) -> None:
    ana, bo, cleo, dan, eve, fay = await make_users(database, 6)
    await want_reminders(database, [ana, bo, cleo, dan, eve])
    commits = MoodCommits(database, Clock())
    await commits.save([felt(fay, 1, "Europe/Berlin")])  # does not want to know
    await commits.save([felt(ana, 1, "Europe/Berlin"), felt(ana, 2, "Europe/Berlin")])
    await commits.save([felt(bo, 1, "Europe/Berlin"), felt(bo, 0, "Europe/Berlin")])  # has logged today
    await commits.save([felt(cleo, 1, "Asia/Tokyo")])  # sleeps
    await commits.save([felt(dan, 2, "Europe/Berlin")])  # has lost it
    await commits.save([felt(eve, 1, "Europe/Paris")])
    evening, causes = NOON + timedelta(hours=6), {"Europe/Berlin": "berlin", "Europe/Paris": "paris"}
    found, after = await load_at_risk(database, causes, evening, NOBODY, 2)
    while after is not None:
        more, after = await load_at_risk(database, causes, evening, after, 2)
        found += more
    assert found == [AtRisk(ana, 2, TODAY), AtRisk(eve, 1, TODAY)]
