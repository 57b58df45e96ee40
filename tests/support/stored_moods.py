"""Moods put straight into the table, for tests of what reads them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from deploy.demo.entries import DemoEntry
from domain.ids import uuid7
from domain.times import to_ms
from storage.postgres import Database

# Years ago, so that the months are none that a migrated database has already.
NOW = datetime(2020, 6, 15, 12, tzinfo=UTC)
NOW_MS = to_ms(NOW)
TODAY = NOW.date()


class StoredMood(Struct, frozen=True, kw_only=True):
    """A row; what is not told is as plain as can be."""

    user: str
    felt_at: datetime
    local_date: date
    valence: float
    arousal: float = 0.0
    tags: Sequence[str] = ()
    factors: Mapping[str, float | bool] = {}
    timezone: str = "UTC"


def mood(user: str, days_ago: int, valence: float, arousal: float = 0.0, /, **rest: object) -> StoredMood:
    """One at noon."""
    day = TODAY - timedelta(days=days_ago)
    felt_at = NOW - timedelta(days=days_ago)
    return StoredMood(user=user, felt_at=felt_at, local_date=day, valence=valence, arousal=arousal, **rest)  # type: ignore[arg-type]


def demo_mood(user: str, entry: DemoEntry) -> StoredMood:
    """*entry* as *user*'s."""
    felt_at = datetime.fromtimestamp(entry.felt_at_ms / 1000, UTC)
    return StoredMood(
        user=user,
        felt_at=felt_at,
        local_date=felt_at.astimezone(ZoneInfo(entry.timezone)).date(),
        valence=entry.valence,
        arousal=entry.arousal,
        tags=entry.tags,
        factors=entry.factors,
        timezone=entry.timezone,
    )


async def make_partitions(database: Database) -> None:
    """For the two years up to NOW's month: one a month."""
    for month in range(2018 * 12 + 5, 2020 * 12 + 6):
        first, following = (f"{number // 12}-{number % 12 + 1:02}-01" for number in (month, month + 1))
        await database.execute(
            f"create table moods_of_{first.replace('-', '_')} partition of moods for values from ('{first}Z') to ('{following}Z')"
        )


async def store(database: Database, moods: Iterable[StoredMood]) -> None:
    """Insert them all, with new ids."""
    rows = [
        (
            each.user,
            each.felt_at,
            uuid7(to_ms(each.felt_at)),
            each.valence,
            each.arousal,
            list(each.tags),
            json.dumps(dict(each.factors)) if each.factors else None,
            each.timezone,
            each.local_date,
        )
        for each in moods
    ]
    async with database.transaction() as connection:
        await connection.executemany(
            """
            insert into moods (user_id, felt_at, id, mood, valence, arousal, tags, factors, visibility, timezone,
                local_date, in_streak, received_at)
            values ($1, $2, $3, 'content', $4, $5, $6, $7, 'private', $8, $9, true, $2)
            """,
            rows,
        )
