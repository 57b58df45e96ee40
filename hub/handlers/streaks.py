"""Reading one's streak, and repairing a missed date."""

import calendar
from collections.abc import Callable, Iterator, Set
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.errors import Conflict
from domain.streak_book import Book, reckon, repair_day, repairable
from domain.streaks import DAY, MILESTONES
from domain.times import from_ms
from hub.handlers.ports import Actor, Delivery
from protocol.rest_moods import StreakDay, StreakView
from storage.postgres import Database
from storage.streak_book import (
    Page,
    append_milestones,
    load_book,
    load_outages,
    lock_books,
    save_books,
    streak_updated,
)


class StreakHandlers:
    """All raise: Refusal."""

    def __init__(self, database: Database, delivery: Delivery, clock: Callable[[], int]) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock

    async def view(self, actor: Actor, month: str | None) -> StreakView:
        """As of now, with the days of *month* (YYYY-MM; None: this one)."""
        book = await load_book(self._database, actor.user)
        now = from_ms(self._clock())
        if book is None:
            return _nothing_yet(month or f"{now:%Y-%m}", now.date())
        this_month = f"{now.astimezone(ZoneInfo(book.timezone)):%Y-%m}"
        first = date.fromisoformat(f"{month or this_month}-01")
        return view_of(book, await load_outages(self._database), first, now)

    async def repair(self, actor: Actor, day: date) -> StreakView:
        """Repair *day*, one that was missed. Doing so again changes nothing. Raises: Conflict, when it cannot be done."""
        now = from_ms(self._clock())
        async with self._database.transaction() as connection:
            book = (await lock_books(connection, {actor.user})).get(actor.user)
            outages = await load_outages(connection)
            if book is None:
                raise Conflict("There is no streak yet, so nothing can be repaired.")
            reckon(book, outages, now)
            today = now.astimezone(ZoneInfo(book.timezone)).date()
            repair_day(book, outages, day, today)
            reckoning = reckon(book, outages, now)
            book.told.update(reckoning.reached)
            await save_books(connection, [Page(actor.user, book, reckoning)], now)
            events = await append_milestones(connection, {actor.user: reckoning}, now)
        self._delivery.ring(events)
        self._delivery.tell([actor.user], streak_updated(reckoning), actor.session)
        return view_of(book, outages, today.replace(day=1), now)


def view_of(book: Book, outages: Set[date], first: date, now: datetime) -> StreakView:
    """How *book* stands now, with the days of the month that begins on *first*."""
    reckoning = reckon(book, outages, now)
    found = reckoning.streak
    return StreakView(
        today=reckoning.today.isoformat(),
        timezone=book.timezone,
        current=found.current,
        longest=found.longest,
        at_risk=found.is_at_risk,
        freezes=reckoning.freezes,
        next_milestone=next((days for days in MILESTONES if days > found.longest and days not in book.told), None),
        may_repair=[day.isoformat() for day in repairable(book, outages, reckoning.today)],
        month=f"{first:%Y-%m}",
        days=list(_days(book, outages, first)),
    )


def _days(book: Book, outages: Set[date], first: date) -> Iterator[StreakDay]:
    states = (
        ("logged", book.logged),
        ("repaired", book.repaired),
        ("frozen", book.spent),
        ("free", book.free | outages),
    )
    began = min(book.logged, default=date.max)
    for number in range(calendar.monthrange(first.year, first.month)[1]):
        day = first + number * DAY
        state = next((name for name, days in states if day in days), None)
        if state is not None and (state != "free" or day >= began):  # an outage before somebody came is none to them
            yield StreakDay(day.isoformat(), state)


def _nothing_yet(month: str, today: date) -> StreakView:
    return StreakView(
        today=today.isoformat(),
        timezone=None,
        current=0,
        longest=0,
        at_risk=False,
        freezes=0,
        next_milestone=MILESTONES[0],
        may_repair=[],
        month=month,
        days=[],
    )
