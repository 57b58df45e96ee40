"""Notifications that are no other event yet, such as reminders and what an app's server tells its users.

Invariant: each becomes one durable `notification` event for each user and cause, whoever tries how often, where and when.
"""

from collections.abc import Sequence

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct
from msgspec.structs import replace

from protocol.codec import encode_body
from protocol.events import Notification
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database

KIND = "notification"
CAUSE_MAX = 200

# In one order for all who add several: whoever meets somebody else's row waits for it.
_ADD = """
insert into notices (user_id, cause, id, body_hash, at)
select i.user_id, i.cause, i.id, i.body_hash, now()
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[]) with ordinality as i(user_id, cause, id, body_hash, ord)
join users u on u.id = i.user_id and u.deleted_at is null
order by i.user_id, i.cause, i.ord
on conflict do nothing
returning id
"""
_FIRST = """
select i.ord, n.id, n.body_hash is distinct from i.body_hash as is_other
from unnest($1::uuid[], $2::text[], $3::bytea[]) with ordinality as i(user_id, cause, body_hash, ord)
join users u on u.id = i.user_id and u.deleted_at is null
join notices n on n.user_id = i.user_id and n.cause = i.cause
"""


class NewNotice(Struct, frozen=True):
    """*cause*: why *user* is told, at most `CAUSE_MAX` characters. *id*: a new one, which the event gets too.

    *body_hash*: SHA-256 of what was asked for, where the same cause may come with something else.
    """

    user: str
    cause: str
    id: str
    event: Notification
    body_hash: bytes | None = None


class Added(Struct, frozen=True):
    """What became of a notice. *id*: of the first one with its cause; None: there is no such user.

    *is_other*: that first one was something else.
    """

    id: str | None
    is_new: bool = False
    is_other: bool = False


async def add_notices(database: Database, notices: Sequence[NewNotice]) -> list[InboxEvent]:
    """Store what is new of *notices*, all or nothing; the events to ring. Users who are gone are left out. Raises: Unavailable."""
    _, events = await try_notices(database, notices)
    return events


async def try_notices(database: Database, notices: Sequence[NewNotice]) -> tuple[list[Added], list[InboxEvent]]:
    """The same, with what became of each, in their order. Raises: Unavailable."""
    if not notices:
        return [], []
    async with database.transaction() as connection:
        return await _add(connection, notices)


async def _add(connection: PoolConnectionProxy, notices: Sequence[NewNotice]) -> tuple[list[Added], list[InboxEvent]]:
    users = [notice.user for notice in notices]
    causes = [notice.cause for notice in notices]
    hashes = [notice.body_hash for notice in notices]
    rows = await connection.fetch(_ADD, users, causes, [notice.id for notice in notices], hashes)
    new = {str(row["id"]) for row in rows}
    added = [Added(notice.id, is_new=True) if notice.id in new else Added(None) for notice in notices]
    if len(new) < len(notices):
        for ord_, first, is_other in await connection.fetch(_FIRST, users, causes, hashes):
            if not added[ord_ - 1].is_new:
                added[ord_ - 1] = Added(str(first), is_other=is_other)
    events = [
        NewEvent(notice.user, KIND, encode_body(replace(notice.event, id=notice.id)))
        for notice in notices
        if notice.id in new
    ]
    return added, await append_within(connection, events) if events else []
