"""People as others see them. Finding them is storage/search.py.

Invariant: no query here shows anybody who is deleted or has blocked the one who asks: to them they do not exist.
Whom the asker has blocked they can still look up, in order to know it, and do not find.
"""

import asyncpg
from msgspec import Struct

from domain.friendships import Friendship
from domain.times import to_ms
from storage.postgres import Database


class Profile(Struct, frozen=True, kw_only=True):
    """Another user, what they are to the one who asks, and the asker's own marks."""

    user: str
    name: str
    username: str | None
    friendship: Friendship
    about: str | None
    last_seen_ms: int | None  # when they last went offline, if the asker may see it
    is_following: bool
    is_muted: bool
    is_blocked: bool


# For user `u` with profile `p`. Presence is for friends only, and so is when somebody was last seen.
COLUMNS = """
u.id, u.username, p.display_name, p.about,
case when f.state is null then 'none' when f.state = 'accepted' then 'friends'
     when f.requested_by = $1 then 'requested' else 'incoming' end as friendship,
case when f.state = 'accepted' and coalesce(v.who_sees_online, 'friends') <> 'nobody'
          and coalesce(v.who_sees_activity, 'friends') <> 'nobody'
     then (select s.at from last_seen s where s.user_id = u.id) end as last_seen,
exists (select from follows w where w.user_id = $1 and w.followed_id = u.id) as is_following,
exists (select from mutes m where m.user_id = $1 and m.muted_id = u.id and (m.until is null or m.until > now())) as is_muted,
exists (select from blocks o where o.user_id = $1 and o.blocked_id = u.id) as is_blocked
"""
JOINS = """
join profiles p on p.user_id = u.id
left join friendships f on f.low_id = least($1::uuid, u.id) and f.high_id = greatest($1::uuid, u.id)
left join privacy v on v.user_id = u.id
"""

_LOAD = f"""
select {COLUMNS} from users u {JOINS}
where u.id = $2 and u.deleted_at is null
  and not exists (select from blocks b where b.user_id = u.id and b.blocked_id = $1)
"""  # noqa: S608  joined from constants


async def load_profile(database: Database, asker: str, user: str) -> Profile | None:
    """*user* as *asker* sees them; None if there is nobody to see. Raises: Unavailable."""
    row = await database.fetchrow(_LOAD, asker, user)
    return profile_of(row) if row is not None else None


async def save_profile(database: Database, user: str, name: str | None, about: str | None, *, keep_about: bool) -> None:
    """From now on others see *user* so; *name* None leaves it as it is. Raises: Unavailable."""
    await database.execute(
        """
        update profiles set display_name = coalesce($2, display_name), about = case when $4 then about else $3 end
        where user_id = $1
        """,
        user,
        name,
        about,
        keep_about,
    )


def profile_of(row: asyncpg.Record) -> Profile:
    """The profile in a row with `COLUMNS`."""
    return Profile(
        user=str(row["id"]),
        name=row["display_name"],
        username=row["username"],
        friendship=Friendship(row["friendship"]),
        about=row["about"],
        last_seen_ms=to_ms(row["last_seen"]) if row["last_seen"] is not None else None,
        is_following=row["is_following"],
        is_muted=row["is_muted"],
        is_blocked=row["is_blocked"],
    )
