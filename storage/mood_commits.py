"""From the queue to disk: a batch of moods, the streaks of whom they are, and the milestones reached, in one transaction.

Invariant: an id is one mood, whatever is queued again; a streak's book and the moods that count for it change together;
each milestone is appended once, with the book that says it was told.
"""

from collections.abc import Callable, Sequence, Set
from datetime import date, datetime
from zoneinfo import ZoneInfo

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct, field

from domain.errors import Unavailable
from domain.streak_book import Book, Reckoning, log_day, reckon, travel
from domain.streaks import Stay
from domain.times import from_ms
from storage.inbox import InboxEvent
from storage.mood_queue import QueuedMood
from storage.postgres import Database
from storage.streak_book import Page, append_milestones, load_outages, lock_or_begin_books, save_books

STAYS_MAX = 200  # looked at for one entry: nobody feels more in a day

# Ids are taken in their order, so that batches of two workers cannot wait for each other in a circle.
_STORE = """
with input as (
    select * from unnest(
        $1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::real[], $6::real[], $7::real[], $8::bytea[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::date[], $14::bool[], $15::timestamptz[]
    ) as t(id, user_id, felt_at, mood, valence, arousal, intensity, note, tags,
           factors, visibility, timezone, local_date, in_streak, received_at)
), alive as (
    select i.* from input i join users u on u.id = i.user_id and u.deleted_at is null
), fresh as (
    insert into mood_ids (id, user_id, felt_at) select id, user_id, felt_at from alive order by id
    on conflict (id) do nothing returning id
), stored as (
    insert into moods (
        user_id, felt_at, id, mood, valence, arousal, intensity, note, tags,
        factors, visibility, timezone, local_date, in_streak, received_at
    )
    select user_id, felt_at, id, mood, valence, arousal, intensity, note, coalesce(tags::text[], '{}'),
           factors, visibility, timezone, local_date, in_streak, received_at
    from alive join fresh using (id)
)
select id from fresh
"""
_KNOWN = "select id, user_id, deleted_at is not null as is_deleted from mood_ids where id = any($1::uuid[])"
# The months before are not looked at: who was silent for so long has not travelled too much.
_STAYS = """
select felt_at, timezone from moods
where user_id = $1 and felt_at <= $2 and felt_at > $2::timestamptz - interval '30 days' and id <> $3
order by felt_at desc limit $4
"""
_NOT_COUNTED = "update moods set in_streak = false where user_id = $1 and felt_at = $2 and id = $3"


class Saved(Struct):
    """What became of a batch, once it is on disk."""

    saved: list[QueuedMood] = field(default_factory=list)  # stored now, or before
    fresh: list[QueuedMood] = field(default_factory=list)  # stored now
    deleted: list[QueuedMood] = field(default_factory=list)  # stored once, and deleted since
    taken: list[QueuedMood] = field(default_factory=list)  # the id is another user's mood
    orphaned: list[QueuedMood] = field(default_factory=list)  # the user is gone
    streaks: dict[str, Reckoning] = field(default_factory=dict)  # by user, where a date was added
    events: list[InboxEvent] = field(default_factory=list)  # milestones


class MoodCommits:
    """Writes batches. Stateless: any number of workers may do so at once."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    async def save(self, batch: Sequence[QueuedMood]) -> Saved:
        """Store *batch* and all that follows from it, or nothing.

        Raises: Unavailable, also when two batches would have waited for each other; or what PostgreSQL says of a bad row.
        """
        try:
            return await self._save(batch)
        except asyncpg.DeadlockDetectedError as error:
            raise Unavailable from error

    async def _save(self, batch: Sequence[QueuedMood]) -> Saved:
        moods = list({mood.id: mood for mood in reversed(batch)}.values())  # the first of each id
        moods.reverse()
        now = from_ms(self._clock())
        saved = Saved()
        async with self._database.transaction() as connection:
            fresh = {str(row["id"]) for row in await connection.fetch(_STORE, *_columns(moods))}
            saved.fresh = [mood for mood in moods if mood.id in fresh]
            if len(fresh) < len(moods):
                await _tell_apart(connection, [mood for mood in moods if mood.id not in fresh], saved)
            saved.saved += saved.fresh
            counting = [mood for mood in saved.fresh if mood.is_timely]
            if counting:
                await self._log_days(connection, counting, now, saved)
        return saved

    async def _log_days(
        self, connection: PoolConnectionProxy, moods: Sequence[QueuedMood], now: datetime, saved: Saved
    ) -> None:
        by_user: dict[str, list[QueuedMood]] = {}
        for mood in moods:
            by_user.setdefault(mood.user, []).append(mood)
        latest = {user: _stay(max(some, key=_felt)) for user, some in by_user.items()}
        books = await lock_or_begin_books(connection, latest)
        outages = await load_outages(connection)
        pages: list[Page] = []
        for user, book in books.items():
            if await _log_all(connection, book, sorted(by_user[user], key=_felt), outages, now):
                reckoning = saved.streaks[user] = reckon(book, outages, now)
                book.told.update(reckoning.reached)
                pages.append(Page(user, book, reckoning))
        if pages:
            await save_books(connection, pages, now)
            saved.events = await append_milestones(connection, saved.streaks, now)


async def _log_all(
    connection: PoolConnectionProxy, book: Book, moods: Sequence[QueuedMood], outages: Set[date], now: datetime
) -> bool:
    """Enter *moods* of one person, in the order in which they were felt, into their *book*. Has anything changed?"""
    if all(date.fromordinal(mood.day) in book.logged and mood.timezone == book.timezone for mood in moods):
        return False
    reckon(book, outages, now)  # what was due before
    for mood in moods:
        stay = _stay(mood)
        if mood.timezone != book.timezone:
            stays = await _load_stays(connection, mood)
            if not travel(book, stays, stay):
                await connection.execute(_NOT_COUNTED, mood.user, stay.felt_at, mood.id)
                continue
        log_day(book, date.fromordinal(mood.day))
        if stay.felt_at >= book.felt_at:
            book.felt_at, book.timezone = stay.felt_at, mood.timezone
    return True


async def _load_stays(connection: PoolConnectionProxy, mood: QueuedMood) -> list[Stay]:
    rows = await connection.fetch(_STAYS, mood.user, from_ms(mood.felt_ms), mood.id, STAYS_MAX)
    return [Stay(felt_at, ZoneInfo(zone)) for felt_at, zone in reversed(rows)]


async def _tell_apart(connection: PoolConnectionProxy, moods: Sequence[QueuedMood], saved: Saved) -> None:
    """Why *moods* were not stored now."""
    known = {str(row["id"]): row for row in await connection.fetch(_KNOWN, [mood.id for mood in moods])}
    for mood in moods:
        row = known.get(mood.id)
        if row is None:
            saved.orphaned.append(mood)
        elif str(row["user_id"]) != mood.user:
            saved.taken.append(mood)
        else:
            (saved.deleted if row["is_deleted"] else saved.saved).append(mood)


def _felt(mood: QueuedMood) -> int:
    return mood.felt_ms


def _stay(mood: QueuedMood) -> Stay:
    return Stay(from_ms(mood.felt_ms), ZoneInfo(mood.timezone))


def _columns(moods: Sequence[QueuedMood]) -> tuple[list[object], ...]:
    """The arguments of `_STORE`."""
    return (
        [mood.id for mood in moods],
        [mood.user for mood in moods],
        [from_ms(mood.felt_ms) for mood in moods],
        [mood.mood for mood in moods],
        [mood.valence for mood in moods],
        [mood.arousal for mood in moods],
        [mood.intensity for mood in moods],
        [mood.note for mood in moods],
        [array_literal(mood.tags) if mood.tags else None for mood in moods],
        [mood.factors for mood in moods],
        [mood.visibility for mood in moods],
        [mood.timezone for mood in moods],
        [date.fromordinal(mood.day) for mood in moods],
        [mood.is_timely for mood in moods],
        [from_ms(mood.received_ms) for mood in moods],
    )


def array_literal(texts: Sequence[str]) -> str:
    """*texts* as PostgreSQL writes a text[]: `unnest` cannot take an array of arrays of different lengths."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
