"""What the live side of group hugs reads: where rooms stand, who of some users sits in them, who hides from whom."""

from collections.abc import Sequence

from msgspec import Struct

from storage.postgres import Database


class RoomRow(Struct, frozen=True, gc=False):
    """A group as its room needs it."""

    id: str
    version: int
    state: str
    host: str
    count: int


async def load_rooms(database: Database, rooms: Sequence[str]) -> list[RoomRow]:
    """Those of *rooms* that exist. Raises: Unavailable."""
    rows = await database.fetch(
        "select id, version, state, host_id, joined from groups where id = any($1::uuid[])", list(rooms)
    )
    return [RoomRow(str(id_), version, state, str(host), joined) for id_, version, state, host, joined in rows]


async def load_seats(database: Database, rooms: Sequence[str], users: Sequence[str]) -> set[tuple[str, str]]:
    """(room, user) for those of *users* who have a seat in one of *rooms*. Raises: Unavailable."""
    rows = await database.fetch(
        """
        select group_id, user_id from group_members
        where user_id = any($2::uuid[]) and group_id = any($1::uuid[]) and state = 'joined'
        """,
        list(rooms),
        list(users),
    )
    return {(str(room), str(user)) for room, user in rows}


_HIDDEN = """
select w.room, w.mover, m.user_id
from unnest($1::uuid[], $2::uuid[]) as w(room, mover)
join blocks b on b.user_id = w.mover or b.blocked_id = w.mover
join group_members m on m.group_id = w.room and m.state = 'joined'
    and m.user_id = case when b.user_id = w.mover then b.blocked_id else b.user_id end
"""


async def load_hidden(database: Database, movers: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """For each (room, mover): members of the room with whom a block stands between, in either direction. Raises: Unavailable."""
    rows = await database.fetch(_HIDDEN, [room for room, _ in movers], [mover for _, mover in movers])
    hidden: dict[tuple[str, str], list[str]] = {}
    for room, mover, member in rows:
        hidden.setdefault((str(room), str(mover)), []).append(str(member))
    return hidden
