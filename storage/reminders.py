"""Who is to be reminded of something that is about to happen, and was not yet.

Invariant: whoever has a notice with the cause of a reminder is not found again, so looking twice costs nothing and what a
worker has forgotten is found by the next look.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from domain.reminders import GROUP_AHEAD, GROUP_MADE_BEFORE, REQUEST_AHEAD, REQUEST_LASTS_OVER
from storage.postgres import Database

GROUP_STARTING = "group.starting"
REQUEST_EXPIRING = "request.expiring"

# Who is only invited, by somebody they have muted or are blocked with, hears nothing more of it.
_STARTING = """
select m.user_id, g.id, g.starts_at
from groups g
join group_members m on m.group_id = g.id and m.state in ('invited', 'joined')
join users u on u.id = m.user_id and u.deleted_at is null
where g.state = 'scheduled' and g.starts_at > $1 and g.starts_at <= $1 + $2::interval
  and g.created_at < g.starts_at - $3::interval
  and (m.state = 'joined' or not exists (
      select from unnest(array[g.host_id, m.invited_by]) as o(id)
      where exists (select from blocks b where b.user_id = m.user_id and b.blocked_id = o.id)
         or exists (select from blocks b where b.user_id = o.id and b.blocked_id = m.user_id)
         or exists (
             select from mutes t where t.user_id = m.user_id and t.muted_id = o.id and (t.until is null or t.until > $1)
         )
  ))
  and not exists (select from notices n where n.user_id = m.user_id and n.cause = $4 || ':' || g.id)
order by g.starts_at, g.id, m.user_id limit $5
"""

_EXPIRING = """
select r.recipient_id, r.id, r.expires_at
from hug_requests r
join hug_request_receivers w on w.request_id = r.id and w.user_id = r.recipient_id
join users u on u.id = r.recipient_id and u.deleted_at is null
join users a on a.id = r.asker_id and a.deleted_at is null
where r.state = 'open' and r.expires_at > $1 and r.expires_at <= $1 + $2::interval
  and r.expires_at - r.created_at > $3::interval
  and w.hug_id is null and w.declined_at is null
  and not exists (
      select from blocks b
      where (b.user_id = r.recipient_id and b.blocked_id = r.asker_id)
         or (b.user_id = r.asker_id and b.blocked_id = r.recipient_id)
  )
  and not exists (
      select from mutes t
      where t.user_id = r.recipient_id and t.muted_id = r.asker_id and (t.until is null or t.until > $1)
  )
  and not exists (select from notices n where n.user_id = r.recipient_id and n.cause = $4 || ':' || r.id)
order by r.expires_at, r.id limit $5
"""


class Ahead(Struct, frozen=True):
    """*user* is to be told that *at*, soon, the group or the request *id* starts or ends; *cause*: of the notice."""

    user: str
    id: str
    at: datetime
    cause: str


async def load_starting(database: Database, now: datetime, limit: int) -> list[Ahead]:
    """Who has a seat in a group hug that starts soon, or is invited to it. Raises: Unavailable."""
    rows = await database.fetch(_STARTING, now, GROUP_AHEAD, GROUP_MADE_BEFORE, GROUP_STARTING, limit)
    return _ahead(rows, GROUP_STARTING)


async def load_expiring(database: Database, now: datetime, limit: int) -> list[Ahead]:
    """Who was asked for a hug, has not answered, and will not be able to for much longer. Raises: Unavailable."""
    rows = await database.fetch(_EXPIRING, now, REQUEST_AHEAD, REQUEST_LASTS_OVER, REQUEST_EXPIRING, limit)
    return _ahead(rows, REQUEST_EXPIRING)


def _ahead(rows: Sequence[asyncpg.Record], what: str) -> list[Ahead]:
    return [Ahead(str(user), str(of), at, f"{what}:{of}") for user, of, at in rows]
