"""The last days of somebody's moods, for their own eyes, and when they were last shown where to find help."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec import Struct

from domain.care import LOOKED_AT_DAYS
from domain.times import from_ms
from storage.postgres import Database

LOOKED_BACK = timedelta(days=LOOKED_AT_DAYS + 2)  # dates are local: up to 14 hours ahead of UTC, 12 behind it

# As numeric: the mean of -0.7 and -0.5 is -0.6, and not a little more as in floating point.
_DAYS = """
select local_date, avg(valence::numeric)::float8 as valence, max(felt_at) as latest,
       (array_agg(timezone order by felt_at desc))[1] as timezone
from moods where user_id = $1 and felt_at > $2 group by local_date order by latest desc
"""
_SAVE = """
insert into care_prompts (user_id, at) values ($1, $2)
on conflict (user_id) do update set at = greatest(care_prompts.at, excluded.at)
"""


class LastDays(Struct, frozen=True):
    """*days*: mean valence by local date. *timezone*: of the latest of these entries; None if there is none."""

    days: Mapping[date, float]
    timezone: str | None
    shown_at: datetime | None


async def load_last_days(database: Database, user: str, now_ms: int) -> LastDays:
    """What is needed to know whether a gentle word is in place. Raises: Unavailable."""
    rows = await database.fetch(_DAYS, user, from_ms(now_ms) - LOOKED_BACK)
    shown_at = await database.fetchval("select at from care_prompts where user_id = $1", user)
    return LastDays(
        {row["local_date"]: row["valence"] for row in rows}, rows[0]["timezone"] if rows else None, shown_at
    )


async def save_shown(database: Database, user: str, now_ms: int) -> None:
    """They were shown where to find help just now. Raises: Unavailable."""
    await database.execute(_SAVE, user, from_ms(now_ms))
