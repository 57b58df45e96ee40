"""Requests for hugs as their people may see them, newest first. What changes them is storage/hug_requests.py.

Invariant: `state` is that of domain/hug_requests.py, worked out here because pages are filtered by it: to the asker
a declined request is open until its time is up, and time counts although nobody has written it down yet.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from domain.hug_requests import RequestState
from domain.times import to_ms
from storage.hugs import SOMEONE
from storage.postgres import Database


class RequestRecord(Struct, frozen=True, kw_only=True):
    """A request as the one who asks sees it. Times in Unix ms. *hug*: the own one, in answer."""

    id: str
    is_mine: bool
    asker: str
    asker_name: str
    recipient: str | None
    recipient_name: str | None
    message: str | None
    state: RequestState
    hugs: int
    hug: str | None
    created_ms: int
    expires_ms: int
    settled_ms: int | None


class WantedRequests(Struct, frozen=True, kw_only=True):
    """Which requests of *user*, at the time *now*."""

    user: str
    now: datetime
    outgoing: bool = True
    incoming: bool = True
    state: RequestState | None = None
    one: str | None = None
    before: str | None = None


_TIMED = "case when r.state in ('open', 'declined') then case when r.expires_at <= $2 then 'expired' else 'open' end else r.state end"
_TIMED_RECEIVED = "case when r.state = 'open' and r.expires_at <= $2 then 'expired' else r.state end"

# $1 user, $2 now, $3 outgoing, $4 incoming, $5 state, $6 one id, $7 before this id, $8 limit
_LOAD = f"""
select x.*, ap.display_name as asker_name,
       case when ru.id is null or exists (select from blocks b where b.user_id = x.recipient_id and b.blocked_id = $1)
            then null else rp.display_name end as recipient_name
from (
    (
        select o.*, null::uuid as hug_id, null::timestamptz as declined_at, true as is_mine
        from (select r.*, {_TIMED} as shown from hug_requests r where r.asker_id = $1) o
        where $3 and ($5::text is null or o.shown = $5) and ($6::uuid is null or o.id = $6) and ($7::uuid is null or o.id < $7)
        order by o.id desc limit $8
    ) union all (
        select i.* from (
            select r.*, case when rr.declined_at is not null then 'declined' else {_TIMED_RECEIVED} end as shown,
                   rr.hug_id, rr.declined_at, false as is_mine
            from hug_request_receivers rr join hug_requests r on r.id = rr.request_id
            where rr.user_id = $1 and not (r.recipient_id is null and rr.declined_at is not null)
              and ($6::uuid is null or rr.request_id = $6) and ($7::uuid is null or rr.request_id < $7)
        ) i
        join users u on u.id = i.asker_id and u.deleted_at is null
        where $4 and ($5::text is null or i.shown = $5) and not exists (
            select from blocks b
            where (b.user_id = $1 and b.blocked_id = i.asker_id) or (b.user_id = i.asker_id and b.blocked_id = $1)
        )
        order by i.id desc limit $8
    )
) x
join profiles ap on ap.user_id = x.asker_id
left join users ru on ru.id = x.recipient_id and ru.deleted_at is null
left join profiles rp on rp.user_id = x.recipient_id
order by x.id desc limit $8
"""  # noqa: S608  joined from constants


async def load_hug_requests(database: Database, wanted: WantedRequests, limit: int) -> Sequence[RequestRecord]:
    """At most *limit* requests that *wanted* names, the newest id first. Raises: Unavailable."""
    rows = await database.fetch(
        _LOAD,
        wanted.user,
        wanted.now,
        wanted.outgoing,
        wanted.incoming,
        str(wanted.state) if wanted.state is not None else None,
        wanted.one,
        wanted.before,
        limit,
    )
    return [_record(row) for row in rows]


async def load_hug_request(database: Database, user: str, request: str, now: datetime) -> RequestRecord | None:
    """One request that *user* has made or was told of. Raises: Unavailable."""
    found = await load_hug_requests(database, WantedRequests(user=user, now=now, one=request), 1)
    return found[0] if found else None


def _record(row: asyncpg.Record) -> RequestRecord:
    state = RequestState(row["shown"])
    return RequestRecord(
        id=str(row["id"]),
        is_mine=row["is_mine"],
        asker=str(row["asker_id"]),
        asker_name=row["asker_name"],
        recipient=str(row["recipient_id"]) if row["recipient_id"] else None,
        recipient_name=(row["recipient_name"] or SOMEONE) if row["recipient_id"] else None,
        message=row["message"],
        state=state,
        hugs=row["hugs"],
        hug=str(row["hug_id"]) if row["hug_id"] else None,
        created_ms=to_ms(row["created_at"]),
        expires_ms=to_ms(row["expires_at"]),
        settled_ms=_settled_ms(row, state),
    )


def _settled_ms(row: asyncpg.Record, state: RequestState) -> int | None:
    """When it came to *state*: nothing of it may tell an asker that somebody has declined."""
    if state is RequestState.OPEN:
        return None
    if state is RequestState.EXPIRED:
        return to_ms(row["expires_at"])
    if state is RequestState.DECLINED:
        return to_ms(row["declined_at"])
    return to_ms(row["settled_at"])
