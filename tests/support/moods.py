"""Moods put straight into the database, for tests of what reads them."""

from datetime import date, datetime

from domain.ids import uuid7
from domain.times import to_ms
from storage.postgres import Database


async def feel(
    database: Database, user: str, felt_at: datetime, valence: float, *, day: date, timezone: str = "UTC"
) -> None:
    """An entry of *user*; *day*: its local date."""
    await database.execute(
        "insert into moods (user_id, felt_at, id, mood, valence, arousal, visibility, timezone, local_date, in_streak,"
        " received_at) values ($1, $2, $3, 'so', $4, 0, 'private', $5, $6, true, $2)",
        user,
        felt_at,
        uuid7(to_ms(felt_at)),
        valence,
        timezone,
        day,
    )
