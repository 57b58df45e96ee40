"""What people want to be reminded of, and streaks that there may be something to say about."""

from collections.abc import Sequence
from datetime import datetime

from domain.ids import uuid7
from domain.moods import local_date
from domain.times import to_ms
from storage.mood_commits import MoodCommits
from storage.mood_queue import QueuedMood
from storage.postgres import Database


async def want_reminders(database: Database, users: Sequence[str]) -> None:
    """From now on *users* want to hear of streaks at risk."""
    await database.execute(
        "insert into push_preferences (user_id, streak_reminders, changed_at) select u, true, now() from unnest($1::uuid[]) u",
        users,
    )


async def feel(database: Database, user: str, at: datetime, timezone: str) -> None:
    """A mood of *user*, saved as it is felt, that counts for the streak."""
    at_ms = to_ms(at)
    mood = QueuedMood(
        id=uuid7(at_ms),
        user=user,
        mood="calm",
        valence=0.5,
        arousal=-0.5,
        intensity=None,
        note=None,
        tags=[],
        factors=None,
        visibility="private",
        felt_ms=at_ms,
        timezone=timezone,
        day=local_date(at_ms, timezone).toordinal(),
        is_timely=True,
        received_ms=at_ms,
    )
    await MoodCommits(database, lambda: at_ms).save([mood])
