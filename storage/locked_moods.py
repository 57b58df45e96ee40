"""One mood under lock: the way in which it is edited and deleted.

Invariant: the id of a mood that was deleted stays taken. Everything about a mood is changed under the lock of its row in
`mood_ids`. That row itself is written last, after the streak: whoever logs moods looks at ids, which a lock does not keep
waiting, but a change does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.mood_edits import no_such_mood
from domain.streak_book import Reckoning
from domain.times import to_ms
from storage.mood_history import OWN_COLUMNS, MoodRecord, own_record
from storage.postgres import Database
from storage.streak_book import forget_entry

_LOCK = "select felt_at, deleted_at from mood_ids where id = $2 and user_id = $1 for no key update"
# In a statement of its own: what is read together with the lock may be older than the lock.
_LOAD = f"""
select {OWN_COLUMNS} from moods m where m.user_id = $1 and m.felt_at = $2 and m.id = $3 for no key update
"""  # noqa: S608  joined from constants
_SAVE = """
update moods set mood = $4, valence = $5, arousal = $6, intensity = $7, note = $8, tags = $9, factors = $10,
                 visibility = $11, edited_at = $12
where user_id = $1 and felt_at = $2 and id = $3
"""
_DELETE = "delete from moods where user_id = $1 and felt_at = $2 and id = $3"


class Content(Struct, frozen=True, kw_only=True):
    """What an edit can change. *note*: sealed; *factors*: a JSON object."""

    mood: str
    valence: float
    arousal: float
    intensity: float | None
    note: bytes | None
    tags: list[str]
    factors: str | None
    visibility: str


class LockedMood:
    """A mood that *user* has logged; *deleted_ms*: when it was deleted, Unix ms. Lives as long as its transaction."""

    def __init__(
        self, connection: PoolConnectionProxy, user: str, mood: str, felt_at: datetime, deleted_at: datetime | None
    ) -> None:
        self._connection = connection
        self._key = (user, felt_at, mood)
        self.user = user
        self.id = mood
        self.deleted_ms = to_ms(deleted_at) if deleted_at is not None else None

    async def load(self) -> MoodRecord:
        """As it stands. Raises: NotFound if it was deleted, or has gone out of retention."""
        row = await self._connection.fetchrow(_LOAD, *self._key)
        if row is None:
            raise no_such_mood()
        return own_record(row)

    async def save(self, content: Content, at: datetime) -> MoodRecord:
        """From now on it is *content*; as it stands then."""
        await self._connection.execute(
            _SAVE,
            *self._key,
            content.mood,
            content.valence,
            content.arousal,
            content.intensity,
            content.note,
            content.tags,
            content.factors,
            content.visibility,
            at,
        )
        return await self.load()

    async def delete(self, at: datetime) -> Reckoning | None:
        """It is no more; how the streak stands then, if that has changed. Raises: NotFound as `load`."""
        own = (await self.load()).own
        await self._connection.execute(_DELETE, *self._key)
        reckoning = None
        if own is not None and own.in_streak:
            reckoning = await forget_entry(self._connection, self.user, own.local_date, at)
        await self._connection.execute("update mood_ids set deleted_at = $2 where id = $1", self.id, at)
        return reckoning


@asynccontextmanager
async def locked_mood(database: Database, user: str, mood: str) -> AsyncIterator[LockedMood]:
    """Under lock, in a transaction that commits at the end of the block and rolls back on any exception.

    Raises: NotFound if *user* has never logged it; Unavailable, also from the end of the block.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(_LOCK, user, mood)
        if row is None:
            raise no_such_mood()
        yield LockedMood(connection, user, mood, row["felt_at"], row["deleted_at"])
