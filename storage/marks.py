"""Whom somebody has muted, and whom they follow.

Invariant: no list shows anybody who does not exist for the one who asks. Follows are made in storage/pairs.py,
under the lock that a block takes too.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from domain.times import to_ms
from storage.blocks import REACHABLE
from storage.postgres import Database

# Whoever was muted until a moment ago is muted anew.
_SAVE_MUTE = f"""
insert into mutes as m (user_id, muted_id, until, created_at)
select $1, u.id, $3, $4 from users u where u.id = $2 and {REACHABLE}
on conflict (user_id, muted_id) do update set
    until = excluded.until,
    created_at = case when m.until <= excluded.created_at then excluded.created_at else m.created_at end
returning created_at
"""  # noqa: S608  joined from constants

_MUTES = f"""
select m.muted_id, m.until, m.created_at, p.display_name
from mutes m
join users u on u.id = m.muted_id and {REACHABLE}
join profiles p on p.user_id = m.muted_id
where m.user_id = $1 and (m.until is null or m.until > now()) and ($2::uuid is null or m.muted_id > $2)
order by m.muted_id limit $3
"""  # noqa: S608  joined from constants

_FOLLOWS = f"""
select f.followed_id, f.created_at, p.display_name
from follows f
join users u on u.id = f.followed_id and {REACHABLE}
join profiles p on p.user_id = f.followed_id
where f.user_id = $1 and ($2::uuid is null or f.followed_id > $2)
order by f.followed_id limit $3
"""  # noqa: S608  joined from constants


class Muted(Struct, frozen=True):
    """Somebody whom the one who asks has muted; *until_ms* None: for good."""

    user: str
    name: str
    at_ms: int
    until_ms: int | None


class Followed(Struct, frozen=True):
    """Somebody whom the one who asks follows."""

    user: str
    name: str
    at_ms: int


async def save_mute(database: Database, user: str, muted: str, until: datetime | None, at: datetime) -> datetime | None:
    """*user* mutes *muted*; since when they do, None if there is nobody to mute. Raises: Unavailable."""
    since: datetime | None = await database.fetchval(_SAVE_MUTE, user, muted, until, at)
    return since


async def delete_mute(database: Database, user: str, muted: str) -> None:
    """*user* mutes *muted* no more. Raises: Unavailable."""
    await database.execute("delete from mutes where user_id = $1 and muted_id = $2", user, muted)


async def load_mutes(database: Database, user: str, after: str | None, limit: int) -> Sequence[Muted]:
    """Whom *user* mutes now, in the order of their ids, those after *after*. Raises: Unavailable."""
    rows = await database.fetch(_MUTES, user, after, limit)
    return [
        Muted(
            user=str(row["muted_id"]),
            name=row["display_name"],
            at_ms=to_ms(row["created_at"]),
            until_ms=to_ms(row["until"]) if row["until"] is not None else None,
        )
        for row in rows
    ]


async def delete_follow(database: Database, user: str, followed: str) -> None:
    """*user* follows *followed* no more. Raises: Unavailable."""
    await database.execute("delete from follows where user_id = $1 and followed_id = $2", user, followed)


async def load_follows(database: Database, user: str, after: str | None, limit: int) -> Sequence[Followed]:
    """Whom *user* follows, in the order of their ids, those after *after*. Raises: Unavailable."""
    rows = await database.fetch(_FOLLOWS, user, after, limit)
    return [Followed(str(row["followed_id"]), row["display_name"], to_ms(row["created_at"])) for row in rows]
