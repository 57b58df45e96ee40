"""The mailbox: one ordered, gap-free, durable event log per user.

Invariant: the `seq` of a user's committed rows are 1, 2, 3 … without gap, because a number is taken
from `inbox_heads` under that row's lock, which is held until the commit.
"""

from collections.abc import Sequence

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from storage.postgres import Database


class NewEvent(Struct, frozen=True, gc=False):
    """A durable event that is about to be appended: *body* is `codec.encode_body(event)`."""

    user: str
    kind: str
    body: bytes


class InboxEvent(Struct, frozen=True, gc=False):
    """A durable event as it stands in the mailbox of *user*."""

    user: str
    seq: int
    body: bytes


_APPEND = """
with input as (
    select * from unnest($1::uuid[], $2::text[], $3::bytea[]) with ordinality as t(user_id, kind, body, ord)
), heads as (
    insert into inbox_heads as h (user_id, seq)
    select i.user_id, count(*) from input i group by 1 order by 1
    on conflict (user_id) do update set seq = h.seq + excluded.seq
    returning user_id, seq
), placed as materialized (
    select i.ord, i.user_id, i.kind, i.body,
           heads.seq - count(*) over (partition by i.user_id) + row_number() over (partition by i.user_id order by ord) as seq
    from input i join heads using (user_id)
), stored as (
    insert into inbox (user_id, seq, kind, body, at) select user_id, seq, kind, body, now() from placed
)
select ord, seq from placed order by ord
"""


async def append_within(connection: PoolConnectionProxy, events: Sequence[NewEvent]) -> list[InboxEvent]:
    """Append *events* inside the caller's transaction; ring them (`Delivery.ring`) only after it has committed.

    Locks the heads of the recipients in `user_id` order: call it once per transaction, as its last statement.
    """
    rows = await connection.fetch(_APPEND, [e.user for e in events], [e.kind for e in events], [e.body for e in events])
    return [InboxEvent(event.user, row["seq"], event.body) for event, row in zip(events, rows, strict=True)]


_LOAD_AFTER = """
select w.ord, i.seq, i.body
from unnest($1::uuid[], $2::bigint[]) with ordinality as w(user_id, after, ord)
cross join lateral (
    select seq, body from inbox where user_id = w.user_id and seq > w.after order by seq limit $3
) i
order by w.ord, i.seq
"""


async def load_after(database: Database, cursors: Sequence[tuple[str, int]], limit: int) -> list[InboxEvent]:
    """For each (user, after): the next events in order, at most *limit* each, in one query. Raises: Unavailable."""
    users = [user for user, _ in cursors]
    rows = await database.fetch(_LOAD_AFTER, users, [after for _, after in cursors], limit)
    return [InboxEvent(users[ord_ - 1], seq, body) for ord_, seq, body in rows]


async def load_heads(database: Database, users: Sequence[str]) -> dict[str, int]:
    """The last `seq` of each of *users*. Raises: Unavailable."""
    rows = await database.fetch(
        "select w.ord, h.seq from unnest($1::uuid[]) with ordinality as w(user_id, ord) join inbox_heads h using (user_id)",
        users,
    )
    return {users[ord_ - 1]: seq for ord_, seq in rows}


async def load_head(database: Database, user: str) -> tuple[int, int]:
    """The last `seq` of *user*, and the last acknowledged one. Raises: Unavailable."""
    row = await database.fetchrow("select seq, acked_seq from inbox_heads where user_id = $1", user)
    return (row["seq"], row["acked_seq"]) if row is not None else (0, 0)


async def load_epoch(database: Database) -> str:
    """The incarnation of this database: cursors of another one mean nothing here. Raises: Unavailable."""
    return str(await database.fetchval("select epoch from meta"))
