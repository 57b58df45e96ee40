"""What time asks of group hugs: which are due, and which seats must be looked after."""

from collections.abc import Sequence

from msgspec import Struct

from domain.times import from_ms, to_ms
from storage.postgres import Database


class HeldSeat(Struct, frozen=True, gc=False):
    """Somebody with a seat in a room that is open. *away_ms*: connected nowhere since then."""

    group: str
    user: str
    away_ms: int | None


async def load_due(database: Database, now_ms: int, limit: int) -> list[str]:
    """Groups whose start or expiry has come, at most *limit* of each. Raises: Unavailable."""
    rows = await database.fetch(
        """
        (select id from groups where state = 'scheduled' and starts_at <= $1 order by starts_at limit $2)
        union
        (select id from groups where ended_at is null and expires_at <= $1 order by expires_at limit $2)
        """,
        from_ms(now_ms),
        limit,
    )
    return [str(row["id"]) for row in rows]


async def load_seats_held(database: Database, after: HeldSeat | None, limit: int) -> Sequence[HeldSeat]:
    """Seats in rooms that have opened and are not over, in the order of group and user. Raises: Unavailable.

    Until a scheduled group begins, nobody need be connected to keep a seat in it.
    """
    rows = await database.fetch(
        """
        select m.group_id, m.user_id, m.away_at
        from groups g join group_members m on m.group_id = g.id
        where g.ended_at is null and g.state <> 'scheduled' and m.state = 'joined'
          and ($1::uuid is null or (m.group_id, m.user_id) > ($1, $2::uuid))
        order by m.group_id, m.user_id limit $3
        """,
        after.group if after is not None else None,
        after.user if after is not None else None,
        limit,
    )
    return [HeldSeat(str(group), str(user), to_ms(away) if away else None) for group, user, away in rows]
