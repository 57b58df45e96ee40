"""Two people under one lock: the only way in which friendships and blocks are changed.

Invariant: two transactions that concern the same person never interleave, because each begins by locking
both users' rows in the order of their ids. So crossing requests meet, the numbers of friends and follows cannot
pass their limits, and where there is a block, in either direction, there is neither friendship nor follow.

Whether the other exists, exists no more or is blocked, the same statements run: how long an answer takes does
not tell them apart.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from domain.friendships import DAY_MS, Friendship
from domain.privacy import Relation, no_such_user
from domain.times import to_ms
from storage.hug_requests import cancel_between_within
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database
from storage.privacy import columns_of, privacy_of

# Weaker than `for update`: rows that refer to a user may be inserted meanwhile.
_LOCK = "select id from users where id in ($1, $2) and deleted_at is null order by id for no key update"

# In a statement of its own: what is read together with the lock may be older than the lock.
_LOAD = f"""
select mine.display_name as own_name, theirs.display_name as other_name,
       {columns_of("v")},
       f.state, f.requested_by = $1 as is_mine, f.changed_at,
       exists (select from blocks where user_id = $1 and blocked_id = $2) as has_blocked,
       exists (select from blocks where user_id = $2 and blocked_id = $1) as is_blocked_by
from profiles mine
left join profiles theirs on theirs.user_id = $2
left join privacy v on v.user_id = $2
left join friendships f on f.low_id = least($1::uuid, $2::uuid) and f.high_id = greatest($1::uuid, $2::uuid)
where mine.user_id = $1
"""  # noqa: S608  joined from constants

_SAVE_FRIENDSHIP = """
insert into friendships (low_id, high_id, state, requested_by, changed_at)
values (least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid), $3, $4, $5)
on conflict (low_id, high_id) do update set state = excluded.state, changed_at = excluded.changed_at
"""

_DELETE_FRIENDSHIP = """
delete from friendships where low_id = least($1::uuid, $2::uuid) and high_id = greatest($1::uuid, $2::uuid)
"""

# Without a row in users, of whom does not exist, there is nothing to store.
_BLOCK = """
with ended as (
    delete from friendships where low_id = least($1::uuid, $2::uuid) and high_id = greatest($1::uuid, $2::uuid)
), unfollowed as (
    delete from follows where (user_id = $1 and followed_id = $2) or (user_id = $2 and followed_id = $1)
)
insert into blocks (user_id, blocked_id, created_at)
select $1, id, $3 from users where id = $2 and deleted_at is null
on conflict do nothing
"""

_FOLLOW = """
with made as (
    insert into follows (user_id, followed_id, created_at) values ($1, $2, $3) on conflict do nothing returning created_at
)
select created_at from made union all select created_at from follows where user_id = $1 and followed_id = $2 limit 1
"""

_COUNT_FRIENDS = """
select (select count(*) from friendships where (low_id = $1 or high_id = $1) and state = 'accepted'),
       (select count(*) from friendships where (low_id = $2 or high_id = $2) and state = 'accepted')
"""

_COUNT_REQUEST = """
insert into friend_request_counts as c (user_id, since, made) values ($1, $2, 1)
on conflict (user_id) do update set
    since = case when c.since <= $3 then excluded.since else c.since end,
    made = case when c.since <= $3 then 1 else c.made + 1 end
returning made, since
"""


class LockedPair:
    """*user*, who acts, and *other*, who may not exist: *relation* is what the other is to the user.

    Lives as long as its transaction. Only `save_block` and `delete_block` may be called for whoever does not exist.
    """

    def __init__(
        self, connection: PoolConnectionProxy, user: str, other: str, row: asyncpg.Record, *, exists: bool
    ) -> None:
        self._connection = connection
        self.user = user
        self.other = other
        self.own_name: str = row["own_name"]
        self.friendship = _seen(row["state"], is_mine=bool(row["is_mine"]))
        self.changed_ms = to_ms(row["changed_at"]) if row["changed_at"] else None  # of the friendship
        self.has_blocked: bool = row["has_blocked"]  # the user, the other
        self.relation = Relation(
            exists=exists,
            is_friend=self.friendship is Friendship.FRIENDS,
            is_blocked=row["has_blocked"] or row["is_blocked_by"],
            privacy=privacy_of(row),
            name=row["other_name"] or "",
        )

    async def save_friendship(self, friendship: Friendship, at: datetime) -> None:
        """From now on the other is *friendship* to the user."""
        if friendship is Friendship.NONE:
            await self._connection.execute(_DELETE_FRIENDSHIP, self.user, self.other)
            return
        state = "accepted" if friendship is Friendship.FRIENDS else "requested"
        asker = self.other if friendship is Friendship.INCOMING else self.user
        await self._connection.execute(_SAVE_FRIENDSHIP, self.user, self.other, state, asker, at)

    async def save_block(self, at: datetime) -> None:
        """The user blocks the other: friendship, requests and follows between the two end. Nothing for nobody."""
        await self._connection.execute(_BLOCK, self.user, self.other, at)
        await cancel_between_within(self._connection, self.user, self.other, at)

    async def delete_block(self) -> None:
        """The user blocks the other no more."""
        await self._connection.execute(
            "delete from blocks where user_id = $1 and blocked_id = $2", self.user, self.other
        )

    async def save_follow(self, at: datetime) -> datetime:
        """The user follows the other; since when, if they did already."""
        since: datetime = await self._connection.fetchval(_FOLLOW, self.user, self.other, at)
        return since

    async def count_follows(self) -> int:
        """How many the user follows, but for the other; true until the end of the transaction."""
        made: int = await self._connection.fetchval(
            "select count(*) from follows where user_id = $1 and followed_id <> $2", self.user, self.other
        )
        return made

    async def count_friends(self) -> tuple[int, int]:
        """How many friends the user has, and the other; both stay true until the end of the transaction."""
        row = await self._connection.fetchrow(_COUNT_FRIENDS, self.user, self.other)
        assert row is not None  # noqa: S101  two aggregates are one row
        return row[0], row[1]

    async def count_request(self, at: datetime) -> tuple[int, int]:
        """Count one more request of the user: how many, since when (Unix ms). A day after its start the count starts over."""
        row = await self._connection.fetchrow(_COUNT_REQUEST, self.user, at, at - timedelta(milliseconds=DAY_MS))
        assert row is not None  # noqa: S101  an upsert returns its row
        return row["made"], to_ms(row["since"])

    @property
    def connection(self) -> PoolConnectionProxy:
        """For what else belongs into the same transaction, and comes before `append`."""
        return self._connection

    async def append(self, events: Sequence[NewEvent]) -> list[InboxEvent]:
        """`storage.inbox.append_within`: the last statement; ring what it returns once the block has ended."""
        return await append_within(self._connection, events)


@asynccontextmanager
async def locked_pair(database: Database, user: str, other: str) -> AsyncIterator[LockedPair]:
    """Both under lock, in a transaction that commits at the end of the block and rolls back on any exception.

    Raises: NotFound if *user* does not exist (any more); Unavailable, also from the end of the block.
    """
    async with database.transaction() as connection:
        locked = {str(row["id"]) for row in await connection.fetch(_LOCK, user, other)}
        row = await connection.fetchrow(_LOAD, user, other)
        if row is None or user not in locked:
            raise no_such_user()
        yield LockedPair(connection, user, other, row, exists=other in locked)


def _seen(state: str | None, *, is_mine: bool) -> Friendship:
    if state is None:
        return Friendship.NONE
    if state == "accepted":
        return Friendship.FRIENDS
    return Friendship.REQUESTED if is_mine else Friendship.INCOMING
