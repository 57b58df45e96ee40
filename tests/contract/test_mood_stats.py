"""Statistics and timelines against real PostgreSQL, held against pandas on the moods of invented people."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from deploy.demo.entries import entries
from domain.mood_spans import Span
from domain.times import from_ms
from domain.vocabulary import Quadrant, quadrant
from storage.mood_stats import PeriodStats, load_hours, load_mood_stats, load_timeline
from storage.postgres import Database
from tests.support.months_read import walk_of
from tests.support.moods import SeededMood, felt, save_moods, seeded
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

PERIODS = {"day": "D", "week": "W-SUN", "month": "M"}
NEAR = 1e-6  # numbers of 4 bytes


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


def invented(users: Sequence[str], days: int, seed: int) -> list[SeededMood]:
    """What *users* logged on their last *days* dates, now and then with a capital letter."""
    return [
        SeededMood(
            id=entry.id,
            user=users[entry.user],
            felt_at=from_ms(entry.felt_at_ms),
            mood=entry.mood.capitalize() if number % 5 == 0 else entry.mood,
            valence=entry.valence,
            arousal=entry.arousal,
            tags=entry.tags,
            timezone=entry.timezone,
        )
        for number, entry in enumerate(entries(seed, len(users), days, NOW_MS))
    ]


def framed(moods: Sequence[SeededMood], user: str, span: Span) -> pd.DataFrame:
    """The moods of *user* within *span* by their local dates, the clocks being those of pandas."""
    frame = pd.DataFrame(
        [
            (mood.felt_at, mood.timezone, mood.mood.lower(), mood.valence, mood.arousal, list(mood.tags))
            for mood in moods
            if mood.user == user
        ],
        columns=["felt_at", "timezone", "mood", "valence", "arousal", "tags"],
    )
    frame["clock"] = [
        pd.Timestamp(felt_at).tz_convert(ZoneInfo(zone)).tz_localize(None)
        for felt_at, zone in zip(frame["felt_at"], frame["timezone"], strict=True)
    ]
    dates = frame["clock"].dt.date
    return frame[(dates >= span.first) & (dates <= span.last)]


def check(found: PeriodStats, frame: pd.DataFrame) -> None:
    """*found* is what pandas says of *frame*."""
    assert found.count == len(frame)
    assert found.days == frame["clock"].dt.date.nunique()
    means = frame[["valence", "arousal"]].agg(["mean", "std"])
    assert_near(found.valence_mean, means.loc["mean", "valence"])
    assert_near(found.valence_deviation, means.loc["std", "valence"])
    assert_near(found.arousal_mean, means.loc["mean", "arousal"])
    assert_near(found.arousal_deviation, means.loc["std", "arousal"])
    places = [quadrant(valence, arousal) for valence, arousal in zip(frame["valence"], frame["arousal"], strict=True)]
    assert found.quadrants == {each: places.count(each) for each in Quadrant}
    assert found.words == top(frame["mood"])
    assert found.tags == top(frame["tags"].explode().dropna())


def assert_near(found: float | None, wanted: float) -> None:
    if np.isnan(wanted):
        assert found is None
    else:
        assert found == pytest.approx(wanted, abs=NEAR)


def top(names: "pd.Series[str]") -> list[tuple[str, int]]:
    counts = names.value_counts()
    return sorted(
        zip(counts.index, (int(count) for count in counts), strict=True), key=lambda each: (-each[1], each[0])
    )[:10]


@pytest.mark.parametrize("seed", [1, 2])
async def test_statistics_are_those_of_pandas(database: Database, seed: int) -> None:
    users = await make_users(database, 8)
    moods = invented(users, 200, seed)
    assert len({mood.timezone for mood in moods}) > 4
    await save_moods(database, moods)
    last = from_ms(NOW_MS).date()
    asked = 0
    for user in users:
        for days_ago, days in ((0, 200), (17, 45), (100, 3), (5, 1)):
            span = Span(last - timedelta(days=days_ago + days - 1), last - timedelta(days=days_ago))
            frame = framed(moods, user, span)
            for by, frequency in PERIODS.items():
                total, periods = await load_mood_stats(database, user, span, by)
                assert total.start is None
                check(total, frame)
                grouped = frame.groupby(frame["clock"].dt.to_period(frequency))
                assert [period.start for period in periods] == [key.start_time.date() for key in grouped.groups]
                for period, (_, part) in zip(periods, grouped, strict=True):
                    check(period, part)
                    asked += 1
    assert asked > 1_000


@pytest.mark.parametrize("seed", [3, 4])
async def test_timelines_are_those_of_pandas(database: Database, seed: int) -> None:
    users = await make_users(database, 8)
    moods = invented(users, 120, seed)
    await save_moods(database, moods)
    last = from_ms(NOW_MS).date()
    for user in users:
        for days_ago, days in ((0, 120), (40, 33)):
            span = Span(last - timedelta(days=days_ago + days - 1), last - timedelta(days=days_ago))
            frame = framed(moods, user, span)
            for by, frequency in {**PERIODS, "hour": "h"}.items():
                found = await (
                    load_hours(database, user, span) if by == "hour" else load_timeline(database, user, span, by)
                )
                starts = frame["clock"].dt.to_period(frequency).dt.start_time
                wanted = frame.groupby(starts).agg({"valence": ["count", "mean", "min", "max"], "arousal": ["mean"]})
                assert [(each.start, each.hour or 0) for each in found] == [(at.date(), at.hour) for at in wanted.index]
                numbers = [(each.count, each.valence, each.lowest, each.highest, each.arousal) for each in found]
                assert np.allclose(np.array(numbers).reshape(-1, 5), wanted.to_numpy(), rtol=0, atol=NEAR)


async def test_nobody_has_statistics_of_nothing(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    span = Span(date(2026, 1, 1), date(2026, 1, 31))
    total, periods = await load_mood_stats(database, ana, span, "week")
    assert (total.count, total.days, total.valence_mean, total.words, total.tags) == (0, 0, None, [], [])
    assert total.quadrants == dict.fromkeys(Quadrant, 0)
    assert periods == []
    assert await load_timeline(database, ana, span, "day") == await load_hours(database, ana, span) == []


async def test_local_dates_count_wherever_one_is(database: Database) -> None:
    """From the first place on Earth where a date begins to the last one where it ends, and not a moment more."""
    (ana,) = await make_users(database, 1)
    day = date(2026, 3, 10)
    zones = ["Pacific/Kiritimati", "Asia/Kathmandu", "UTC", "America/St_Johns", "Etc/GMT+12"]
    moods = []
    for zone in zones:
        midnight = datetime(2026, 3, 10, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for seconds, mood in ((-1, "out"), (0, "in"), (86_399, "in"), (86_400, "out")):
            moods.append(felt(ana, midnight + timedelta(seconds=seconds), timezone=zone, mood=mood))
    await save_moods(database, moods)
    total, _ = await load_mood_stats(database, ana, Span(day, day), "day")
    assert total.words == [("in", 2 * len(zones))]
    buckets = await load_hours(database, ana, Span(day, day))
    assert [(bucket.start, bucket.hour, bucket.count) for bucket in buckets] == [(day, 0, 5), (day, 23, 5)]


async def test_an_hour_that_comes_twice_is_one_on_the_clock(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # in Berlin 02:30, and an hour later again
    moods = [
        felt(ana, moment, timezone="Europe/Berlin", valence=valence)
        for moment, valence in ((first, 0.2), (first + timedelta(hours=1), 0.6), (first + timedelta(hours=2), -1.0))
    ]
    await save_moods(database, moods)
    found = await load_hours(database, ana, Span(date(2026, 10, 25), date(2026, 10, 25)))
    assert [(each.hour, each.count, each.valence) for each in found] == [(2, 2, 0.4), (3, 1, -1.0)]


async def test_ten_words_at_most_and_of_equals_the_first_in_the_alphabet(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    words = [*"lkjihgfedcba", "L"]
    await save_moods(database, [seeded(ana, number, mood=word, tags=[word]) for number, word in enumerate(words)])
    day = from_ms(NOW_MS).date()
    total, (month,) = await load_mood_stats(database, ana, Span(day, day), "month")
    assert total.words == month.words == [("l", 2), *((word, 1) for word in "abcdefghi")]
    assert total.tags == month.tags == [(tag, 1) for tag in "Labcdefghi"]


@pytest.mark.parametrize("edge", [date.min, date.max])
async def test_dates_at_the_ends_of_the_calendar(database: Database, edge: date) -> None:
    (ana,) = await make_users(database, 1)
    total, _ = await load_mood_stats(database, ana, Span(edge, edge), "week")
    assert total.count == 0
    await save_moods(database, [seeded(ana)])
    assert len(await load_timeline(database, ana, Span(date.min, date.max), "month")) == 1


async def test_only_months_between_the_dates_are_read(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    await save_moods(database, [seeded(ana, -number * 86_400_000) for number in range(400)])
    await database.execute("analyze moods")
    span = Span(date(2026, 2, 10), date(2026, 3, 20))
    for walk in (
        await walk_of(database, lambda spy: load_mood_stats(spy, ana, span, "week")),
        await walk_of(database, lambda spy: load_timeline(spy, ana, span, "week")),
        await walk_of(database, lambda spy: load_hours(spy, ana, span)),
    ):
        assert walk.planned == walk.months == {"moods_2026m02", "moods_2026m03"}
