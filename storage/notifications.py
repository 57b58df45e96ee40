"""Events of the inbox on their way to become pushes: taken in, gathered into bursts, decided.

Invariant: `notified_seq` passes an event only in the transaction that stores its notifications, and a burst is decided by
one look at a time, whose outcome is stored with its deliveries or not at all. So whatever dies, each event is
decided, and no push is made twice.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from domain.ids import uuid7
from domain.preferences import Channel
from domain.times import to_ms
from storage.postgres import Database

EVENTS_MAX = 200  # of one user in one intake; the rest comes with the next one
PENDING_MAX = 500  # of one burst that one push speaks of


class Arrived(Struct, frozen=True, gc=False):
    """A durable event that no device has acked and that has not become a notification yet. *body*: as in the inbox."""

    user: str
    seq: int
    kind: str
    at: datetime
    body: bytes


class Intake(Struct, frozen=True):
    """What one look at the inboxes found. *through*: per user, up to where it read. *is_more*: not all of it was read."""

    events: list[Arrived]
    through: dict[str, int]
    is_more: bool


class NewNotification(Struct, frozen=True, gc=False):
    """For one event and one channel."""

    user: str
    seq: int
    channel: Channel
    kind: str
    actor: str | None
    at: datetime
    expires_at: datetime


class Burst(Struct, frozen=True, gc=False):
    """Notifications of one kind to one user, taken for a look. *sent_at_ms*: of their last push."""

    user: str
    kind: str
    channel: Channel
    claim: str
    sent_at_ms: int | None


class Pending(Struct, frozen=True, gc=False):
    """A notification that waits, or was pushed and not acked since. *body*: None when the inbox has it no more."""

    user: str
    seq: int
    kind: str
    channel: Channel
    actor: str | None
    at_ms: int
    expires_ms: int
    is_waiting: bool
    is_acked: bool
    is_read: bool
    is_undone: bool
    is_own_doing: bool  # a friendship that the recipient has accepted themselves
    body: bytes | None


_ARRIVED = """
select h.user_id, h.seq as head, i.seq, i.kind, i.at, i.body
from inbox_heads h left join lateral (
    select seq, kind, at, body from inbox
    where user_id = h.user_id and seq > greatest(h.acked_seq, h.notified_seq) and seq <= h.seq
      and at between now() - interval '8 days' and now() + interval '1 day'  -- a few partitions instead of all
    order by seq limit $2
) i on true
where h.user_id = any($1::uuid[]) and h.seq > greatest(h.acked_seq, h.notified_seq)
order by h.user_id, i.seq
"""

# Heads are locked in the order in which commits lock them.
_SAVE = """
with input as (
    select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[], $7::timestamptz[])
    as t(user_id, seq, channel, kind, actor_id, at, expires_at)
), stored as (
    insert into notifications (user_id, seq, channel, kind, actor_id, at, expires_at, state, decided_at)
    select user_id, seq, channel, kind, actor_id, at, expires_at, 'waiting', $8 from input
    on conflict do nothing
), woken as (
    insert into bursts as b (user_id, kind, channel, due_at)
    select distinct user_id, kind, channel, $8::timestamptz from input order by 1, 2, 3
    on conflict (user_id, kind, channel) do update set due_at = least(b.due_at, excluded.due_at)
), through as materialized (
    select h.user_id, t.seq from inbox_heads h join unnest($9::uuid[], $10::bigint[]) as t(user_id, seq) using (user_id)
    where t.seq > h.notified_seq order by h.user_id for update of h
)
update inbox_heads h set notified_seq = least(t.seq, h.seq) from through t where h.user_id = t.user_id
"""

_UNNOTIFIED = """
select user_id, seq > greatest(acked_seq, notified_seq) as is_due
from inbox_heads where user_id > $1 order by user_id limit $2
"""

_CLAIM = """
with due as materialized (
    select user_id, kind, channel from bursts where due_at <= $1 order by due_at limit $2 for update skip locked
)
update bursts b set due_at = $3, claim = $4 from due d
where b.user_id = d.user_id and b.kind = d.kind and b.channel = d.channel
returning b.user_id, b.kind, b.channel, b.sent_at
"""

_PENDING = """
select n.user_id, n.seq, n.kind, n.channel, n.actor_id, n.at, n.expires_at, n.state,
       n.seq <= h.acked_seq as is_acked, i.body,
       coalesce(n.seq <= r.through_seq, false) or m.read_at is not null or m.deleted_at is not null
       or g.seen_at is not null as is_read,
       g.undone_at is not null as is_undone, coalesce(f.requested_by <> n.user_id, false) as is_own_doing
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) as c(user_id, kind, channel, first_seq, last_seq)
join inbox_heads h on h.user_id = c.user_id
cross join lateral (
    select * from notifications
    where user_id = c.user_id and kind = c.kind and channel = c.channel and state in ('waiting', 'sent')
      and (seq > h.acked_seq or state = 'waiting' or channel = 'email') and seq between c.first_seq and c.last_seq
    order by seq desc limit $6
) n
left join inbox i on i.user_id = n.user_id and i.seq = n.seq and i.at = n.at
left join notification_reads r on r.user_id = n.user_id
left join notification_marks m on m.user_id = n.user_id and m.seq = n.seq
left join hugs g on n.kind = 'hug.received' and g.recipient_id = n.user_id and g.seq = n.seq
left join friendships f on n.kind = 'friend.accepted'
    and f.low_id = least(n.user_id, n.actor_id) and f.high_id = greatest(n.user_id, n.actor_id)
"""

ALL_SEQS = (1, 2**62)


async def load_arrived(database: Database, users: Sequence[str]) -> Intake:
    """What has come to *users* since it was last looked at, in order, at most `EVENTS_MAX` each. Raises: Unavailable."""
    rows = await database.fetch(_ARRIVED, users, EVENTS_MAX)
    events: list[Arrived] = []
    through: dict[str, int] = {}
    counts: dict[str, int] = {}
    for row in rows:
        user = str(row["user_id"])
        if row["seq"] is None:  # out of retention
            through[user] = row["head"]
            continue
        events.append(Arrived(user, row["seq"], row["kind"], row["at"], row["body"]))
        counts[user] = counts.get(user, 0) + 1
        through[user] = row["seq"] if counts[user] == EVENTS_MAX else row["head"]
    return Intake(events, through, is_more=EVENTS_MAX in counts.values())


async def save_arrived(
    database: Database, notifications: Sequence[NewNotification], through: dict[str, int], now: datetime
) -> None:
    """Store *notifications*, wake their bursts and note that the inboxes were read up to *through*. Raises: Unavailable."""
    await database.execute(
        _SAVE,
        [each.user for each in notifications],
        [each.seq for each in notifications],
        [each.channel for each in notifications],
        [each.kind for each in notifications],
        [each.actor for each in notifications],
        [each.at for each in notifications],
        [each.expires_at for each in notifications],
        now,
        list(through),
        list(through.values()),
    )


async def load_unnotified(database: Database, after: str, limit: int) -> tuple[list[str], str | None]:
    """Of the *limit* users behind *after*, those with events that nobody has looked at; and where to go on. Raises: Unavailable."""
    rows = await database.fetch(_UNNOTIFIED, after, limit)
    due = [str(row["user_id"]) for row in rows if row["is_due"]]
    return due, str(rows[-1]["user_id"]) if len(rows) == limit else None


async def claim_bursts(database: Database, now: datetime, until: datetime, limit: int) -> list[Burst]:
    """Take bursts that are due; who does not settle them by *until* loses them to another. Raises: Unavailable."""
    claim = uuid7(to_ms(now))
    rows = await database.fetch(_CLAIM, now, limit, until, claim)
    return [
        Burst(
            str(row["user_id"]),
            row["kind"],
            Channel(row["channel"]),
            claim,
            to_ms(row["sent_at"]) if row["sent_at"] is not None else None,
        )
        for row in rows
    ]


async def load_pending(
    database: Database,
    users: Sequence[str],
    kinds: Sequence[str],
    channels: Sequence[str],
    spans: Sequence[tuple[int, int]],
) -> list[Pending]:
    """Of each user, kind and channel: what waits, what was pushed and not acked since, and what was mailed, with a `seq`
    in the span; the last `PENDING_MAX`, the latest first. Raises: Unavailable."""
    firsts, lasts = [first for first, _ in spans], [last for _, last in spans]
    rows = await database.fetch(_PENDING, users, kinds, channels, firsts, lasts, PENDING_MAX)
    return [
        Pending(
            str(row["user_id"]),
            row["seq"],
            row["kind"],
            Channel(row["channel"]),
            str(row["actor_id"]) if row["actor_id"] is not None else None,
            to_ms(row["at"]),
            to_ms(row["expires_at"]),
            is_waiting=row["state"] == "waiting",
            is_acked=row["is_acked"],
            is_read=row["is_read"],
            is_undone=row["is_undone"],
            is_own_doing=row["is_own_doing"],
            body=row["body"],
        )
        for row in rows
    ]
