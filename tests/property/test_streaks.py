"""Streaks against a slow, obvious reference, and what must be true of them whatever the dates are."""

from collections.abc import Callable, Set
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.streaks import (
    DAY,
    FREEZES_MAX,
    MILESTONES,
    Stay,
    Streak,
    closes_at,
    counts,
    freezes_held,
    has_travelled_too_much,
    may_repair,
    milestones,
    skipped_by_flight,
    streak,
    to_freeze,
)

pytestmark = pytest.mark.property

TODAY = date(2024, 3, 3)  # days before it are a leap day and the end of a month
FIRST, LAST = TODAY - 40 * DAY, TODAY + 3 * DAY
LOGGED, FROZEN, REPAIRED, MISSED = "logged", "frozen", "repaired", "missed"

Calendar = dict[date, str]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """A state for each day, mostly logged, so that there are runs."""
    state = st.sampled_from([LOGGED] * 6 + [FROZEN, REPAIRED, MISSED, MISSED])
    states = draw(st.lists(state, min_size=(LAST - FIRST).days + 1, max_size=(LAST - FIRST).days + 1))
    return {FIRST + number * DAY: state for number, state in enumerate(states)}


def days(calendar: Calendar, *states: str) -> set[date]:
    return {day for day, state in calendar.items() if state in states}


def streak_of(calendar: Calendar, today: date = TODAY) -> Streak:
    return streak(days(calendar, LOGGED), days(calendar, FROZEN), days(calendar, REPAIRED), today)


def reference(calendar: Calendar, today: date) -> Streak:
    """As product.md says it, day by day."""

    def is_covered(day: date) -> bool:
        return calendar.get(day, MISSED) != MISSED

    def walk_back(day: date) -> int:
        number = 0
        while is_covered(day):
            number += calendar[day] in (LOGGED, REPAIRED)
            day -= DAY
        return number

    current = walk_back(today if is_covered(today) else today - DAY)
    longest = max((walk_back(day) for day in calendar), default=0)
    return Streak(current, longest, not is_covered(today) and current > 0)


@given(calendars(), st.integers(-2, 3))
def test_it_is_what_walking_back_gives(calendar: Calendar, later: int) -> None:
    today = TODAY + later * DAY
    assert streak_of(calendar, today) == reference(calendar, today)


@given(calendars())
def test_it_is_never_more_than_what_was_logged_or_repaired(calendar: Calendar) -> None:
    found = streak_of(calendar)
    assert 0 <= found.current <= found.longest <= len(days(calendar, LOGGED, REPAIRED))


@given(calendars(), st.sampled_from([LOGGED, REPAIRED, FROZEN]), st.integers(0, (LAST - FIRST).days))
def test_one_more_date_never_lowers_anything(calendar: Calendar, state: str, at: int) -> None:
    day = FIRST + at * DAY
    better = {MISSED: 0, FROZEN: 1, REPAIRED: 2, LOGGED: 2}
    if better[state] < better[calendar[day]]:
        return
    before, after = streak_of(calendar), streak_of(calendar | {day: state})
    assert after.current >= before.current
    assert after.longest >= before.longest


@given(st.sets(st.dates(FIRST, LAST)))
def test_frozen_days_alone_are_no_streak(frozen: set[date]) -> None:
    assert streak(set(), frozen, set(), TODAY) == Streak(0, 0, is_at_risk=False)


def test_an_open_day_is_a_risk_but_no_loss() -> None:
    logged = {TODAY - number * DAY for number in range(1, 6)}
    assert streak(logged, set(), set(), TODAY) == Streak(5, 5, is_at_risk=True)
    assert streak(logged | {TODAY}, set(), set(), TODAY) == Streak(6, 6, is_at_risk=False)
    assert streak(logged, set(), set(), TODAY + DAY) == Streak(0, 5, is_at_risk=False)


def test_a_frozen_day_bridges_and_adds_nothing() -> None:
    logged = {TODAY, TODAY - 2 * DAY}
    assert streak(logged, {TODAY - DAY}, set(), TODAY).current == 2
    assert streak(logged, set(), {TODAY - DAY}, TODAY).current == 3


@pytest.mark.parametrize(("current", "reached", "new"), [(2, (), []), (3, (), [3]), (30, (3, 7), [14, 30])])
def test_milestones_are_told_once(current: int, reached: Set[int], new: list[int]) -> None:
    assert milestones(current, set(reached)) == new
    assert milestones(400, set(MILESTONES)) == []


# Freezes and repairs


@given(calendars(), st.integers(0, (LAST - FIRST).days))
def test_logging_one_more_day_never_costs_a_freeze(calendar: Calendar, at: int) -> None:
    day = FIRST + at * DAY
    before = freezes_held(days(calendar, LOGGED), days(calendar, FROZEN))
    late = calendar | {day: LOGGED}
    assert before <= freezes_held(days(late, LOGGED), days(late, FROZEN)) <= FREEZES_MAX


def test_a_freeze_is_earned_by_seven_logged_days_and_given_back_by_a_late_entry() -> None:
    week = {TODAY - number * DAY for number in range(7)}
    assert freezes_held(week - {TODAY}, set()) == 0
    assert freezes_held(week, set()) == 1
    assert freezes_held({TODAY - number * DAY for number in range(30)}, set()) == FREEZES_MAX
    assert freezes_held(week, {TODAY + DAY}) == 0
    assert freezes_held(week | {TODAY + DAY}, set()) == 1


@given(calendars())
def test_freezes_are_spent_right_behind_a_streak_and_never_more_than_are_held(calendar: Calendar) -> None:
    logged, frozen, repaired = (days(calendar, state) for state in (LOGGED, FROZEN, REPAIRED))
    spent = to_freeze(logged, frozen, set(), repaired, TODAY)
    for number, day in enumerate(spent):
        earlier = frozen | set(spent[:number])
        assert day <= TODAY
        assert calendar.get(day, MISSED) == MISSED
        assert streak(logged, earlier | {day}, repaired, day).current > 0
        assert freezes_held({each for each in logged if each < day}, {each for each in earlier if each < day}) > 0
    assert to_freeze(logged, frozen | set(spent), set(), repaired, TODAY) == []


@given(calendars(), st.integers(1, 20))
def test_who_looks_each_night_and_who_looks_late_spend_the_same(calendar: Calendar, late: int) -> None:
    logged, repaired = days(calendar, LOGGED, FROZEN), days(calendar, REPAIRED)
    spent: set[date] = set()
    for ago in range(late, -1, -1):
        spent.update(to_freeze(logged, spent, set(), repaired, TODAY - ago * DAY))
    assert sorted(spent) == to_freeze(logged, set(), set(), repaired, TODAY)


def test_nothing_is_spent_before_the_date_is_closed_or_without_a_streak() -> None:
    week = {TODAY - number * DAY for number in range(7)}
    assert to_freeze(week, set(), set(), set(), TODAY) == []
    assert to_freeze(week, set(), set(), set(), TODAY + DAY) == [TODAY + DAY]
    assert to_freeze(week, set(), set(), set(), TODAY + 9 * DAY) == [TODAY + DAY]
    assert to_freeze(week | {TODAY + 2 * DAY}, set(), set(), set(), TODAY + 9 * DAY) == [TODAY + DAY]
    assert to_freeze(set(), set(), {TODAY}, set(), TODAY + 3 * DAY) == []
    fortnight = {TODAY - number * DAY for number in range(14)}
    assert to_freeze(fortnight, set(), set(), set(), TODAY + 9 * DAY) == [TODAY + DAY, TODAY + 2 * DAY]


@pytest.mark.parametrize(
    ("back", "since", "may"), [(1, None, True), (7, 30, True), (8, None, False), (0, None, False), (3, 29, False)]
)
def test_one_date_of_the_last_week_may_be_repaired_once_in_thirty_days(back: int, since: int | None, may: bool) -> None:
    last = None if since is None else TODAY - since * DAY
    assert may_repair(TODAY - back * DAY, set(), TODAY, last) is may
    assert not may_repair(TODAY - back * DAY, {TODAY - back * DAY}, TODAY, last)


# Time zones

ZONES = [
    "Pacific/Kiritimati",  # UTC+14
    "Pacific/Apia",  # has left out 30 December 2011
    "Asia/Kolkata",
    "Europe/Berlin",
    "Africa/Cairo",  # sets its clocks at midnight
    "America/Sao_Paulo",  # did so until 2019
    "America/New_York",
    "Pacific/Pago_Pago",  # UTC-11
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.integers(1_262_304_000, 1_924_905_600).map(partial(datetime.fromtimestamp, tz=UTC))  # 2010 to 2030


@given(zones, moments, st.floats(0, 1))
def test_on_time_and_late_are_the_same_until_48_hours_after_the_day(
    zone: ZoneInfo, felt: datetime, part: float
) -> None:
    day = Stay(felt, zone).local_date
    closes = closes_at(day, zone)
    received = felt + part * (closes - felt)
    assert counts(day, zone, received, received)
    assert not counts(day, zone, closes + timedelta(milliseconds=1), closes)
    assert timedelta(hours=48) <= closes - felt <= timedelta(hours=48 + 26)


@given(zones, moments)
def test_a_clock_that_is_a_day_off_makes_history_not_streak(zone: ZoneInfo, felt: datetime) -> None:
    day = Stay(felt, zone).local_date
    assert counts(day, zone, felt, felt + timedelta(hours=24))
    assert not counts(day, zone, felt, felt + timedelta(hours=24, seconds=1))
    assert not counts(day, zone, felt, felt - timedelta(hours=24, seconds=1))


@given(zones, st.dates(date(2009, 1, 1), date(2030, 1, 1)))
@example(ZoneInfo("Africa/Cairo"), date(2024, 4, 22))
@example(ZoneInfo("America/Sao_Paulo"), date(2018, 11, 1))
@example(ZoneInfo("Europe/Berlin"), date(2024, 3, 28))
@example(ZoneInfo("Europe/Berlin"), date(2024, 10, 24))
def test_daylight_saving_changes_nothing(zone: ZoneInfo, first: date) -> None:
    """Whoever logs at noon each day has logged each day that the calendar has over there."""
    noons = [datetime.combine(first + number * DAY, datetime.min.time(), zone).replace(hour=12) for number in range(10)]
    logged = {Stay(noon.astimezone(UTC), zone).local_date for noon in noons}
    if zone.key != "Pacific/Apia":
        assert streak(logged, set(), set(), max(logged)).current == 10


def test_a_flight_that_skips_a_date_freezes_it() -> None:
    new_york, tokyo = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")
    before = Stay(datetime(2024, 5, 2, 3, 30, tzinfo=UTC), new_york)  # 1 May, 23:30
    after = Stay(datetime(2024, 5, 2, 23, 0, tzinfo=UTC), tokyo)  # 3 May, 8:00; at home still 2 May
    assert skipped_by_flight(before, after) == [date(2024, 5, 2)]
    a_day_later = Stay(datetime(2024, 5, 3, 23, 0, tzinfo=UTC), tokyo)  # 4 May; at home 2 May is over: missed
    assert skipped_by_flight(before, a_day_later) == [date(2024, 5, 3)]


@given(zones, moments, st.timedeltas(timedelta(0), timedelta(days=5)))
def test_nothing_is_skipped_without_a_flight(zone: ZoneInfo, felt: datetime, later: timedelta) -> None:
    assert skipped_by_flight(Stay(felt, zone), Stay(felt + later, zone)) == []


@given(zones, zones, moments, st.timedeltas(timedelta(0), timedelta(days=5)))
def test_a_flight_skips_two_dates_at_most_and_never_one_of_the_ends(
    one: ZoneInfo, other: ZoneInfo, felt: datetime, later: timedelta
) -> None:
    before, after = Stay(felt, one), Stay(felt + later, other)
    skipped = skipped_by_flight(before, after)
    assert len(skipped) <= 2
    assert all(before.local_date < day < after.local_date for day in skipped)


def test_two_changes_of_the_zone_in_a_day_are_travel_and_three_are_not() -> None:
    def stay(hour: float, zone: str) -> Stay:
        return Stay(datetime(2024, 5, 2, tzinfo=UTC) + timedelta(hours=hour), ZoneInfo(zone))

    journey = [stay(0, "Europe/Berlin"), stay(5, "Asia/Kolkata")]
    check: Callable[..., bool] = has_travelled_too_much
    assert not check(journey, stay(10, "Asia/Tokyo"))
    assert check([*journey, stay(10, "Asia/Tokyo")], stay(12, "Europe/Berlin"))
    assert not check([*journey, stay(10, "Asia/Tokyo")], stay(40, "Europe/Berlin"))
    assert not check([], stay(0, "Asia/Tokyo"))
