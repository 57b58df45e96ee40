"""Moods put straight into the database, for tests of what comes after they were saved."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

from domain.ids import uuid7
from domain.moods import local_date
from domain.times import from_ms, to_ms
from storage import partitions
from storage.postgres import Database
from tests.support.people import NOW_MS

NOW = from_ms(NOW_MS)


class SeededMood(Struct, frozen=True, kw_only=True):
    """A row of `moods`."""

    id: str
    user: str
    felt_at: datetime
    mood: str = "calm"
    valence: float = 0.5
    arousal: float = -0.5
    intensity: float | None = None
    note: bytes | None = None
    tags: Sequence[str] = ()
    factors: Mapping[str, float | bool] | None = None
    visibility: str = "private"
    timezone: str = "UTC"
    in_streak: bool = True
    day: date | None = None  # the date that was frozen, where it is not that of the moment

    @property
    def local_date(self) -> date:
        return self.day or local_date(to_ms(self.felt_at), self.timezone)


def felt(user: str, felt_at: datetime, **fields: Any) -> SeededMood:
    """A mood of *user* at that moment."""
    return SeededMood(id=uuid7(to_ms(felt_at)), user=user, felt_at=felt_at, **fields)


def seeded(user: str, ms: int = 0, **fields: Any) -> SeededMood:
    """A mood of *user*, felt *ms* after `NOW_MS`."""
    return felt(user, from_ms(NOW_MS + ms), **fields)


def felt_ago(user: str, days: int, valence: float, **fields: Any) -> SeededMood:
    """A mood of *user*, felt *days* before `NOW`."""
    return felt(user, NOW - timedelta(days=days), valence=valence, **fields)


async def make_months(database: Database, first: datetime, last: datetime) -> None:
    """Partitions for all months from *first* to *last* that are not there yet."""
    month = datetime(first.year, first.month, 1, tzinfo=UTC)
    while month <= last:
        following = (month + timedelta(days=31)).replace(day=1)
        await database.execute(
            f"create table if not exists {month_of(month)} partition of moods"
            f" for values from ('{month.isoformat()}') to ('{following.isoformat()}')"
        )
        month = following


def month_of(moment: datetime) -> str:
    """The partition of that moment."""
    return partitions.moods().partition(moment.date())


async def save_moods(database: Database, moods: Sequence[SeededMood]) -> None:
    """Into `mood_ids` and `moods`; makes the months."""
    if not moods:
        return
    times = [mood.felt_at for mood in moods]
    await make_months(database, min(times), max(times))
    async with database.transaction() as connection:
        await connection.executemany(
            "insert into mood_ids (id, user_id, felt_at) values ($1, $2, $3)",
            [(mood.id, mood.user, mood.felt_at) for mood in moods],
        )
        await connection.executemany(
            """
            insert into moods (user_id, felt_at, id, mood, valence, arousal, intensity, note, tags, factors, visibility,
                               timezone, local_date, in_streak, received_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, now())
            """,
            [
                (
                    mood.user,
                    mood.felt_at,
                    mood.id,
                    mood.mood,
                    mood.valence,
                    mood.arousal,
                    mood.intensity,
                    mood.note,
                    list(mood.tags),
                    json.dumps(dict(mood.factors)) if mood.factors else None,
                    mood.visibility,
                    mood.timezone,
                    mood.local_date,
                    mood.in_streak,
                )
                for mood in moods
            ],
        )


async def feel(
    database: Database, user: str, felt_at: datetime, valence: float, *, day: date, timezone: str = "UTC"
) -> None:
    """An entry of *user*; *day*: its local date."""
    mood = felt(user, felt_at, mood="so", valence=valence, arousal=0.0, timezone=timezone, day=day)
    await save_moods(database, [mood])
