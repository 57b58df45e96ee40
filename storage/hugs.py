"""The history of hugs, newest first. Writing them is storage/hug_commits.py.

What was taken back is there for its sender only. What the sender learns of `seen` is what they may be told.

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


class Reaction(Struct, frozen=True, gc=False):
    """How the recipient felt a hug. Time in Unix ms."""

    emoji: str
    message: str | None
    at_ms: int


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
    request: str | None = None
    delivered_ms: int | None = None
    seen_ms: int | None = None  # to the sender: if they may know
    felt_ms: int | None = None
    undone_ms: int | None = None
    mutual_ms: int | None = None  # when the two of a mutual hug start
    reaction: Reaction | None = None


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


# A name is told unless its owner is gone, or has blocked the one who asks: the two look alike.
_COLUMNS = """
h.*, r.emoji, r.message as reaction_message, r.at as reacted_at,
case when su.id is null or exists (select from blocks b where b.user_id = h.sender_id and b.blocked_id = $1)
     then null else sp.display_name end as sender_name,
case when ru.id is null or exists (select from blocks b where b.user_id = h.recipient_id and b.blocked_id = $1)
     then null else rp.display_name end as recipient_name
"""
_PEOPLE = """
left join hug_reactions r on r.hug_id = h.id
left join users su on su.id = h.sender_id and su.deleted_at is null
left join profiles sp on sp.user_id = h.sender_id
left join users ru on ru.id = h.recipient_id and ru.deleted_at is null
left join profiles rp on rp.user_id = h.recipient_id
"""
_HUG = "id, sender_id, recipient_id, seq, kind, message, style, at, request_id, delivered_at, felt_at, undone_at, mutual_at"
_CHANGED = "exists (select from hug_reactions r where r.hug_id = hugs.id and r.at >= $4)"
_SENT = f"""
select {_COLUMNS} from (
    select {_HUG}, told_seen_at as seen_at from hugs
    where sender_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or recipient_id = $3)
      and ($4::timestamptz is null or {_CHANGED}
           or greatest(at, delivered_at, told_seen_at, felt_at, undone_at, mutual_at) >= $4)
    order by id desc limit $5
) h {_PEOPLE} order by h.id desc
"""  # noqa: S608  joined from constants
_RECEIVED = f"""
select {_COLUMNS} from (
    select {_HUG}, seen_at from hugs
    where recipient_id = $1 and undone_at is null
      and ($2::bigint is null or seq < $2) and ($3::uuid is null or sender_id = $3)
      and ($4::timestamptz is null or {_CHANGED} or greatest(at, delivered_at, seen_at, felt_at, mutual_at) >= $4)
    order by seq desc limit $5
) h {_PEOPLE} order by h.seq desc
"""  # noqa: S608  joined from constants
_ONE = f"""
select {_COLUMNS} from (
    select {_HUG}, case when sender_id = $1 then told_seen_at else seen_at end as seen_at from hugs
    where id = $2 and (sender_id = $1 or (recipient_id = $1 and undone_at is null))
) h {_PEOPLE}
"""  # noqa: S608  joined from constants


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


async def is_stored(database: Database, hug: str) -> bool:
    """Is there a hug of this id, whoever sent it? Raises: Unavailable."""
    return await database.fetchval("select true from hugs where id = $1", hug) is not None


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
        request=str(row["request_id"]) if row["request_id"] else None,
        delivered_ms=_ms(row["delivered_at"]),
        seen_ms=_ms(row["seen_at"]),
        felt_ms=_ms(row["felt_at"]),
        undone_ms=_ms(row["undone_at"]),
        mutual_ms=_ms(row["mutual_at"]),
        reaction=Reaction(row["emoji"], row["reaction_message"], to_ms(row["reacted_at"])) if row["emoji"] else None,
    )


def _ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
