"""What a session needs to know of its user when it opens: one query for all who said `hello` meanwhile."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from domain.groups import AHEAD_MAX_MS, LASTS_MAX_MS
from storage.postgres import Database

# Whoever has sat in thousands of group hugs that are over must not be asked about them all at every opening.
SEATS_SINCE = timedelta(milliseconds=AHEAD_MAX_MS + LASTS_MAX_MS, hours=1)  # no group is open for longer

_LOAD = """
select w.ord, p.display_name, coalesce(h.seq, 0) as head, coalesce(h.acked_seq, 0) as acked,
       (select i.seq from inbox i where i.user_id = w.user_id and i.seq > w.after order by i.seq limit 1) as next,
       exists (select from token_families t where t.id = w.sid and t.revoked_at is not null) as is_revoked,
       array(
           select f.high_id from friendships f left join privacy v on v.user_id = f.high_id
           where f.low_id = w.user_id and f.state = 'accepted' and coalesce(v.who_sees_online, 'friends') <> 'nobody'
           union all
           select f.low_id from friendships f left join privacy v on v.user_id = f.low_id
           where f.high_id = w.user_id and f.state = 'accepted' and coalesce(v.who_sees_online, 'friends') <> 'nobody'
       ) as friends,
       array(
           select m.group_id from group_members m join groups g on g.id = m.group_id
           where m.user_id = w.user_id and m.state = 'joined' and m.joined_at > now() - $4::interval and g.ended_at is null
       ) as rooms
from unnest($1::uuid[], $2::bigint[], $3::uuid[]) with ordinality as w(user_id, after, sid, ord)
join users u on u.id = w.user_id and u.deleted_at is null
join profiles p on p.user_id = w.user_id
left join inbox_heads h on h.user_id = w.user_id
"""


class Wanted(Struct, frozen=True, gc=False):
    """Who opens: *after* is the cursor the client holds, or None; *sid* the log-in of its token."""

    user: str
    after: int | None
    sid: str


class Opening(Struct, frozen=True, gc=False):
    """The state of a user. *next_seq*: the first event after the client's cursor that is still kept."""

    name: str
    head: int
    acked: int
    next_seq: int | None
    is_revoked: bool
    friends: list[str]  # whose presence may be seen
    rooms: list[str]  # in which the user has a seat


async def load_openings(database: Database, wanted: Sequence[Wanted]) -> list[Opening | None]:
    """One entry per wanted, in order; None where there is no such user. Raises: Unavailable."""
    rows = await database.fetch(
        _LOAD,
        [w.user for w in wanted],
        [2**62 if w.after is None else w.after for w in wanted],
        [w.sid for w in wanted],
        SEATS_SINCE,
    )
    found: list[Opening | None] = [None] * len(wanted)
    for row in rows:
        found[row["ord"] - 1] = Opening(
            name=row["display_name"],
            head=row["head"],
            acked=row["acked"],
            next_seq=row["next"],
            is_revoked=row["is_revoked"],
            friends=[str(friend) for friend in row["friends"]],
            rooms=[str(room) for room in row["rooms"]],
        )
    return found
