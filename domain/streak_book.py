"""What is kept of a person's streak, and how it changes: by entries, by the passing of days, by repairs.

Invariant: `logged`, `spent` and `repaired` are disjoint, and after `reckon` a date that closed without an entry while a
freeze was held is in `spent`: whether the night looked in time or somebody else did later.
"""

from collections.abc import Sequence, Set
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.errors import Conflict
from domain.streaks import (
    DAY,
    REPAIR_EVERY_DAYS,
    REPAIR_WITHIN_DAYS,
    Stay,
    Streak,
    closes_at,
    freezes_held,
    has_travelled_too_much,
    may_repair,
    milestones,
    skipped_by_flight,
    streak,
    to_freeze,
)

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
CLOSED_AFTER = timedelta(days=3)  # a date of three days ago has just closed, but for a change of the clocks


class Book(Struct):
    """The dates of one person. *timezone*: IANA, of the entry felt last, at *felt_at*. *told*: milestones reached, ever."""

    timezone: str
    felt_at: datetime
    logged: set[date] = field(default_factory=set)
    spent: set[date] = field(default_factory=set)  # frozen, for a freeze
    free: set[date] = field(default_factory=set)  # frozen for nothing: skipped by a flight
    repaired: set[date] = field(default_factory=set)
    repaired_on: date | None = None
    told: set[int] = field(default_factory=set)


class Reckoning(Struct, frozen=True):
    """How things stand on *today*. *due*: when a date closes on which a freeze may have to be spent."""

    today: date
    streak: Streak
    freezes: int
    reached: list[int]  # milestones that were not told before
    due: datetime


def travel(book: Book, stays: Sequence[Stay], now: Stay) -> bool:
    """Take an entry felt in another zone into account: may it count? *stays*: those before, in order."""
    if has_travelled_too_much(stays, now):
        return False
    if stays:
        book.free.update(skipped_by_flight(stays[-1], now))
    return True


def log_day(book: Book, day: date) -> bool:
    """An entry counts for *day*: is that new? A freeze that was spent on it comes back."""
    if day in book.logged:
        return False
    book.logged.add(day)
    book.spent.discard(day)
    book.repaired.discard(day)
    return True


def forget_day(book: Book, day: date) -> bool:
    """The last entry that counted for *day* is gone: does that change anything?"""
    if day not in book.logged:
        return False
    book.logged.remove(day)
    return True


def repair_day(book: Book, outages: Set[date], day: date, today: date) -> None:
    """Repair a missed date. Doing so again changes nothing. Raises: Conflict, if that cannot be done today."""
    if day in book.repaired:
        return
    if day not in repairable(book, outages, today):
        raise Conflict(
            f"One missed date of the last {REPAIR_WITHIN_DAYS} days can be repaired, once in {REPAIR_EVERY_DAYS} days."
        )
    book.repaired.add(day)
    book.repaired_on = today


def repairable(book: Book, outages: Set[date], today: date) -> list[date]:
    """The dates that could be repaired today, in order."""
    covered = book.logged | book.spent | book.free | book.repaired | outages
    days = [today - number * DAY for number in range(REPAIR_WITHIN_DAYS, 0, -1)]
    first = min(book.logged, default=today)  # before it there is nothing to repair
    return [day for day in days if day > first and may_repair(day, covered, today, book.repaired_on)]


def reckon(book: Book, outages: Set[date], now: datetime) -> Reckoning:
    """Spend freezes on what has closed without an entry, then say how things stand. *outages*: frozen for all."""
    zone = ZoneInfo(book.timezone)
    today = now.astimezone(zone).date()
    closed = _last_closed(today, zone, now)
    book.spent -= outages  # what an operator answers for costs nobody a freeze
    given = (book.free | outages) - book.logged - book.repaired
    book.spent.update(to_freeze(book.logged, book.spent, given, book.repaired, closed))
    held = freezes_held(book.logged, book.spent)
    found = streak(book.logged, book.spent | given, book.repaired, today)
    reached = milestones(found.longest, book.told)
    covered = book.logged | book.spent | book.repaired | given
    due = _next_closing(covered, zone, closed, today) if held else NEVER
    return Reckoning(today, found, held, reached, due)


def _last_closed(today: date, zone: ZoneInfo, now: datetime) -> date:
    day = today - CLOSED_AFTER
    while closes_at(day, zone) > now:
        day -= DAY
    while closes_at(day + DAY, zone) <= now:
        day += DAY
    return day


def _next_closing(covered: Set[date], zone: ZoneInfo, closed: date, today: date) -> datetime:
    """When the first date behind a covered one will have closed that nothing covers yet."""
    day = closed + DAY
    while day <= today + DAY:
        if day not in covered and day - DAY in covered:
            return closes_at(day, zone)
        day += DAY
    return NEVER
