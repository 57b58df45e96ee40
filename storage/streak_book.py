"""The books of streaks in PostgreSQL: one row per user, its dates as bits.

Whoever changes a book holds its row's lock, and books are locked in the order of their users. Events are appended
after that (storage/inbox.py): heads come last, everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.streak_book import Book, Reckoning, forget_day, reckon
from domain.streaks import DAY, Stay
from domain.times import rfc3339, to_ms
from protocol.codec import encode_body
from protocol.events import StreakMilestone, StreakUpdated
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database

COLUMNS = "user_id, timezone, felt_at, first_day, logged, frozen, free, repaired, repaired_on, told"
_LOAD = f"select {COLUMNS} from streaks where user_id = $1"  # noqa: S608  a constant
_DUE = f"select {COLUMNS} from streaks where due_at <= $1 order by user_id limit $2 for update skip locked"  # noqa: S608
_LOCK = f"select {COLUMNS} from streaks where user_id = any($1::uuid[]) order by user_id for update"  # noqa: S608
_BEGIN = """
insert into streaks (user_id, timezone, felt_at, first_day, current, longest, freezes, reckoned_for, due_at, updated_at)
select user_id, timezone, felt_at, day, 0, 0, 0, day, 'infinity', now()
from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::date[]) as t(user_id, timezone, felt_at, day)
on conflict do nothing
"""
_SAVE = """
insert into streaks as s (
    user_id, timezone, felt_at, first_day, logged, frozen, free, repaired, repaired_on, told,
    current, longest, freezes, reckoned_for, due_at, updated_at
)
select user_id, timezone, felt_at, first_day, logged, frozen, free, repaired, repaired_on, told::smallint[],
       current, longest, freezes, reckoned_for, due_at, $15
from unnest(
    $1::uuid[], $2::text[], $3::timestamptz[], $4::date[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[],
    $9::date[], $10::text[], $11::int[], $12::int[], $13::int[], $14::date[], $16::timestamptz[]
) as t(user_id, timezone, felt_at, first_day, logged, frozen, free, repaired, repaired_on, told,
       current, longest, freezes, reckoned_for, due_at)
on conflict (user_id) do update set
    timezone = excluded.timezone, felt_at = excluded.felt_at, first_day = excluded.first_day,
    logged = excluded.logged, frozen = excluded.frozen, free = excluded.free, repaired = excluded.repaired,
    repaired_on = excluded.repaired_on, told = excluded.told, current = excluded.current, longest = excluded.longest,
    freezes = excluded.freezes, reckoned_for = excluded.reckoned_for, due_at = excluded.due_at,
    updated_at = excluded.updated_at
"""
# Local dates are within a day of the moment in UTC: so only the right months are looked at.
_COUNTS_STILL = """
select exists (
    select from moods where user_id = $1 and local_date = $2 and in_streak
      and felt_at > $2::date - interval '1 day' and felt_at < $2::date + interval '2 days'
)
"""
_STORED = """
select user_id, felt_at, timezone, local_date from moods where user_id = any($1::uuid[]) and in_streak order by user_id, felt_at
"""
_OUTAGES = "select first_day, last_day from outages"  # few, and each counts for good


class Page(Struct, frozen=True):
    """A book that is to be saved, and how it stands."""

    user: str
    book: Book
    reckoning: Reckoning


async def load_book(database: Database, user: str) -> Book | None:
    """As it was saved the last time; None for who has never logged a mood. Raises: Unavailable."""
    row = await database.fetchrow(_LOAD, user)
    return book_of(row) if row is not None else None


async def lock_books(connection: PoolConnectionProxy, users: Set[str]) -> dict[str, Book]:
    """Those of *users* who have one; nobody else changes them until the transaction ends."""
    return {str(row["user_id"]): book_of(row) for row in await connection.fetch(_LOCK, sorted(users))}


async def lock_or_begin_books(connection: PoolConnectionProxy, latest: Mapping[str, Stay]) -> dict[str, Book]:
    """The locked books of all users in *latest*, which says where each felt something; new ones are empty."""
    books = await lock_books(connection, latest.keys())
    missing = sorted(latest.keys() - books.keys())
    if missing:
        stays = [latest[user] for user in missing]
        await connection.execute(
            _BEGIN,
            missing,
            [str(stay.zone) for stay in stays],
            [stay.felt_at for stay in stays],
            [stay.local_date for stay in stays],
        )
        books |= await lock_books(connection, set(missing))
    return books


async def save_books(connection: PoolConnectionProxy, pages: Sequence[Page], now: datetime) -> None:
    """Write books that are locked, or new."""
    books = [page.book for page in pages]
    firsts = [_first_day(book, page.reckoning) for book, page in zip(books, pages, strict=True)]
    await connection.execute(
        _SAVE,
        [page.user for page in pages],
        [book.timezone for book in books],
        [book.felt_at for book in books],
        firsts,
        *(
            [to_bits(days, first) for days, first in zip(column, firsts, strict=True)]
            for column in _date_columns(books)
        ),
        [book.repaired_on for book in books],
        ["{" + ",".join(map(str, sorted(book.told))) + "}" for book in books],
        [page.reckoning.streak.current for page in pages],
        [page.reckoning.streak.longest for page in pages],
        [page.reckoning.freezes for page in pages],
        [page.reckoning.today for page in pages],
        now,
        [page.reckoning.due for page in pages],
    )


async def load_outages(connection: PoolConnectionProxy | Database) -> frozenset[date]:
    """All dates of outages."""
    rows = await connection.fetch(_OUTAGES)
    return frozenset(day for first, last in rows for day in _days(first, last))


async def append_milestones(
    connection: PoolConnectionProxy, reckonings: Mapping[str, Reckoning], now: datetime
) -> list[InboxEvent]:
    """The events of all that were reached; the last statement of a transaction that saves the books as well."""
    at = rfc3339(to_ms(now))
    events = [
        NewEvent(user, "streak.milestone", encode_body(StreakMilestone(at=at, days=days)))
        for user, reckoning in reckonings.items()
        for days in reckoning.reached
    ]
    return await append_within(connection, events) if events else []


async def forget_entry(connection: PoolConnectionProxy, user: str, day: date, now: datetime) -> Reckoning | None:
    """An entry of *day* has just been deleted: take the day back if it was the last one. None: nothing has changed."""
    book = (await lock_books(connection, {user})).get(user)
    # Only now: another entry of the day may just have been deleted, or stored, by who held the lock.
    if book is None or await connection.fetchval(_COUNTS_STILL, user, day) or not forget_day(book, day):
        return None
    reckoning = reckon(book, await load_outages(connection), now)
    book.told.update(reckoning.reached)
    await save_books(connection, [Page(user, book, reckoning)], now)
    return reckoning


async def reckon_due(database: Database, now: datetime, limit: int) -> tuple[dict[str, Reckoning], list[InboxEvent]]:
    """Reckon up to *limit* books in which a date has closed: how they stand now, and events of milestones.

    Empty: none is due. An outage may join two runs, so that a milestone is reached without an entry. Raises: Unavailable.
    """
    async with database.transaction() as connection:
        books = {str(row["user_id"]): book_of(row) for row in await connection.fetch(_DUE, now, limit)}
        if not books:
            return {}, []
        outages = await load_outages(connection)
        reckonings = {user: reckon(book, outages, now) for user, book in books.items()}
        for user, found in reckonings.items():
            books[user].told.update(found.reached)
        await save_books(connection, [Page(user, books[user], found) for user, found in reckonings.items()], now)
        return reckonings, await append_milestones(connection, reckonings, now)


async def rebuild_books(database: Database, users: Sequence[str], now: datetime) -> None:
    """Books of *users*, who have none, from the moods that are stored. Nobody is told of a milestone. Raises: Unavailable."""
    rows = await database.fetch(_STORED, users)
    books: dict[str, Book] = {}
    for row in rows:  # the one felt last comes last
        user = str(row["user_id"])
        book = books.setdefault(user, Book(row["timezone"], row["felt_at"]))
        book.timezone, book.felt_at = row["timezone"], row["felt_at"]
        book.logged.add(row["local_date"])
    pages = []
    async with database.transaction() as connection:
        outages = await load_outages(connection)
        for user in sorted(books):
            reckoning = reckon(books[user], outages, now)
            books[user].told.update(reckoning.reached)
            pages.append(Page(user, books[user], reckoning))
        await save_books(connection, pages, now)


def streak_updated(reckoning: Reckoning) -> StreakUpdated:
    """What the owner's devices are told."""
    found = reckoning.streak
    return StreakUpdated(
        current=found.current,
        longest=found.longest,
        freezes=reckoning.freezes,
        at_risk=found.is_at_risk,
        date=reckoning.today.isoformat(),
    )


def to_bits(days: Iterable[date], first: date) -> bytes:
    """*days*, none before *first*, as bits: the lowest bit of the first byte is *first*."""
    number = 0
    for day in days:
        number |= 1 << (day - first).days
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def from_bits(bits: bytes, first: date) -> set[date]:
    """The other way round."""
    number, ordinal, days = int.from_bytes(bits, "little"), first.toordinal(), set()
    while number:
        lowest = number & -number
        days.add(date.fromordinal(ordinal + lowest.bit_length() - 1))
        number ^= lowest
    return days


def _date_columns(books: Sequence[Book]) -> tuple[list[set[date]], ...]:
    return (
        [book.logged for book in books],
        [book.spent for book in books],
        [book.free for book in books],
        [book.repaired for book in books],
    )


def _first_day(book: Book, reckoning: Reckoning) -> date:
    return min(book.logged | book.spent | book.free | book.repaired, default=reckoning.today)


def book_of(row: asyncpg.Record) -> Book:
    """The book in a row with `COLUMNS`."""
    first = row["first_day"]
    return Book(
        timezone=row["timezone"],
        felt_at=row["felt_at"],
        logged=from_bits(row["logged"], first),
        spent=from_bits(row["frozen"], first),
        free=from_bits(row["free"], first),
        repaired=from_bits(row["repaired"], first),
        repaired_on=row["repaired_on"],
        told=set(row["told"]),
    )


def _days(first: date, last: date) -> Iterable[date]:
    return (first + number * DAY for number in range((last - first).days + 1))
