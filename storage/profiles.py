"""People as others find and see them.

Invariant: no query here shows anybody who is blocked, in either direction, or deleted: to the one who asks
they do not exist.
"""

from collections.abc import Sequence

import asyncpg
from msgspec import Struct

from domain.friendships import Friendship
from protocol.fields import Id, Name
from storage.postgres import Database


class Profile(Struct, frozen=True):
    """Another user, and what they are to the one who asks. *sort_key*, then *user* order search results."""

    user: str
    name: str
    username: str | None
    friendship: Friendship
    sort_key: str


class SearchPosition(Struct, frozen=True, array_like=True):
    """The last one of a page."""

    sort_key: Name
    user: Id


_FRIENDSHIP = """
case when f.state is null then 'none' when f.state = 'accepted' then 'friends'
     when f.requested_by = $1 then 'requested' else 'incoming' end as friendship
"""
_REACHABLE = """
u.deleted_at is null and not exists (
    select from blocks b where (b.user_id = $1 and b.blocked_id = u.id) or (b.user_id = u.id and b.blocked_id = $1)
)
"""

_LOAD = f"""
select u.id, u.username, p.display_name, lower(p.display_name) as sort_key, {_FRIENDSHIP}
from users u
join profiles p on p.user_id = u.id
left join friendships f on f.low_id = least($1::uuid, u.id) and f.high_id = greatest($1::uuid, u.id)
where u.id = $2 and {_REACHABLE}
"""  # noqa: S608  joined from constants

_SEARCH = f"""
select u.id, u.username, p.display_name, lower(p.display_name) as sort_key, {_FRIENDSHIP}
from (
    select id from users where username like lower($2)
    union
    select user_id from profiles where lower(display_name) like lower($2)
) found
join users u on u.id = found.id and u.id <> $1
join profiles p on p.user_id = u.id
left join friendships f on f.low_id = least($1::uuid, u.id) and f.high_id = greatest($1::uuid, u.id)
left join privacy v on v.user_id = u.id
where {_REACHABLE}
  and (coalesce(v.who_finds, 'everyone') = 'everyone' or (v.who_finds = 'friends' and f.state = 'accepted'))
  and ($3::text is null or (lower(p.display_name), u.id) > ($3::text, $4::uuid))
order by lower(p.display_name), u.id
limit $5
"""  # noqa: S608  joined from constants


async def load_profile(database: Database, asker: str, user: str) -> Profile | None:
    """*user* as *asker* sees them; None if there is nobody to see. Raises: Unavailable."""
    row = await database.fetchrow(_LOAD, asker, user)
    return _profile(row) if row is not None else None


async def search_profiles(
    database: Database, asker: str, prefix: str, after: SearchPosition | None, limit: int
) -> Sequence[Profile]:
    """Whose username or name begins with *prefix*, in any case; those after *after*. Raises: Unavailable."""
    pattern = prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    sort_key, user = (after.sort_key, after.user) if after is not None else (None, None)
    rows = await database.fetch(_SEARCH, asker, pattern, sort_key, user, limit)
    return [_profile(row) for row in rows]


def _profile(row: asyncpg.Record) -> Profile:
    return Profile(
        user=str(row["id"]),
        name=row["display_name"],
        username=row["username"],
        friendship=Friendship(row["friendship"]),
        sort_key=row["sort_key"],
    )
