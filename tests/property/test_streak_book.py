"""Books of streaks: whoever reckons, and whenever, the same dates are frozen; nothing is frozen in vain or twice."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Conflict
from domain.streak_book import NEVER, Book, forget_day, log_day, reckon, repair_day, repairable, travel
from domain.streaks import DAY, FREEZES_MAX, REPAIR_WITHIN_DAYS, Stay, closes_at, streak
from storage.streak_book import from_bits, to_bits

pytestmark = pytest.mark.property

FIRST = date(2024, 2, 1)  # over a leap day, and over the change of the clocks in the north
DAYS = 60
ZONES = ["Europe/Berlin", "Pacific/Kiritimati", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata"]

Arrival = tuple[datetime, date]


def no_outages() -> set[date]:
    return set()


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[str, list[Arrival]]:
    """When entries come in, and for which dates: each by the time its date closes."""
    name = draw(st.sampled_from(ZONES))
    found = []
    for number in range(DAYS):
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 2]))):
            day = FIRST + number * DAY
            begins = datetime.combine(day, datetime.min.time(), ZoneInfo(name)).astimezone(UTC)
            closes = closes_at(day, ZoneInfo(name))
            found.append((begins + draw(st.floats(0, 0.999)) * (closes - begins), day))
    return name, sorted(found)


def empty(name: str) -> Book:
    return Book(name, datetime(2024, 1, 1, tzinfo=UTC))


@given(arrivals(), st.sets(st.integers(0, DAYS - 1).map(lambda number: FIRST + number * DAY), max_size=3))
def test_a_night_that_nobody_worked_through_is_made_up_for(
    found: tuple[str, list[Arrival]], outages: set[date]
) -> None:
    name, entries = found
    nightly, lazy = empty(name), empty(name)
    due, end = NEVER, datetime(2024, 5, 1, tzinfo=UTC)
    for at, day in [*entries, (end, None)]:
        while due <= at:  # the night comes as soon as a book says it is due
            due = reckon(nightly, outages, due).due
        spent = set(nightly.spent)
        for book in (nightly, lazy):
            reckon(book, outages, at)
        assert nightly.spent == spent, "the night would have come too late"
        if day is not None:
            log_day(nightly, day)
            log_day(lazy, day)
        due = reckon(nightly, outages, at).due
    assert nightly == lazy
    assert reckon(nightly, outages, end) == reckon(lazy, outages, end)


@given(arrivals())
def test_a_reckoning_is_the_streak_of_the_dates(found: tuple[str, list[Arrival]]) -> None:
    name, entries = found
    book = empty(name)
    for at, day in entries:
        reckon(book, no_outages(), at)
        log_day(book, day)
        reckoning = reckon(book, no_outages(), at)
        assert reckoning.streak == streak(book.logged, book.spent, book.repaired, reckoning.today)
        assert 0 <= reckoning.freezes <= FREEZES_MAX
        assert not book.logged & book.spent
        assert reckoning.due > at
        assert reckon(book, no_outages(), at) == reckoning  # looking again changes nothing


def test_a_missed_date_costs_a_freeze_only_when_it_has_closed() -> None:
    book, berlin = empty("Europe/Berlin"), ZoneInfo("Europe/Berlin")
    for number in range(7):
        log_day(book, FIRST + number * DAY)
    missed = FIRST + 7 * DAY
    closes = closes_at(missed, berlin)
    before = reckon(book, no_outages(), closes - timedelta(seconds=1))
    assert (before.freezes, before.due) == (1, closes)
    after = reckon(book, no_outages(), closes)
    assert (after.freezes, book.spent, after.due) == (0, {missed}, NEVER)
    assert after.streak.longest == 7
    log_day(book, missed)  # it came in time, and was saved late
    assert (reckon(book, no_outages(), closes).freezes, book.spent) == (1, set())


def test_an_outage_costs_nobody_a_freeze_and_gives_spent_ones_back() -> None:
    book = empty("UTC")
    for number in range(7):
        log_day(book, FIRST + number * DAY)
    missed, now = FIRST + 7 * DAY, datetime(2024, 2, 11, 12, tzinfo=UTC)
    assert reckon(book, no_outages(), now).freezes == 0
    found = reckon(book, {missed}, now)
    assert (found.freezes, book.spent) == (1, set())


def test_milestones_are_reached_once() -> None:
    book, now = empty("UTC"), datetime(2024, 2, 3, 12, tzinfo=UTC)
    for number in (2, 0, 1):  # in whatever order they come
        log_day(book, FIRST + number * DAY)
    found = reckon(book, no_outages(), now)
    assert found.reached == [3]
    book.told.update(found.reached)
    forget_day(book, FIRST)
    log_day(book, FIRST)
    assert reckon(book, no_outages(), now).reached == []


def test_one_missed_date_can_be_repaired() -> None:
    book, today = empty("UTC"), FIRST + 10 * DAY
    for number in (0, 1, 2, 5, 6, 7, 9):
        log_day(book, FIRST + number * DAY)
    assert repairable(book, no_outages(), today) == [FIRST + number * DAY for number in (3, 4, 8)]
    for wrong in (FIRST, FIRST + 9 * DAY, today, today + DAY):
        with pytest.raises(Conflict):
            repair_day(book, no_outages(), wrong, today)
    repair_day(book, no_outages(), FIRST + 8 * DAY, today)
    repair_day(book, no_outages(), FIRST + 8 * DAY, today)  # the answer was lost
    with pytest.raises(Conflict):
        repair_day(book, no_outages(), FIRST + 4 * DAY, today)
    assert repairable(book, no_outages(), today) == []
    assert reckon(book, no_outages(), datetime(2024, 2, 11, 12, tzinfo=UTC)).streak.current == 5


def test_nothing_before_the_first_entry_is_repaired() -> None:
    book, today = empty("UTC"), FIRST + 3 * DAY
    log_day(book, today)
    assert repairable(book, no_outages(), today) == []
    with pytest.raises(Conflict):
        repair_day(book, no_outages(), today - REPAIR_WITHIN_DAYS * DAY, today)


def test_a_flight_east_freezes_what_it_skipped_and_too_much_travel_counts_not() -> None:
    new_york, tokyo, berlin = (ZoneInfo(name) for name in ("America/New_York", "Asia/Tokyo", "Europe/Berlin"))
    before = Stay(datetime(2024, 5, 2, 3, 30, tzinfo=UTC), new_york)
    after = Stay(datetime(2024, 5, 2, 23, 0, tzinfo=UTC), tokyo)
    book = empty("America/New_York")
    assert travel(book, [before], after)
    assert book.free == {date(2024, 5, 2)}
    hops = [before, after, Stay(after.felt_at + timedelta(hours=1), berlin)]
    assert not travel(book, hops, Stay(after.felt_at + timedelta(hours=2), tokyo))


@given(st.sets(st.dates(FIRST, FIRST + 4000 * DAY)))
def test_dates_survive_as_bits(days: set[date]) -> None:
    first = min(days, default=FIRST)
    bits = to_bits(days, first)
    assert from_bits(bits, first) == days
    assert len(bits) <= ((max(days, default=first) - first).days // 8) + 1
