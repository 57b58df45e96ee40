"""Quiet hours in every zone and through a whole year, against a clock on the wall that is read again and again."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, permutations
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.quiet_hours import QuietHours, quiet_until

pytestmark = pytest.mark.property

YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MINUTE, QUARTER, HOUR, DAY = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
ZONES = sorted(available_timezones() - {"Factory", "localtime", "posixrules"})
NIGHT = time(22), time(7)

Hours = tuple[time, time]


class Walk:
    """Moments at an even distance, and what a clock on the wall shows at each of them."""

    def __init__(self, zone: str, since: datetime, until: datetime, step: timedelta) -> None:
        self.zone = zone
        self.moments = [since + number * step for number in range((until - since) // step)]
        there = ZoneInfo(zone)
        self.shown = [moment.astimezone(there).replace(tzinfo=None) for moment in self.moments]

    def quiet(self, hours: Hours) -> list[datetime | None]:
        """Until when it is quiet at each moment, told rightly a day from the beginning of the walk and two from its end."""
        nights: dict[date, tuple[int, int]] = {}
        for index, shown in enumerate(self.shown):
            night = night_of(shown, hours)
            if night is not None:
                nights[night] = nights.get(night, (index, index))[0], index
        is_quiet = [False] * len(self.moments)
        for first, last in nights.values():
            is_quiet[first : last + 1] = [True] * (last + 1 - first)
        found: list[datetime | None] = []
        awake = self.moments[-1]
        for moment, quiet in zip(reversed(self.moments), reversed(is_quiet), strict=True):
            awake = awake if quiet else moment
            found.append(awake if quiet else None)
        return found[::-1]

    def check(self, hours: Hours, indexes: Sequence[int]) -> None:
        expected = self.quiet(hours)
        quiet = QuietHours(*hours, self.zone)
        for index in indexes:
            found = quiet_until(quiet, self.moments[index])
            assert found == expected[index], f"{self.zone} {hours[0]}-{hours[1]} at {self.moments[index]}"


def night_of(shown: datetime, hours: Hours) -> date | None:
    """On which day the quiet hours began that hold what the clock shows."""
    start, end = hours
    now = shown.time()
    if start <= end:
        return shown.date() if start <= now < end else None
    if now >= start:
        return shown.date()
    return shown.date() - DAY if now < end else None


@cache
def changes() -> dict[str, list[datetime]]:
    """When clocks are changed in the year, by zone, to the minute: the first moment of the new time."""
    return {zone: list(_changes_of(ZoneInfo(zone))) for zone in ZONES}


def _changes_of(there: ZoneInfo) -> Iterator[datetime]:
    since, until = YEAR
    looks = [since + number * DAY for number in range((until - since) // DAY + 1)]
    for before, after in pairwise(looks):
        offset = before.astimezone(there).utcoffset()
        if after.astimezone(there).utcoffset() != offset:
            minutes = [before + number * MINUTE for number in range(DAY // MINUTE + 1)]
            yield next(moment for moment in minutes if moment.astimezone(there).utcoffset() != offset)


def walk_about(zone: str, moment: datetime) -> Walk:
    return Walk(zone, moment - 28 * HOUR, moment + 52 * HOUR, MINUTE)


def test_a_year_has_both_changes() -> None:
    found = changes()
    assert len(found) > 400
    assert len(found["Europe/Berlin"]) == len(found["Australia/Lord_Howe"]) == 2
    assert sum(len(moments) for moments in found.values()) > 200


def test_about_each_change_in_each_zone_minute_by_minute() -> None:
    seen: set[tuple[datetime, datetime]] = set()
    for zone, moments in changes().items():
        for moment in moments:
            walk = walk_about(zone, moment)
            middle = walk.moments.index(moment)
            before, after = walk.shown[middle - 1] + MINUTE, walk.shown[middle]
            thorough = (before, after) not in seen
            seen.add((before, after))
            near = range(middle - 200, middle + 200, 1 if thorough else 5)
            for hours in hours_about(before, after) if thorough else [NIGHT, _half(before, after)]:
                walk.check(hours, near)
    assert len(seen) > 10


def hours_about(before: datetime, after: datetime) -> Iterator[Hours]:
    """Quiet hours with a start or an end at, within, and beside what is left out or shown twice."""
    early, late = min(before, after), max(before, after)
    middle = early + (late - early) / 2
    edges = [early - MINUTE, early, early + MINUTE, middle, late - MINUTE, late, late + MINUTE, late + 9 * HOUR]
    yield NIGHT
    yield from permutations([edge.time() for edge in edges], 2)


def _half(before: datetime, after: datetime) -> Hours:
    early, late = min(before, after), max(before, after)
    return (early - HOUR).time(), (early + (late - early) / 2).time()


def test_a_whole_year_of_every_clock_quarter_by_quarter() -> None:
    clocks: dict[tuple[object, ...], str] = {}
    for zone, moments in changes().items():
        offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in (YEAR[0], *moments)]
        clocks.setdefault((*moments, *offsets), zone)
    assert len(clocks) > 40
    for number, zone in enumerate(clocks.values()):
        walk = Walk(zone, YEAR[0] - 2 * DAY, YEAR[1] + 2 * DAY, QUARTER)
        hours = (time(number % 24, 15), time((number * 5 + 7) % 24, 45))
        walk.check(hours, range(2 * DAY // QUARTER, len(walk.moments) - 2 * DAY // QUARTER, 11))


minutes_of_day = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
any_hours = st.tuples(minutes_of_day, minutes_of_day)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """Some moment of a zone in the years that a computer may see, or one beside a change of the clocks."""
    zone = draw(st.sampled_from(ZONES))
    around = changes()[zone]
    if around and draw(st.booleans()):
        return zone, draw(st.sampled_from(around)) + draw(st.integers(-1500, 1500)) * MINUTE
    return zone, datetime(2000, 1, 1, tzinfo=UTC) + draw(st.integers(0, 40 * 365 * 1440)) * MINUTE


@settings(deadline=None)
@given(moments(), any_hours)
def test_as_the_wall_says(where: tuple[str, datetime], hours: Hours) -> None:
    zone, moment = where
    walk = walk_about(zone, moment)
    middle = walk.moments.index(moment)
    walk.check(hours, range(middle - 5, middle + 5))


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.datetimes(datetime(1970, 1, 3), datetime(2099, 1, 1)), any_hours)  # noqa: DTZ001
def test_what_is_quiet_ends_later_and_then_it_is_not_quiet(zone: str, moment: datetime, hours: Hours) -> None:
    now = moment.replace(tzinfo=UTC)
    quiet = QuietHours(*hours, zone)
    until = quiet_until(quiet, now)
    if until is None:
        assert night_of(now.astimezone(ZoneInfo(zone)).replace(tzinfo=None), hours) is None
        return
    assert now < until <= now + 2 * DAY
    assert until.utcoffset() == timedelta(0)
    assert quiet_until(quiet, until) is None
    assert quiet_until(quiet, now + (until - now) / 2) == until
