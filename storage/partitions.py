"""The weekly partitions of the inbox: made ahead, dropped when their events are out of retention.

Invariant: there is a partition for every moment between a week ago and `WEEKS_AHEAD` weeks from now,
so an insert never finds none. There is no default partition on purpose: rows in it would have to be
scanned, under a lock, whenever a new week is attached.

A primary key over all weeks would have to contain `at`, which says nothing about `seq`. Each week
has its own unique index on (user_id, seq) instead, which is what reading needs too; that a number is
never used again in a later week is the promise of the row lock on `inbox_heads`.
"""

import logging
import re
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
from msgspec import Struct

from storage.direct import advisory_lock, connect

WEEKS_AHEAD = 3
WEEKS_BEHIND = 1  # a clock that is late by minutes around midnight on Monday
RETENTION_DAYS = 30
LOCK_KEY = 0x6875_676D_7061_7274  # "hugmpart"
LOCK_WAIT_S = 30.0

log = logging.getLogger("hugmood.partitions")

_NAME = re.compile(r"inbox_(\d{4})w(\d{2})")

# Attached ones and, after a crash half-way through a drop, those that are detached or still detaching.
_WEEKS = """
select c.relname as name, i.inhrelid is not null as is_attached, coalesce(i.inhdetachpending, false) as is_detaching
from pg_class c left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'inbox'::regclass
where c.relkind = 'r' and c.relname ~ '^inbox_[0-9]{4}w[0-9]{2}$'
  and c.relnamespace = (select relnamespace from pg_class where oid = 'inbox'::regclass)
order by c.relname
"""


class Tended(Struct, frozen=True):
    """What one round did, by the names of the partitions."""

    made: list[str]
    dropped: list[str]


async def tend(database_url: str, now: datetime) -> Tended:
    """Make the weeks ahead and drop what is older than `RETENTION_DAYS`.

    Safe to call from several processes at once and to repeat after any failure. Raises: Unavailable,
    also when a long transaction keeps the inbox locked; the next round does what is left.
    """
    async with connect(database_url) as connection, advisory_lock(connection, LOCK_KEY, LOCK_WAIT_S):
        made = await _make(connection, now)
        return Tended(made=made, dropped=await _drop(connection, now))


async def make_ahead(connection: asyncpg.Connection, now: datetime) -> list[str]:
    """The weeks that were missing, made on a direct connection. Raises: Unavailable."""
    async with advisory_lock(connection, LOCK_KEY, LOCK_WAIT_S):
        return await _make(connection, now)


def week_name(monday: date) -> str:
    """The name of a partition: ISO year and week."""
    year, week, _ = monday.isocalendar()
    return f"inbox_{year:04}w{week:02}"


async def _make(connection: asyncpg.Connection, now: datetime) -> list[str]:
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=today.weekday(), weeks=WEEKS_BEHIND)
    mondays = [first + timedelta(weeks=ahead) for ahead in range(WEEKS_BEHIND + 1 + WEEKS_AHEAD)]
    present = {row["name"] for row in await connection.fetch(_WEEKS)}
    made = [monday for monday in mondays if week_name(monday) not in present]
    for monday in made:
        await _make_week(connection, monday)
    return [week_name(monday) for monday in made]


async def _make_week(connection: asyncpg.Connection, monday: date) -> None:
    """Create, index, attach: attaching takes a lock that lets reads and writes through; `partition of` does not."""
    name = week_name(monday)
    start, end = f"'{monday}T00:00:00Z'", f"'{monday + timedelta(weeks=1)}T00:00:00Z'"
    async with connection.transaction():
        await connection.execute(f"create table {name} (like inbox including defaults including constraints)")
        await connection.execute(f"create unique index {name}_seq on {name} (user_id, seq)")
        await connection.execute(f"alter table inbox attach partition {name} for values from ({start}) to ({end})")
    log.info("inbox partition made", extra={"partition": name})


async def _drop(connection: asyncpg.Connection, now: datetime) -> list[str]:
    limit = now - timedelta(days=RETENTION_DAYS)
    dropped = []
    for row in await connection.fetch(_WEEKS):
        name = row["name"]
        if _end_of(name) > limit:
            continue
        # Dropping an attached partition would lock the whole inbox; detaching it concurrently does not.
        if row["is_detaching"]:
            await connection.execute(f"alter table inbox detach partition {name} finalize")
        elif row["is_attached"]:
            await connection.execute(f"alter table inbox detach partition {name} concurrently")
        await connection.execute(f"drop table {name}")
        log.info("inbox partition dropped", extra={"partition": name})
        dropped.append(name)
    return dropped


def _end_of(name: str) -> datetime:
    match = _NAME.fullmatch(name)
    if match is None:
        raise RuntimeError(f"{name} is not the name of an inbox partition")
    monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
    return datetime.combine(monday + timedelta(weeks=1), time(), UTC)
