"""What invented people log: within the product's limits, the same again, and true to what is said of them."""

import tracemalloc
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import dist
from statistics import correlation, fmean, linear_regression, stdev
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.demo.entries import DAY_MS, MINUTE_MS, DemoEntry, entries, entries_of
from deploy.demo.people import DAILY, LAPSING, OFFLINE, OFTEN, Habit, person
from domain.ids import uuid7_ms
from domain.times import from_ms
from domain.vocabulary import VOCABULARY

pytestmark = pytest.mark.unit

UNTIL_MS = 1_795_000_000_000  # in November 2026
KNOWN_ZONES = available_timezones()


@pytest.fixture(scope="module")
def quarter() -> list[DemoEntry]:
    """Of 100 people."""
    return list(entries(1, 100, 90, UNTIL_MS))


def check(entry: DemoEntry, until_ms: int) -> None:
    """Raises: AssertionError, if a server would have to refuse it."""
    parsed = uuid.UUID(entry.id)
    assert (str(parsed), parsed.version, parsed.variant) == (entry.id, 7, uuid.RFC_4122)
    assert entry.mood in VOCABULARY
    assert -1 <= entry.valence <= 1
    assert -1 <= entry.arousal <= 1
    assert 0 <= entry.intensity <= 1
    assert entry.note is None or 1 <= len(entry.note) <= 2_000
    assert len(set(entry.tags)) == len(entry.tags) <= 10
    assert len(entry.factors) <= 20
    assert all(0 <= value <= 40 for value in entry.factors.values())
    assert entry.visibility in {"private", "friends", "public"}
    assert entry.timezone in KNOWN_ZONES
    assert entry.received_at_ms <= until_ms
    assert -5 * MINUTE_MS <= entry.received_at_ms - entry.felt_at_ms <= 30 * DAY_MS
    assert -5 * MINUTE_MS <= entry.received_at_ms - uuid7_ms(entry.id) <= 4 * DAY_MS
    assert entry.felt_at_ms < uuid7_ms(entry.id)


def check_order(given: Sequence[DemoEntry]) -> None:
    """Received in order; of each person, made in this order too."""
    assert all(before.received_at_ms <= after.received_at_ms for before, after in pairwise(given))
    for own in by_user(given).values():
        assert all(before.id < after.id for before, after in pairwise(own))
    assert len({entry.id for entry in given}) == len(given)


def by_user(given: Iterable[DemoEntry]) -> dict[int, list[DemoEntry]]:
    found: dict[int, list[DemoEntry]] = defaultdict(list)
    for entry in given:
        found[entry.user].append(entry)
    return found


def local_date(entry: DemoEntry) -> object:
    return from_ms(entry.felt_at_ms).astimezone(ZoneInfo(entry.timezone)).date()


def test_all_is_within_the_limits_and_in_order(quarter: list[DemoEntry]) -> None:
    for entry in quarter:
        check(entry, UNTIL_MS)
    check_order(quarter)
    assert set(by_user(quarter)) == set(range(100))
    assert 0.5 < len(quarter) / (100 * 90) < 2  # a day and person


@settings(max_examples=30)
@given(st.integers(), st.integers(1, 4), st.integers(1, 40), st.integers(1_262_304_000_000, 2_051_222_400_000))
def test_so_it_is_at_any_time_with_any_seed(seed: int, users: int, days: int, until_ms: int) -> None:
    found = list(entries(seed, users, days, until_ms))
    for entry in found:
        check(entry, until_ms)
        assert entry.felt_at_ms > until_ms - (days + 1) * DAY_MS
    check_order(found)


def test_so_it_is_for_who_flies_about_the_world() -> None:
    for user in range(5):
        restless = replace(person(1, user), habit=OFTEN, hours=(0.9, 8.0, 15.0, 23.1), travels=0.5)
        found = list(entries_of(1, restless, 500, UNTIL_MS))
        for entry in found:
            check(entry, UNTIL_MS)
        check_order(found)
        assert len({entry.timezone for entry in found}) > 15


def test_the_same_seed_gives_the_same_and_another_others(quarter: list[DemoEntry]) -> None:
    assert list(entries(1, 100, 90, UNTIL_MS)) == quarter
    others = list(entries(2, 100, 90, UNTIL_MS))
    assert not {entry.id for entry in others} & {entry.id for entry in quarter}


def test_more_people_change_nobody(quarter: list[DemoEntry]) -> None:
    assert list(entries(1, 10, 90, UNTIL_MS)) == [entry for entry in quarter if entry.user < 10]


def test_more_days_take_no_more_memory() -> None:
    def peak(days: int) -> int:
        tracemalloc.start()
        try:
            Counter(entry.user for entry in entries(1, 4, days, UNTIL_MS))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(400)  # fills what is kept for good
    assert peak(400) < 2 * peak(40)


# Habits


def logged(habit: Habit, quarter: list[DemoEntry]) -> list[list[DemoEntry]]:
    return [own for user, own in by_user(quarter).items() if person(1, user).habit == habit]


def test_daily_is_nearly_every_day_once(quarter: list[DemoEntry]) -> None:
    for own in logged(DAILY, quarter):
        dates = Counter(map(local_date, own))
        assert len(dates) > 70
        assert fmean(dates.values()) < 1.1


def test_who_logs_often_does_so_several_times_a_day(quarter: list[DemoEntry]) -> None:
    for own in logged(OFTEN, quarter):
        assert fmean(Counter(map(local_date, own)).values()) > 1.7


def test_who_lapses_comes_back(quarter: list[DemoEntry]) -> None:
    gaps = [after.felt_at_ms - before.felt_at_ms for own in logged(LAPSING, quarter) for before, after in pairwise(own)]
    assert sum(gap > 5 * DAY_MS for gap in gaps) > len(logged(LAPSING, quarter))


def test_who_is_offline_sends_it_all_at_once_a_day_or_two_later(quarter: list[DemoEntry]) -> None:
    for own in logged(OFFLINE, quarter):
        batches = Counter(entry.received_at_ms for entry in own)
        assert max(batches.values()) >= 2
        late = [entry for entry in own if entry.received_at_ms - uuid7_ms(entry.id) > DAY_MS]
        assert late
        assert len(late) < len(own)


def test_some_fill_in_days_that_they_left_out(quarter: list[DemoEntry]) -> None:
    filled = [entry for entry in quarter if uuid7_ms(entry.id) - entry.felt_at_ms > DAY_MS / 2]
    assert 0.002 < len(filled) / len(quarter) < 0.2
    assert {person(1, entry.user).fills_in for entry in filled} == {0.1, 0.4}


def test_some_write_notes_and_some_share(quarter: list[DemoEntry]) -> None:
    assert 0.05 < fmean(entry.note is not None for entry in quarter) < 0.4
    assert {entry.visibility for entry in quarter} == {"private", "friends", "public"}


def test_words_fit_the_point(quarter: list[DemoEntry]) -> None:
    for entry in quarter:
        here = (entry.valence, entry.arousal)
        fourth = sorted(dist(here, point) for point in VOCABULARY.values())[3]
        assert dist(here, VOCABULARY[entry.mood]) <= fourth + 0.15
    assert len({entry.mood for entry in quarter}) > 25


# The truth


def seen(name: str, own: list[DemoEntry]) -> tuple[float, float]:
    """How much more valence a day has for one more of *name*, and the spread of *name* over the days."""
    days: dict[object, list[DemoEntry]] = defaultdict(list)
    for entry in own:
        days[local_date(entry)].append(entry)
    told = {day: {key: value for entry in at for key, value in entry.factors.items()} for day, at in days.items()}
    is_factor = any(name in factors for factors in told.values())
    pairs = [
        (float(told[day][name] if is_factor else name in at[0].tags), fmean(entry.valence for entry in at))
        for day, at in days.items()
        if not is_factor or name in told[day]
    ]
    values, valences = zip(*pairs, strict=True)
    return linear_regression(values, valences).slope, stdev(values)


def test_a_year_shows_what_goes_with_a_mood_and_nothing_else() -> None:
    """In valence for one standard deviation of what it is about. Within 0.07: four standard errors."""
    related, unrelated = [], []
    for user in range(40):
        who = replace(person(1, user), habit=DAILY)
        own = list(entries_of(1, who, 365, UNTIL_MS))
        for name, effect in who.effects.items():
            slope, spread = seen(name, own)
            related.append((effect * spread, slope * spread))
        for name in who.unrelated:
            slope, spread = seen(name, own)
            unrelated.append(slope * spread)
    assert all(abs(true) > 0.1 and abs(found - true) < 0.07 for true, found in related)
    assert all(abs(found) < 0.07 for found in unrelated)
    assert correlation(*zip(*related, strict=True)) > 0.95
    assert abs(fmean(unrelated)) < 0.005
