"""What people want to be reminded of, straight in the database."""

from collections.abc import Sequence

from storage.postgres import Database


async def want_reminders(database: Database, users: Sequence[str]) -> None:
    """From now on *users* want to hear of streaks at risk."""
    await database.execute(
        "insert into push_preferences (user_id, streak_reminders, changed_at) select u, true, now() from unnest($1::uuid[]) u",
        users,
    )
