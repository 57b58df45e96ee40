"""Deliveries: one push to one device, or one mail, from the decision to the provider's answer.

Invariant: a delivery keeps its id and content for every try; a try is on record before it is made, and while it lasts
nobody else makes one. A worker that dies during a try leaves it to be made again when its time is up.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from domain.preferences import Channel
from domain.times import to_ms
from storage.notifications import Burst
from storage.postgres import Database

State = Literal["queued", "sent", "accepted", "opened", "suppressed", "expired", "dead", "failed"]


class NewDelivery(Struct, frozen=True, gc=False):
    """*content*: JSON of workers/push/outgoing.py."""

    id: str
    push: str
    user: str
    device: str | None
    provider: str
    kind: str
    first_seq: int
    last_seq: int
    content: bytes
    expires_at: datetime


class Verdict(Struct, frozen=True, gc=False):
    """What was decided about one notification. *push*: that carries it, if it is sent."""

    user: str
    seq: int
    channel: Channel
    state: Literal["waiting", "sent", "suppressed", "expired"]
    reason: str | None = None
    push: str | None = None


class Settled(Struct, frozen=True, gc=False):
    """A burst after the look at it. *due_at*: of the next one; None: nothing waits. *is_sent*: a push was made."""

    burst: Burst
    due_at: datetime | None
    is_sent: bool


class Target(Struct, frozen=True, gc=False):
    """A device, or an e-mail address (*device* None)."""

    user: str
    provider: str
    device: str | None
    language: str


class Try(Struct, frozen=True, gc=False):
    """A delivery that is to be tried now. *token*: sealed, or plain for e-mail; None: the device is gone.

    *token_hash*: of the token as it is now.
    """

    id: str
    user: str
    device: str | None
    kind: str
    first_seq: int
    last_seq: int
    content: bytes
    attempts: int
    expires_ms: int
    created_ms: int
    token: bytes | None
    token_hash: bytes | None


class Outcome(Struct, frozen=True, gc=False):
    """How a try ended. *due_at*: of the next one. *is_void*: it was not made, and does not count."""

    id: str
    state: State
    reason: str | None = None
    due_at: datetime | None = None
    answer: str | None = None
    ref: str | None = None
    is_void: bool = False


# A verdict of a burst whose claim was lost meanwhile is dropped with its deliveries: another look makes its own.
_SETTLE = """
with held as materialized (
    select b.user_id, b.kind, b.channel, s.due_at, s.is_sent
    from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::bool[])
         as s(user_id, kind, channel, claim, due_at, is_sent)
    join bursts b on b.user_id = s.user_id and b.kind = s.kind and b.channel = s.channel and b.claim = s.claim
    order by 1, 2, 3 for update of b
), settled as (
    update bursts b set claim = null, sent_at = case when h.is_sent then $7 else b.sent_at end,
           due_at = case when b.due_at < $8 then b.due_at else h.due_at end  -- something has come in since the claim
    from held h where b.user_id = h.user_id and b.kind = h.kind and b.channel = h.channel
), judged as (
    update notifications n set state = v.state, reason = v.reason, push_id = coalesce(v.push_id, n.push_id), decided_at = $7
    from unnest($9::uuid[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::uuid[])
         as v(user_id, seq, channel, state, reason, push_id)
    where n.user_id = v.user_id and n.seq = v.seq and n.channel = v.channel
      and exists (select from held h where h.user_id = n.user_id and h.kind = n.kind and h.channel = n.channel)
)
insert into deliveries (id, push_id, user_id, device_id, provider, kind, first_seq, last_seq, content, state, due_at, expires_at, created_at)
select d.id, d.push_id, d.user_id, d.device_id, d.provider, d.kind, d.first_seq, d.last_seq, d.content, 'queued', $7, d.expires_at, $7
from unnest($15::uuid[], $16::uuid[], $17::uuid[], $18::uuid[], $19::text[], $20::text[], $21::bigint[], $22::bigint[], $23::text[],
            $24::timestamptz[])
     as d(id, push_id, user_id, device_id, provider, kind, first_seq, last_seq, content, expires_at)
where exists (
    select from held h where h.user_id = d.user_id and h.kind = d.kind and (h.channel = 'email') = (d.provider = 'email')
)
"""

_TARGETS = """
select user_id, provider, id, language from devices where user_id = any($1::uuid[])
union all
select c.user_id, 'email', null, coalesce(p.language, 'en')
from credentials c left join push_preferences p using (user_id) where c.user_id = any($1::uuid[])
"""

_CLAIM = """
with due as materialized (
    select id from deliveries where provider = $1 and due_at <= $2 order by due_at limit $4 for update skip locked
), claimed as (
    update deliveries d set state = 'sent', attempts = attempts + 1, sent_at = $2, due_at = $3 from due where d.id = due.id
    returning d.*
)
select c.id, c.user_id, c.device_id, c.kind, c.first_seq, c.last_seq, c.content, c.attempts, c.expires_at, c.created_at,
       v.token, v.token_hash, k.email
from claimed c
left join devices v on v.id = c.device_id and v.user_id = c.user_id
left join credentials k on c.provider = 'email' and k.user_id = c.user_id
order by c.created_at, c.id
"""

# What the newer one says includes what the older one said.
_SUPERSEDED = """
select d.id from deliveries d where d.id = any($1::uuid[]) and exists (
    select from deliveries n where n.user_id = d.user_id and n.last_seq >= d.last_seq and n.created_at > d.created_at
      and n.kind = d.kind and n.provider = d.provider and n.device_id is not distinct from d.device_id
      and n.state in ('queued', 'sent', 'accepted', 'opened')
)
"""

_SAVE = """
with ended as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::bool[])
    as t(id, state, reason, due_at, answer, ref, is_void)
), saved as (
    update deliveries d set state = e.state, reason = e.reason, due_at = e.due_at, answer = coalesce(e.answer, d.answer),
           provider_ref = coalesce(e.ref, d.provider_ref), attempts = d.attempts - e.is_void::int,
           accepted_at = case when e.state = 'accepted' then $8 else d.accepted_at end
    from ended e where d.id = e.id and d.state = 'sent'
    returning d.device_id, d.state
)
update devices v set used_at = $8 from saved s
where s.state = 'accepted' and v.id = s.device_id and v.used_at < $8 - interval '1 day'
"""


async def settle(
    database: Database,
    settled: Sequence[Settled],
    verdicts: Sequence[Verdict],
    deliveries: Sequence[NewDelivery],
    now: datetime,
    claimed_until: datetime,
) -> None:
    """Store what a look at bursts has decided, all of a burst or nothing of it. Raises: Unavailable."""
    bursts = [each.burst for each in settled]
    await database.execute(
        _SETTLE,
        [burst.user for burst in bursts],
        [burst.kind for burst in bursts],
        [burst.channel for burst in bursts],
        [burst.claim for burst in bursts],
        [each.due_at for each in settled],
        [each.is_sent for each in settled],
        now,
        claimed_until,
        [verdict.user for verdict in verdicts],
        [verdict.seq for verdict in verdicts],
        [verdict.channel for verdict in verdicts],
        [verdict.state for verdict in verdicts],
        [verdict.reason for verdict in verdicts],
        [verdict.push for verdict in verdicts],
        [delivery.id for delivery in deliveries],
        [delivery.push for delivery in deliveries],
        [delivery.user for delivery in deliveries],
        [delivery.device for delivery in deliveries],
        [delivery.provider for delivery in deliveries],
        [delivery.kind for delivery in deliveries],
        [delivery.first_seq for delivery in deliveries],
        [delivery.last_seq for delivery in deliveries],
        [delivery.content.decode() for delivery in deliveries],
        [delivery.expires_at for delivery in deliveries],
    )


async def load_targets(database: Database, users: Sequence[str]) -> list[Target]:
    """The devices and e-mail addresses of *users*. Raises: Unavailable."""
    rows = await database.fetch(_TARGETS, users)
    return [
        Target(str(row["user_id"]), row["provider"], str(row["id"]) if row["id"] is not None else None, row["language"])
        for row in rows
    ]


async def claim(database: Database, provider: str, now: datetime, until: datetime, limit: int) -> list[Try]:
    """Take deliveries that are due, for one try that ends by *until*. Raises: Unavailable."""
    rows = await database.fetch(_CLAIM, provider, now, until, limit)
    return [
        Try(
            str(row["id"]),
            str(row["user_id"]),
            str(row["device_id"]) if row["device_id"] is not None else None,
            row["kind"],
            row["first_seq"],
            row["last_seq"],
            row["content"].encode(),
            row["attempts"],
            to_ms(row["expires_at"]),
            to_ms(row["created_at"]),
            row["email"].encode() if row["email"] is not None else row["token"],
            row["token_hash"],
        )
        for row in rows
    ]


async def load_superseded(database: Database, deliveries: Sequence[str]) -> set[str]:
    """Those of *deliveries* after which a newer one has been made for the same place, which replaces them. Raises: Unavailable."""
    return {str(row["id"]) for row in await database.fetch(_SUPERSEDED, deliveries)}


async def save_outcomes(database: Database, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Store how tries ended. Raises: Unavailable."""
    await database.execute(
        _SAVE,
        [outcome.id for outcome in outcomes],
        [outcome.state for outcome in outcomes],
        [outcome.reason for outcome in outcomes],
        [outcome.due_at for outcome in outcomes],
        [outcome.answer for outcome in outcomes],
        [outcome.ref for outcome in outcomes],
        [outcome.is_void for outcome in outcomes],
        now,
    )
