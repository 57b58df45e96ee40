"""The partitions of the inbox (weeks) and of moods (months): made ahead, dropped when they are out of retention.

Invariant: there is a partition for every moment from `behind` periods ago to `ahead` periods from now,
so an insert never finds none. There is no default partition on purpose: rows in it would have to be
scanned, under a lock, whenever a new one is attached.

A primary key over all weeks of the inbox would have to contain `at`, which says nothing about `seq`. Each
week has its own unique index on (user_id, seq) instead, which is what reading needs too; that a number is
never used again in a later week is the promise of the row lock on `inbox_heads`. A mood is found by its
moment, which is in the key of all months; that its id is never used again is the promise of `mood_ids`, whose rows outlive the months.
"""

import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
from msgspec import Struct

from storage.direct import advisory_lock, connect

WEEKS_AHEAD = 3
WEEKS_BEHIND = 1  # a clock that is late by minutes around midnight on Monday
RETENTION_DAYS = 30  # of the inbox
MONTHS_AHEAD = 2
MONTHS_BEHIND = 2  # moods may be told 30 days late: over the end of February that is two months
LOCK_KEY = 0x6875_676D_7061_7274  # "hugmpart"
LOCK_WAIT_S = 30.0

log = logging.getLogger("hugmood.partitions")

# Attached ones and, after a crash half-way through a drop, those that are detached or still detaching.
_PRESENT = """
select c.relname as name, i.inhrelid is not null as is_attached, coalesce(i.inhdetachpending, false) as is_detaching
from pg_class c left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = $1::text::regclass
where c.relkind = 'r' and c.relname ~ $2
  and c.relnamespace = (select relnamespace from pg_class where oid = $1::text::regclass)
order by c.relname
"""


class Period(Struct, frozen=True):
    """How a calendar is cut, in UTC. *number*: the year of a date and the period in it; *start*: back from those."""

    mark: str  # in names, between year and number
    number: Callable[[date], tuple[int, int]]
    start: Callable[[int, int], date]
    later: Callable[[date, int], date]  # the start of the period so many after the one that starts then


class Partitioned(Struct, frozen=True):
    """A table and how it is cut. *limit*: as of a moment, what ended by then goes; None: nothing ever.

    *index*: the columns that are unique within a partition, beside the keys of the whole table, which all have.
    """

    name: str
    period: Period
    behind: int
    ahead: int
    index: str | None
    limit: Callable[[datetime], datetime | None]

    def partition(self, day: date) -> str:
        """The name of the partition of that date."""
        year, number = self.period.number(day)
        return f"{self.name}_{year:04}{self.period.mark}{number:02}"

    def pattern(self) -> str:
        """What the names of partitions match, for Python and PostgreSQL: two groups, year and number."""
        return rf"^{self.name}_([0-9]{{4}}){self.period.mark}([0-9]{{2}})$"

    def end(self, partition: str) -> datetime:
        """The moment before which all its rows are."""
        match = re.match(self.pattern(), partition)
        if match is None:
            raise RuntimeError(f"{partition} is not the name of a partition of {self.name}")
        start = self.period.start(int(match[1]), int(match[2]))
        return datetime.combine(self.period.later(start, 1), time(), UTC)


class Tended(Struct, frozen=True):
    """What one round did, by the names of the partitions."""

    made: list[str]
    dropped: list[str]


def _months_later(start: date, months: int) -> date:
    years, month = divmod(start.month - 1 + months, 12)
    return date(start.year + years, month + 1, 1)


WEEK = Period(
    mark="w",
    number=lambda day: day.isocalendar()[:2],
    start=lambda year, week: date.fromisocalendar(year, week, 1),
    later=lambda monday, weeks: monday + timedelta(weeks=weeks),
)
MONTH = Period(
    mark="m",
    number=lambda day: (day.year, day.month),
    start=lambda year, month: date(year, month, 1),
    later=_months_later,
)

INBOX = Partitioned(
    name="inbox",
    period=WEEK,
    behind=WEEKS_BEHIND,
    ahead=WEEKS_AHEAD,
    index="user_id, seq",
    limit=lambda now: now - timedelta(days=RETENTION_DAYS),
)


def moods(retention_months: int = 0) -> Partitioned:
    """The months of moods. Kept are this one and *retention_months* before it, at least `MONTHS_BEHIND`; 0: all."""
    if 0 < retention_months < MONTHS_BEHIND:
        raise ValueError(f"moods are kept for {MONTHS_BEHIND} months or more")

    def limit(now: datetime) -> datetime | None:
        if not retention_months:
            return None
        return datetime.combine(_months_later(_today(now).replace(day=1), -retention_months), time(), UTC)

    return Partitioned(
        name="moods",
        period=MONTH,
        behind=MONTHS_BEHIND,
        ahead=MONTHS_AHEAD,
        index=None,
        limit=limit,
    )


async def tend(database_url: str, table: Partitioned, now: datetime) -> Tended:
    """Make the partitions of *table* that are ahead and drop those out of retention.

    Safe to call from several processes at once and to repeat after any failure. Raises: Unavailable,
    also when a long transaction keeps the table locked; the next round does what is left.
    """
    async with connect(database_url) as connection, advisory_lock(connection, LOCK_KEY, LOCK_WAIT_S):
        made = await _make_around(connection, table, now)
        return Tended(made=made, dropped=await _drop(connection, table, now))


async def make_ahead(connection: asyncpg.Connection, now: datetime) -> list[str]:
    """Those of all tables that were missing, made on a direct connection. Raises: Unavailable."""
    async with advisory_lock(connection, LOCK_KEY, LOCK_WAIT_S):
        return [name for table in (INBOX, moods()) for name in await _make_around(connection, table, now)]


async def make_months(connection: asyncpg.Connection, first: date, last: date) -> list[str]:
    """The months of moods from *first* to *last* that were missing, for data that is older. Raises: Unavailable.

    *connection* is a direct one. A retention that is shorter takes them away again in the next round.
    """
    async with advisory_lock(connection, LOCK_KEY, LOCK_WAIT_S):
        table = moods()
        starts, start = [], first.replace(day=1)
        while start <= last:
            starts.append(start)
            start = table.period.later(start, 1)
        return await _make(connection, table, starts)


async def _make_around(connection: asyncpg.Connection, table: Partitioned, now: datetime) -> list[str]:
    period = table.period
    this = period.start(*period.number(_today(now)))
    return await _make(connection, table, [period.later(this, n) for n in range(-table.behind, table.ahead + 1)])


async def _make(connection: asyncpg.Connection, table: Partitioned, starts: Sequence[date]) -> list[str]:
    present = {row["name"] for row in await connection.fetch(_PRESENT, table.name, table.pattern())}
    made = [start for start in starts if table.partition(start) not in present]
    for start in made:
        await _make_one(connection, table, start)
    return [table.partition(start) for start in made]


async def _make_one(connection: asyncpg.Connection, table: Partitioned, start: date) -> None:
    """Create, index, attach: attaching takes a lock that lets reads and writes through; `partition of` does not."""
    name = table.partition(start)
    bounds = f"from ('{start}T00:00:00Z') to ('{table.period.later(start, 1)}T00:00:00Z')"
    async with connection.transaction():
        await connection.execute(f"create table {name} (like {table.name} including defaults including constraints)")
        if table.index:
            await connection.execute(f"create unique index {name}_seq on {name} ({table.index})")
        await connection.execute(f"alter table {table.name} attach partition {name} for values {bounds}")
    log.info("partition made", extra={"partition": name})


async def _drop(connection: asyncpg.Connection, table: Partitioned, now: datetime) -> list[str]:
    limit = table.limit(now)
    dropped: list[str] = []
    if limit is None:
        return dropped
    for row in await connection.fetch(_PRESENT, table.name, table.pattern()):
        name = row["name"]
        if table.end(name) > limit:
            continue
        # Dropping an attached partition would lock the whole table; detaching it concurrently does not.
        if row["is_detaching"]:
            await connection.execute(f"alter table {table.name} detach partition {name} finalize")
        elif row["is_attached"]:
            await connection.execute(f"alter table {table.name} detach partition {name} concurrently")
        await connection.execute(f"drop table {name}")
        log.info("partition dropped", extra={"partition": name})
        dropped.append(name)
    return dropped


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()
