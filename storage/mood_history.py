"""The history of moods, newest felt first, as their owner and as others may see it. What changes moods is storage/locked_moods.py.

Invariant: no query for others shows an entry unless neither has blocked the other, the owner's privacy lets the one who
asks see moods, and the entry is for everybody, or for friends and they are friends. What is the owner's alone is not read.

A page is a walk along the primary key from where the page before ended, back to a moment that moves into the past until
the page is full: months beyond it are not even planned for. For many people, one walk each along the entries that are not
private: nobody's whole history is sorted.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import asyncpg
import msgspec
from msgspec import Meta, Struct

from domain.times import to_ms
from protocol.fields import Id
from storage.blocks import REACHABLE
from storage.postgres import Database

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # nothing was felt before, or after
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
AGES = LATEST - EARLIEST
REACHES = (timedelta(days=62), timedelta(days=366), AGES)  # into the past, until a page is full
SHARED_REACHES = (timedelta(days=2), timedelta(days=30), timedelta(days=366), AGES)  # many people fill it sooner
FIRST_ID = "00000000-0000-0000-0000-000000000000"

_FACTORS = msgspec.json.Decoder(dict[str, float | bool])


class MoodPosition(Struct, frozen=True, array_like=True):
    """In a list of moods: the last one shown."""

    felt_at: Annotated[datetime, Meta(tz=True)]
    mood: Id


class WantedMoods(Struct, frozen=True, kw_only=True):
    """Which moods: felt from *since* on and before *until*, with the word *mood*, with *tag*, after *position*."""

    since: datetime | None = None
    until: datetime | None = None
    mood: str | None = None
    tag: str | None = None  # of one's own only
    position: MoodPosition | None = None


class OwnPart(Struct, frozen=True, kw_only=True):
    """What only the owner sees. *note*: sealed for (moods, note, id)."""

    note: bytes | None
    tags: list[str]
    factors: dict[str, float | bool]
    timezone: str
    local_date: date
    in_streak: bool
    edited_ms: int | None


class MoodRecord(Struct, frozen=True, kw_only=True):
    """A mood as the one who asks may see it; *own* is None, and *name* is the owner's, unless they are the owner."""

    id: str
    user: str
    mood: str
    valence: float
    arousal: float
    intensity: float | None
    visibility: str
    felt_at: datetime
    own: OwnPart | None = None
    name: str | None = None

    @property
    def felt_ms(self) -> int:
        """When it was felt, in Unix ms."""
        return to_ms(self.felt_at)

    @property
    def position(self) -> MoodPosition:
        """Where a page ends whose last one this is."""
        return MoodPosition(self.felt_at, self.id)


_SHARED_COLUMNS = "m.id, m.user_id, m.mood, m.valence, m.arousal, m.intensity, m.visibility, m.felt_at"
OWN_COLUMNS = f"{_SHARED_COLUMNS}, m.note, m.tags, m.factors, m.timezone, m.local_date, m.in_streak, m.edited_at"

# The bound on felt_at alone says the same as that on the pair, in a form by which months are passed over.
_PAGE = """
m.felt_at >= $2 and m.felt_at <= $3 and (m.felt_at, m.id) < ($3, $4::uuid)
and ($5::text is null or lower(m.mood) = lower($5))
"""
_OWN = f"""
select {OWN_COLUMNS} from moods m
where m.user_id = $1 and {_PAGE} and ($7::text is null or $7 = any(m.tags))
order by m.felt_at desc, m.id desc limit $6
"""  # noqa: S608  joined from constants
_PLACE = "select user_id, felt_at from mood_ids where id = $1 and deleted_at is null"
_OWN_ONE = f"select {OWN_COLUMNS} from moods m where m.user_id = $1 and m.felt_at = $2 and m.id = $3"  # noqa: S608

# Who of `people` (id, is_friend) lets $1 see moods. Nobody does without a choice.
_OWNERS = f"""
owners as materialized (
    select u.id, p.display_name, o.is_friend from people o
    join users u on u.id = o.id and u.id <> $1 and {REACHABLE}
    join profiles p on p.user_id = u.id
    join privacy v on v.user_id = u.id
    where v.who_sees_moods = 'everyone' or (v.who_sees_moods = 'friends' and o.is_friend)
)
"""  # noqa: S608  joined from constants
_IS_OPEN = "m.visibility <> 'private' and (m.visibility = 'public' or (m.visibility = 'friends' and o.is_friend))"
_ONE_PERSON = """
select {user} as id, exists (
    select from friendships f
    where f.low_id = least($1::uuid, {user}) and f.high_id = greatest($1::uuid, {user}) and f.state = 'accepted'
) as is_friend
"""
_OTHERS = f"""
with people as ({{people}}), {_OWNERS}
select x.*, o.display_name from owners o
cross join lateral (
    select {_SHARED_COLUMNS} from moods m
    where m.user_id = o.id and {_IS_OPEN} and {_PAGE}
    order by m.felt_at desc, m.id desc limit $6
) x
order by x.felt_at desc, x.id desc limit $6
"""  # noqa: S608  joined from constants
_OF_ONE = _OTHERS.format(people=_ONE_PERSON.format(user="$7::uuid"))
_OF_ALL = _OTHERS.format(
    people="""
    select id, bool_or(is_friend) as is_friend from (
        select high_id as id, true as is_friend from friendships where low_id = $1 and state = 'accepted'
        union all select low_id, true from friendships where high_id = $1 and state = 'accepted'
        union all select followed_id, false from follows where user_id = $1
    ) known group by id
    """
)
_OTHERS_ONE = f"""
with people as ({_ONE_PERSON.format(user="$2::uuid")}), {_OWNERS}
select {_SHARED_COLUMNS}, o.display_name from owners o
join moods m on m.user_id = o.id and m.user_id = $2 and m.felt_at = $3 and m.id = $4
where {_IS_OPEN}
"""  # noqa: S608  joined from constants


async def load_own_moods(
    database: Database, user: str, wanted: WantedMoods, limit: int, now: datetime
) -> Sequence[MoodRecord]:
    """The next *limit* moods of *user*, by themselves. Raises: Unavailable."""
    rows = await _walk(database, _OWN, REACHES, user, wanted, limit, now, wanted.tag)
    return [own_record(row) for row in rows]


async def load_moods_of(
    database: Database, asker: str, user: str, wanted: WantedMoods, limit: int, now: datetime
) -> Sequence[MoodRecord]:
    """The next *limit* moods of *user* that *asker* may see; none of whoever does not exist. Raises: Unavailable."""
    rows = await _walk(database, _OF_ONE, REACHES, asker, wanted, limit, now, user)
    return [_others_record(row) for row in rows]


async def load_shared_moods(
    database: Database, asker: str, wanted: WantedMoods, limit: int, now: datetime
) -> Sequence[MoodRecord]:
    """The next *limit* moods of all friends of *asker* and whom they follow, as far as they may see them. Raises: Unavailable."""
    rows = await _walk(database, _OF_ALL, SHARED_REACHES, asker, wanted, limit, now)
    return [_others_record(row) for row in rows]


async def _walk(
    database: Database,
    sql: str,
    reaches: Sequence[timedelta],
    asker: str,
    wanted: WantedMoods,
    limit: int,
    now: datetime,
    *more: str | None,
) -> Sequence[asyncpg.Record]:
    since, until, mood = _bounds(wanted)
    rows: Sequence[asyncpg.Record] = ()
    for reach in reaches:
        start = max(since, min(until, now) - reach)
        rows = await database.fetch(sql, asker, start, until, mood, wanted.mood, limit, *more)
        if len(rows) == limit or start == since:
            break
    return rows


async def load_mood(database: Database, asker: str, mood: str) -> MoodRecord | None:
    """One mood as *asker* may see it. Raises: Unavailable."""
    place = await database.fetchrow(_PLACE, mood)
    if place is None:
        return None
    user, felt_at = str(place["user_id"]), place["felt_at"]
    if user == asker:
        row = await database.fetchrow(_OWN_ONE, user, felt_at, mood)
        return own_record(row) if row is not None else None
    row = await database.fetchrow(_OTHERS_ONE, asker, user, felt_at, mood)
    return _others_record(row) if row is not None else None


def _bounds(wanted: WantedMoods) -> tuple[datetime, datetime, str]:
    """From when on; and the moment and the id before which the page begins."""
    since, until, mood = _clamped(wanted.since or EARLIEST), _clamped(wanted.until or LATEST), FIRST_ID
    position = wanted.position
    if position is not None and position.felt_at < until:
        until, mood = _clamped(position.felt_at), position.mood
    return since, until, mood


def _clamped(moment: datetime) -> datetime:
    return max(EARLIEST, min(moment, LATEST))


def own_record(row: asyncpg.Record) -> MoodRecord:
    """The mood in a row with `OWN_COLUMNS`."""
    edited_at = row["edited_at"]
    own = OwnPart(
        note=row["note"],
        tags=row["tags"],
        factors=_FACTORS.decode(row["factors"]) if row["factors"] is not None else {},
        timezone=row["timezone"],
        local_date=row["local_date"],
        in_streak=row["in_streak"],
        edited_ms=to_ms(edited_at) if edited_at is not None else None,
    )
    return msgspec.structs.replace(_others_record(row), own=own, name=None)


def _others_record(row: asyncpg.Record) -> MoodRecord:
    intensity = row["intensity"]
    return MoodRecord(
        id=str(row["id"]),
        user=str(row["user_id"]),
        name=row.get("display_name"),
        mood=row["mood"],
        valence=as_said(row["valence"]),
        arousal=as_said(row["arousal"]),
        intensity=as_said(intensity) if intensity is not None else None,
        visibility=row["visibility"],
        felt_at=row["felt_at"],
    )


def as_said(real: float) -> float:
    """A number of 4 bytes as it was before it was stored: 0.33, not 0.33000001311302185."""
    return round(real, 7)
