"""Outages that operators declare, and whose streaks they change.

The books are marked in the order of their users, as all who lock several do, and in small transactions. Whoever ends in
between may begin again: the same window is the same outage, and the night looks at every book anyhow.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

BATCH_ROWS = 1_000

_MARK = """
with concerned as (
    select user_id from streaks where first_day <= $1 and ($2::uuid is null or user_id > $2)
    order by user_id limit $3 for update
)
update streaks s set due_at = least(s.due_at, now()) from concerned c where s.user_id = c.user_id returning s.user_id
"""


class Outage(Struct, frozen=True):
    """From *first_day* to *last_day*, local dates, whatever the time zone."""

    id: int
    first_day: date
    last_day: date
    reason: str | None
    at: datetime  # of its declaration


async def load_outages(connection: asyncpg.Connection) -> Sequence[Outage]:
    """All of them, the latest first."""
    return [Outage(**row) for row in await connection.fetch("select * from outages order by first_day desc, id desc")]


async def add_outage(connection: asyncpg.Connection, first: date, last: date, reason: str | None) -> tuple[int, bool]:
    """Its id, and whether it is new: one with the same dates is the same."""
    async with connection.transaction():
        await connection.execute("lock table outages in share row exclusive mode")
        known = await connection.fetchval("select id from outages where (first_day, last_day) = ($1, $2)", first, last)
        if known is not None:
            return known, False
        made: int = await connection.fetchval(
            "insert into outages (first_day, last_day, reason) values ($1, $2, $3) returning id", first, last, reason
        )
        return made, True


async def remove_outage(connection: asyncpg.Connection, number: int) -> Outage | None:
    """The one that is gone now; None if there was none."""
    row = await connection.fetchrow("delete from outages where id = $1 returning *", number)
    return Outage(**row) if row else None


async def mark_streaks(connection: asyncpg.Connection, last: date) -> int:
    """Have the books reckoned anew at once of all who began by *last*; how many they are."""
    marked = 0
    after: UUID | None = None
    while rows := await connection.fetch(_MARK, last, after, BATCH_ROWS):
        marked += len(rows)
        after = max(row["user_id"] for row in rows)
    return marked
