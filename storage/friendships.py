"""Lists of friends and of friend requests. What changes them is storage/pairs.py."""

from collections.abc import Sequence

from msgspec import Struct

from domain.times import to_ms
from storage.postgres import Database


class Friend(Struct, frozen=True):
    """One line of somebody's friends. *shows_online*: their presence may be seen.

    *last_seen_ms*: when they last went offline, if that may be seen too.
    """

    user: str
    name: str
    since_ms: int
    shows_online: bool
    last_seen_ms: int | None


_FRIENDS = """
select f.friend_id, f.changed_at, p.display_name, coalesce(v.who_sees_online, 'friends') <> 'nobody' as shows_online,
       case when coalesce(v.who_sees_activity, 'friends') <> 'nobody' then s.at end as last_seen
from (
    select high_id as friend_id, changed_at from friendships where low_id = $1 and state = 'accepted'
    union all
    select low_id, changed_at from friendships where high_id = $1 and state = 'accepted'
) f
join users u on u.id = f.friend_id and u.deleted_at is null
join profiles p on p.user_id = f.friend_id
left join privacy v on v.user_id = f.friend_id
left join last_seen s on s.user_id = f.friend_id
where $2::uuid is null or f.friend_id > $2
order by f.friend_id limit $3
"""


async def load_friends(database: Database, user: str, after: str | None, limit: int) -> Sequence[Friend]:
    """Friends of *user* in the order of their ids, those after *after*. Raises: Unavailable."""
    rows = await database.fetch(_FRIENDS, user, after, limit)
    return [
        Friend(
            user=str(row["friend_id"]),
            name=row["display_name"],
            since_ms=to_ms(row["changed_at"]),
            shows_online=row["shows_online"],
            last_seen_ms=to_ms(row["last_seen"]) if row["shows_online"] and row["last_seen"] is not None else None,
        )
        for row in rows
    ]


class Request(Struct, frozen=True):
    """One friend request that waits for an answer."""

    user: str
    name: str
    is_incoming: bool
    at_ms: int


_REQUESTS = """
select f.other_id, f.requested_by = f.other_id as is_incoming, f.changed_at, p.display_name
from (
    select high_id as other_id, requested_by, changed_at from friendships where low_id = $1 and state = 'requested'
    union all
    select low_id, requested_by, changed_at from friendships where high_id = $1 and state = 'requested'
) f
join users u on u.id = f.other_id and u.deleted_at is null
join profiles p on p.user_id = f.other_id
where $2::uuid is null or f.other_id > $2
order by f.other_id limit $3
"""


async def load_requests(database: Database, user: str, after: str | None, limit: int) -> Sequence[Request]:
    """Requests from and to *user* in the order of the others' ids, those after *after*. Raises: Unavailable."""
    rows = await database.fetch(_REQUESTS, user, after, limit)
    return [
        Request(str(row["other_id"]), row["display_name"], row["is_incoming"], to_ms(row["changed_at"])) for row in rows
    ]
