"""The history of hugs, newest first. Writing them is storage/hug_commits.py.

A page is merged from two lists that are both in order already: what somebody sent, by id, and what they
received, by seq. So each page is two short walks along an index, however long the history is.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec import Struct

from domain.times import to_ms
from protocol.fields import Id, Seq
from storage.postgres import Database

SOMEONE = "Someone"  # who is deleted, or does not exist for the one who asks


class HugRecord(Struct, frozen=True, kw_only=True):
    """A hug as one of its two people may see it. Times in Unix ms."""

    id: str
    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    seq: int
    kind: str
    message: str | None
    style: dict[str, object] | None
    at_ms: int
    delivered_ms: int | None
    seen_ms: int | None


class Position(Struct, frozen=True, array_like=True):
    """Where a page ended in the two lists; None: that list is not read, or not begun."""

    sent_before: Id | None = None
    received_before: Seq | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which hugs of *user*."""

    user: str
    sent: bool = True
    received: bool = True
    other: str | None = None
    changed_since: datetime | None = None


# The sender sees that a hug was seen only if they may know it; what the recipient did is the recipient's own.
# A name is told unless its owner is gone, or has blocked the one who asks: the two look alike.
_COLUMNS = """
h.id, h.sender_id, h.recipient_id, h.seq, h.kind, h.message, h.style, h.at, h.delivered_at,
case when h.sender_id = $1 then h.told_seen_at else h.seen_at end as seen_at,
case when su.id is null or exists (select from blocks b where b.user_id = h.sender_id and b.blocked_id = $1)
     then null else sp.display_name end as sender_name,
case when ru.id is null or exists (select from blocks b where b.user_id = h.recipient_id and b.blocked_id = $1)
     then null else rp.display_name end as recipient_name
"""
_PEOPLE = """
left join users su on su.id = h.sender_id and su.deleted_at is null
left join profiles sp on sp.user_id = h.sender_id
left join users ru on ru.id = h.recipient_id and ru.deleted_at is null
left join profiles rp on rp.user_id = h.recipient_id
"""
_SENT = f"""
select {_COLUMNS} from (
    select id, sender_id, recipient_id, seq, kind, message, style, at, delivered_at, seen_at, told_seen_at from hugs
    where sender_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or recipient_id = $3)
      and ($4::timestamptz is null or greatest(at, delivered_at, told_seen_at) >= $4)
    order by id desc limit $5
) h {_PEOPLE} order by h.id desc
"""  # noqa: S608  joined from constants
_RECEIVED = f"""
select {_COLUMNS} from (
    select id, sender_id, recipient_id, seq, kind, message, style, at, delivered_at, seen_at, told_seen_at from hugs
    where recipient_id = $1 and ($2::bigint is null or seq < $2) and ($3::uuid is null or sender_id = $3)
      and ($4::timestamptz is null or greatest(at, delivered_at, seen_at) >= $4)
    order by seq desc limit $5
) h {_PEOPLE} order by h.seq desc
"""  # noqa: S608  joined from constants
_ONE = f"select {_COLUMNS} from hugs h {_PEOPLE} where h.id = $2 and $1::uuid in (h.sender_id, h.recipient_id)"  # noqa: S608


async def load_hugs(
    database: Database, wanted: Wanted, position: Position, limit: int
) -> tuple[Sequence[HugRecord], Position | None]:
    """The next *limit* hugs after *position*, and where they end; None when these are the last. Raises: Unavailable."""
    sent: list[HugRecord] = []
    received: list[HugRecord] = []
    others = (wanted.other, wanted.changed_since, limit + 1)
    if wanted.sent:
        rows = await database.fetch(_SENT, wanted.user, position.sent_before, *others)
        sent = [_record(row) for row in rows]
    if wanted.received:
        rows = await database.fetch(_RECEIVED, wanted.user, position.received_before, *others)
        received = [_record(row) for row in rows]
    return _merge(sent, received, position, limit)


def _merge(
    sent: Sequence[HugRecord], received: Sequence[HugRecord], position: Position, limit: int
) -> tuple[Sequence[HugRecord], Position | None]:
    """Take the newer of the two heads until the page is full. Each list keeps its own order."""
    page: list[HugRecord] = []
    i = j = 0
    while len(page) < limit and (i < len(sent) or j < len(received)):
        if j == len(received) or (i < len(sent) and sent[i].at_ms >= received[j].at_ms):
            page.append(sent[i])
            i += 1
        else:
            page.append(received[j])
            j += 1
    if i == len(sent) and j == len(received):
        return page, None
    return page, Position(
        sent_before=sent[i - 1].id if i else position.sent_before,
        received_before=received[j - 1].seq if j else position.received_before,
    )


async def load_hug(database: Database, user: str, hug: str) -> HugRecord | None:
    """One hug that *user* has sent or received. Raises: Unavailable."""
    row = await database.fetchrow(_ONE, user, hug)
    return _record(row) if row is not None else None


def _record(row: asyncpg.Record) -> HugRecord:
    return HugRecord(
        id=str(row["id"]),
        sender=str(row["sender_id"]),
        sender_name=row["sender_name"] or SOMEONE,
        recipient=str(row["recipient_id"]),
        recipient_name=row["recipient_name"] or SOMEONE,
        seq=row["seq"],
        kind=row["kind"],
        message=row["message"],
        style=msgspec.json.decode(row["style"]) if row["style"] is not None else None,
        at_ms=to_ms(row["at"]),
        delivered_ms=to_ms(row["delivered_at"]) if row["delivered_at"] else None,
        seen_ms=to_ms(row["seen_at"]) if row["seen_at"] else None,
    )
