"""Streaks: how many days in a row somebody has logged a mood. Pure functions of local dates; the clock comes from outside.

A date is *logged* (an entry counts for it), *repaired*, or *frozen* (bridged, and adds nothing); the three sets are
disjoint. Whatever order entries arrive in, and however late within 48 h, the same dates give the same streak.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

from msgspec import Struct

LATE = timedelta(hours=48)  # after the end of a date, until which entries count for it
CLOCK_WITHIN = timedelta(hours=24)  # of a device, against ours
FREEZES_MAX = 2
FREEZE_EARNED_EVERY = 7  # logged days in a row
REPAIR_WITHIN_DAYS = 7
REPAIR_EVERY_DAYS = 30
ZONE_CHANGES_MAX = 2
ZONE_CHANGES_WITHIN = timedelta(hours=24)
MILESTONES = (3, 7, 14, 30, 50, 100, 200, 365)

DAY = timedelta(days=1)


class Streak(Struct, frozen=True):
    """Days that are logged or repaired: in the run that goes on today or yesterday, and in the longest one ever."""

    current: int
    longest: int
    is_at_risk: bool  # there is one, and today is still open


class Stay(Struct, frozen=True):
    """Where somebody was when they felt something: *felt_at* is aware, *zone* that of the device."""

    felt_at: datetime
    zone: tzinfo

    @property
    def local_date(self) -> date:
        """The date on the calendar over there."""
        return self.felt_at.astimezone(self.zone).date()


def streak(logged: Set[date], frozen: Set[date], repaired: Set[date], today: date) -> Streak:
    """The streak as of *today*, a local date. Days after it count for the longest run only."""
    counting = logged | repaired
    covered = counting | frozen
    start = today if today in covered else today - DAY
    current = longest = 0
    for run in runs(covered):
        longest = max(longest, sum(day in counting for day in run))
        if run[0] <= start <= run[-1]:
            current = sum(day in counting for day in run if day <= start)
    return Streak(current, longest, today not in covered and current > 0)


def runs(days: Iterable[date]) -> Iterator[list[date]]:
    """The days in stretches without a gap, each and all in order."""
    run: list[date] = []
    for day in sorted(days):
        if run and day - run[-1] > DAY:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def milestones(current: int, reached: Set[int]) -> list[int]:
    """Those that a streak of *current* days has come to and that nobody has been told of yet."""
    return [milestone for milestone in MILESTONES if milestone <= current and milestone not in reached]


# Freezes and repairs


def freezes_held(logged: Set[date], spent: Set[date]) -> int:
    """What is left of the freezes earned, one for each `FREEZE_EARNED_EVERY` logged days in a row.

    *spent*: dates that are frozen by them (not for free). A date that is logged after all is in *logged* instead, and
    so gives its freeze back.
    """
    held = in_a_row = 0
    last: date | None = None
    for day in sorted(logged | spent):
        is_next = last is not None and day - last == DAY
        last = day
        if day in spent:
            held, in_a_row = max(0, held - 1), 0
            continue
        in_a_row = in_a_row + 1 if is_next else 1
        if in_a_row % FREEZE_EARNED_EVERY == 0:
            held = min(FREEZES_MAX, held + 1)
    return held


def to_freeze(logged: Set[date], spent: Set[date], others: Set[date], repaired: Set[date], closed: date) -> list[date]:
    """The dates on which freezes are to be spent, in order: those right behind a streak, up to *closed*.

    *closed*: the last date for which no entry can count any more. *others*: frozen for nothing. What is spent on a date are
    freezes that were earned before it: so the answer is the same whoever asks, and when.
    """
    found: list[date] = []
    counting = logged | repaired
    held = in_a_row = 0
    before: date | None = None  # the covered date before, and whether its run counts for anything
    is_streak = False
    for day in [*sorted(counting | spent | others), date.max]:
        while before is not None and is_streak and held and before < closed and before + DAY < day:
            before += DAY
            held, in_a_row = held - 1, 0
            found.append(before)
        is_next = before is not None and day - before == DAY
        is_streak = day in counting or (is_streak and is_next)
        if day in logged:
            in_a_row = in_a_row + 1 if is_next else 1
            if in_a_row % FREEZE_EARNED_EVERY == 0:
                held = min(FREEZES_MAX, held + 1)
        else:
            in_a_row = 0
            if day in spent:
                held = max(0, held - 1)
        before = day
    return found


def may_repair(day: date, covered: Set[date], today: date, last_repair: date | None) -> bool:
    """May *day* be repaired *today*? *last_repair*: when somebody did so the last time, not which date."""
    is_recent = timedelta(0) < today - day <= REPAIR_WITHIN_DAYS * DAY
    has_waited = last_repair is None or today - last_repair >= REPAIR_EVERY_DAYS * DAY
    return is_recent and has_waited and day not in covered


# Which entries count


def closes_at(day: date, zone: tzinfo) -> datetime:
    """Until when entries count for *day*: 48 h after its end in *zone*. In UTC."""
    midnight = datetime.combine(day + DAY, datetime.min.time(), zone)
    return midnight.astimezone(UTC) + LATE


def counts(day: date, zone: tzinfo, received_at: datetime, device_clock: datetime) -> bool:
    """Does an entry for *day* count for the streak? *device_clock*: what the device took *received_at* for."""
    return received_at <= closes_at(day, zone) and abs(device_clock - received_at) <= CLOCK_WITHIN


def has_travelled_too_much(stays: Sequence[Stay], now: Stay) -> bool:
    """Would *now* be more than `ZONE_CHANGES_MAX` changes of the time zone in 24 h? *stays*: before it, in order."""
    recent = [stay for stay in stays if stay.felt_at > now.felt_at - ZONE_CHANGES_WITHIN]
    before = [stay for stay in stays if stay.felt_at <= now.felt_at - ZONE_CHANGES_WITHIN]
    zones = [stay.zone for stay in (*before[-1:], *recent, now)]
    return sum(one != other for one, other in pairwise(zones)) > ZONE_CHANGES_MAX


def skipped_by_flight(before: Stay, after: Stay) -> list[date]:
    """Dates between two stays that were cut short by a change of zone: at home they would not have been over yet."""
    still = after.felt_at.astimezone(before.zone).date()  # where the calendar would be without the flight
    first = max(still, before.local_date + DAY)
    return [first + number * DAY for number in range((after.local_date - first).days)]
