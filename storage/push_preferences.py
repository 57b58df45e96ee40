"""What people want to be told, where, and when not; without a row, the defaults of domain/preferences.py.

Invariant: only what differs from the defaults is stored of the switches, so that a new default reaches whoever never chose.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from domain.preferences import CHANNELS_ON, Preferences, Preview
from domain.quiet_hours import QuietHours
from storage.postgres import Database

_COLUMNS = "user_id, switches, quiet_start, quiet_end, timezone, preview, language, streak_reminders"
_LOAD = f"select {_COLUMNS} from push_preferences where user_id = any($1::uuid[])"  # noqa: S608  a constant
_LOCK = f"select {_COLUMNS} from push_preferences where user_id = $1 for update"  # noqa: S608  a constant
_SAVE = """
update push_preferences set
    switches = $2, quiet_start = $3, quiet_end = $4, timezone = $5, preview = $6, language = $7, streak_reminders = $8,
    changed_at = $9
where user_id = $1
"""

# Quiet hours may have been what is waited for.
_ASK_AGAIN = "update bursts set due_at = $2 where user_id = $1 and due_at > $2"

_UNCHOSEN = Preferences()


async def load_preferences(database: Database | PoolConnectionProxy, users: Sequence[str]) -> dict[str, Preferences]:
    """The preferences of each of *users*, in one query. Raises: Unavailable."""
    chosen = {str(row["user_id"]): _preferences(row) for row in await database.fetch(_LOAD, users)}
    return {user: chosen.get(user, _UNCHOSEN) for user in users}


async def change_preferences(
    database: Database, user: str, change: Callable[[Preferences], Preferences], at: datetime
) -> Preferences:
    """Save what *change* makes of the preferences there are, and return it. Nobody else changes them meanwhile.

    Raises: what *change* raises, with nothing saved; Unavailable.
    """
    async with database.transaction() as connection:
        await connection.execute(
            "insert into push_preferences (user_id, changed_at) values ($1, $2) on conflict do nothing", user, at
        )
        (row,) = await connection.fetch(_LOCK, user)
        before = _preferences(row)
        after = change(before)
        after = msgspec.structs.replace(after, switches=_differing(after.switches))
        if after != before:
            quiet = after.quiet_hours
            await connection.execute(
                _SAVE,
                user,
                msgspec.json.encode(after.switches).decode(),
                quiet.start if quiet is not None else None,
                quiet.end if quiet is not None else None,
                quiet.timezone if quiet is not None else None,
                after.preview,
                after.language,
                after.streak_reminders,
                at,
            )
            await connection.execute(_ASK_AGAIN, user, at)
        return after


def _differing(switches: Mapping[str, bool]) -> dict[str, bool]:
    """Those of *switches* that are not as they would be without anybody's choice."""
    return {name: is_on for name, is_on in switches.items() if is_on != CHANNELS_ON.get(name, True)}


def _preferences(row: asyncpg.Record) -> Preferences:
    quiet = None
    if row["quiet_start"] is not None:
        quiet = QuietHours(row["quiet_start"], row["quiet_end"], row["timezone"])
    return Preferences(
        switches=msgspec.json.decode(row["switches"], type=dict[str, bool]),
        quiet_hours=quiet,
        preview=Preview(row["preview"]),
        language=row["language"],
        streak_reminders=row["streak_reminders"],
    )
