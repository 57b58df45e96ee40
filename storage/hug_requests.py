"""Requests for hugs under lock: answered, withdrawn, ended by time or by a block. Making them is storage/asking.py.

Invariant: a request and what its receivers have done change only under the lock of its row, so two answers, or an
answer and the end, never cross. Order of locks, for all that touches requests: users (storage/asking.py,
storage/pairs.py) → request rows → rows of receivers → inbox heads. Nobody who holds one waits for an earlier kind.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.errors import NotFound
from domain.hug_requests import Deed, HugRequest, RequestState
from domain.times import to_ms
from storage.hug_commits import NewHug, commit_within
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database

# Weaker than `for update`: rows that refer to it may be inserted meanwhile.
_LOCK = "select * from hug_requests where id = $1 for no key update"
_LOCK_OWN = "select * from hug_requests where id = $1 and asker_id = $2 for no key update"
_LOCK_RECEIVER = """
select hug_id, declined_at from hug_request_receivers where request_id = $1 and user_id = $2 for no key update
"""
# In a statement of its own: what is read together with a lock may be older than the lock.
_BETWEEN = """
select (select at from hugs where id = $3) as hug_at
from users u
where u.id = $1 and u.deleted_at is null and not exists (
    select from blocks b where (b.user_id = $1 and b.blocked_id = $2) or (b.user_id = $2 and b.blocked_id = $1)
)
"""

_EXPIRE = """
with due as (
    select id, state from hug_requests where expires_at <= $1 and state in ('open', 'declined')
    order by expires_at limit $2 for no key update skip locked
)
update hug_requests r set state = 'expired', settled_at = r.expires_at from due where r.id = due.id
returning r.id, r.asker_id, case when due.state = 'open' then r.recipient_id end as recipient_id
"""

# To whom has asked and is now blocked it is as if declined; whoever blocks withdraws what they have asked.
_CANCEL_BETWEEN = """
with pending as (
    select id from hug_requests
    where state in ('open', 'declined')
      and ((asker_id = $1 and recipient_id = $2) or (asker_id = $2 and recipient_id = $1))
    order by id for no key update
)
update hug_requests r set state = case when r.asker_id = $1 then 'cancelled' else 'declined' end, settled_at = $3
from pending where r.id = pending.id
"""
_FORGET_BETWEEN = """
delete from hug_request_receivers rr using hug_requests r
where r.id = rr.request_id and rr.hug_id is null
  and ((r.asker_id = $1 and rr.user_id = $2) or (r.asker_id = $2 and rr.user_id = $1))
"""


class Expired(Struct, frozen=True):
    """A request whose time is up; *recipient* is set if they must hear of it."""

    id: str
    asker: str
    recipient: str | None


class LockedRequest:
    """A request under lock, and what *user* has to do with it. Lives as long as its transaction."""

    def __init__(
        self, connection: PoolConnectionProxy, user: str, row: asyncpg.Record, own: asyncpg.Record | None = None
    ) -> None:
        self._connection = connection
        self._user = user
        self.id = str(row["id"])
        self.asker = str(row["asker_id"])
        self.recipient = str(row["recipient_id"]) if row["recipient_id"] else None
        self.settled_ms = to_ms(row["settled_at"]) if row["settled_at"] else None
        self.request = HugRequest(
            is_community=self.recipient is None,
            state=RequestState(row["state"]),
            hugs=row["hugs"],
            expires_ms=to_ms(row["expires_at"]),
        )
        self.deed = Deed.NOTHING
        self.hug: str | None = None  # the user's, in answer
        self.deed_ms: int | None = None
        if own is not None and own["hug_id"] is not None:
            self.deed, self.hug = Deed.HUGGED, str(own["hug_id"])
        elif own is not None and own["declined_at"] is not None:
            self.deed, self.deed_ms = Deed.DECLINED, to_ms(own["declined_at"])

    async def save(self, after: HugRequest, at: datetime) -> None:
        """From now on the request is *after*."""
        await self._connection.execute(
            "update hug_requests set state = $2, hugs = $3, settled_at = case when $2 <> 'open' then $4::timestamptz end"
            " where id = $1",
            self.id,
            str(after.state),
            after.hugs,
            at,
        )

    async def save_declined(self, at: datetime) -> None:
        """The user declines."""
        await self._connection.execute(
            "update hug_request_receivers set declined_at = $3 where request_id = $1 and user_id = $2",
            self.id,
            self._user,
            at,
        )

    async def commit_hug(self, hug: NewHug) -> list[InboxEvent]:
        """The user answers with *hug*: locks the asker's inbox. Raises: as `commit_within`."""
        await self._connection.execute(
            "update hug_request_receivers set hug_id = $3 where request_id = $1 and user_id = $2",
            self.id,
            self._user,
            hug.id,
        )
        events = await commit_within(self._connection, [hug])
        await self._connection.execute("update hugs set request_id = $2 where id = $1", hug.id, self.id)
        return events

    async def append(self, events: Sequence[NewEvent]) -> list[InboxEvent]:
        """`storage.inbox.append_within`: the last statement; ring what it returns once the block has ended."""
        return await append_within(self._connection, events)


@asynccontextmanager
async def received_request(database: Database, request: str, user: str) -> AsyncIterator[LockedRequest]:
    """A request that *user* was told of, in a transaction that commits at the end of the block.

    Raises: NotFound if there is none, they were not told of it, the asker is gone or one has blocked the other;
    Unavailable, also from the end of the block.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(_LOCK, request)
        own = await connection.fetchrow(_LOCK_RECEIVER, request, user)
        asker = row["asker_id"] if row is not None else None
        between = await connection.fetchrow(_BETWEEN, asker, user, own["hug_id"] if own is not None else None)
        if row is None or own is None or between is None:
            raise no_such_request()
        locked = LockedRequest(connection, user, row, own)
        if locked.deed is Deed.HUGGED:
            locked.deed_ms = _ms(between["hug_at"])
        yield locked


@asynccontextmanager
async def own_request(database: Database, request: str, asker: str) -> AsyncIterator[LockedRequest]:
    """A request that *asker* has made, as `received_request`. Raises: NotFound, Unavailable."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(_LOCK_OWN, request, asker)
        if row is None:
            raise no_such_request()
        yield LockedRequest(connection, asker, row)


async def expire_within(connection: PoolConnectionProxy, now: datetime, limit: int) -> list[Expired]:
    """End at most *limit* requests whose time is up, of those that nobody else is at."""
    rows = await connection.fetch(_EXPIRE, now, limit)
    return [
        Expired(str(row["id"]), str(row["asker_id"]), str(row["recipient_id"]) if row["recipient_id"] else None)
        for row in rows
    ]


async def cancel_between_within(connection: PoolConnectionProxy, user: str, other: str, at: datetime) -> None:
    """*user* blocks *other*, both under lock: what the two have asked of each other ends, and nobody is told.

    What *user* has asked is withdrawn; what *other* has asked looks open to them until its time is up. Neither can
    answer the other's requests any more, also not after the block is lifted.
    """
    await connection.execute(_CANCEL_BETWEEN, user, other, at)
    await connection.execute(_FORGET_BETWEEN, user, other)


def no_such_request() -> NotFound:
    """For what does not exist, or is none of the business of the one who asks: always the same."""
    return NotFound("No such request.")


def _ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
