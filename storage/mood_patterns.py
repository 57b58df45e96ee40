"""What goes with the moods of a user: what it is worked out of, and what was found, as JSON of `MoodPatterns`."""

from datetime import datetime, timedelta

import asyncpg
import msgspec
from msgspec import Struct

from domain.mood_days import MoodEntry
from protocol.rest_moods import MoodPatterns
from storage.postgres import Database

FIND = "patterns.find"  # the job of `Queue.MOODS` that finds them for one user
NOBODY = "00000000-0000-0000-0000-000000000000"  # before every user
DAYS_MAX = 400  # local dates that count, today included
ENTRIES_MAX = 10_000  # of one user, the newest: 25 a day

# A local date begins at most 14 h before that of UTC, and moods are felt at most minutes ahead.
_DATE_AHEAD_MAX = timedelta(days=1)

_factors = msgspec.json.Decoder(dict[str, float | bool])
_found = msgspec.json.Decoder(MoodPatterns)
_encoder = msgspec.json.Encoder()


class Logger(Struct, frozen=True):
    """Somebody who has logged moods, and when their patterns were worked out the last time."""

    user: str
    computed_at: datetime | None


async def load_entries(database: Database, user: str, now: datetime) -> list[MoodEntry]:
    """What patterns of *user* are to be found in, newest first: of the last 400 local dates, at most 10,000 entries.

    Where there are more, the oldest date may lack some of its own and is left out. Raises: Unavailable.
    """
    first = now.date() - timedelta(days=DAYS_MAX - 1)
    rows = await database.fetch(
        """
        select local_date, valence, tags, factors from moods
        where user_id = $1 and felt_at >= $2 and local_date >= $3
        order by felt_at desc, id desc limit $4
        """,
        user,
        now - timedelta(days=DAYS_MAX) - _DATE_AHEAD_MAX,
        first,
        ENTRIES_MAX + 1,
    )
    if len(rows) > ENTRIES_MAX:
        cut = min(row["local_date"] for row in rows)
        rows = [row for row in rows if row["local_date"] > cut]
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> MoodEntry:
    return MoodEntry(
        day=row["local_date"],
        valence=row["valence"],
        tags=row["tags"],
        factors=_factors.decode(row["factors"]) if row["factors"] is not None else {},
    )


async def load_patterns(database: Database, user: str) -> MoodPatterns | None:
    """What was found for *user* the last time; None before the first time. Raises: Unavailable."""
    found = await database.fetchval("select found from mood_patterns where user_id = $1", user)
    return _found.decode(found) if found is not None else None


async def save_patterns(database: Database, user: str, found: MoodPatterns, computed_at: datetime) -> None:
    """Keep *found*, unless what is kept already was worked out of newer entries. Raises: Unavailable."""
    await database.execute(
        """
        insert into mood_patterns (user_id, found, computed_at) values ($1, $2, $3)
        on conflict (user_id) do update set found = excluded.found, computed_at = excluded.computed_at
        where mood_patterns.computed_at <= excluded.computed_at
        """,
        user,
        _encoder.encode(found).decode(),
        computed_at,
    )


async def load_loggers(database: Database, since: datetime, after: str, limit: int) -> list[Logger]:
    """The next *limit* users after *after* (at first: NOBODY), by id, with a mood felt *since* then. Raises: Unavailable."""
    rows = await database.fetch(
        """
        select m.user_id, p.computed_at from (
            select distinct user_id from moods
            where felt_at >= $1 and user_id > $2
            order by user_id limit $3
        ) m left join mood_patterns p using (user_id) order by m.user_id
        """,
        since,
        after,
        limit,
    )
    return [Logger(str(row["user_id"]), row["computed_at"]) for row in rows]
