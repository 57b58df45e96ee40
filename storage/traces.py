"""The life of one hug: what is stored about it here and there, as steps in the order of time.

Invariant: a sender learns what `GET /v1/hugs/{id}` tells them and no more: `delivered_at` and `told_seen_at`, never what
the recipient's devices, connections and pushes did.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from msgspec import Struct

from domain.reasons import in_words
from domain.times import to_ms
from storage.postgres import Database
from storage.routes import Route, load_routes

KEPT = timedelta(days=30)  # routes, notifications and deliveries
REMOVED_DEVICE = "removed device"

_HUG = """
select h.id::text, h.sender_id::text as sender, h.recipient_id::text as recipient, h.seq, h.kind, h.at, h.acked_at,
       h.acked_by, h.delivered_at, h.seen_at, h.told_seen_at, h.felt_at, h.undone_at, r.emoji
from hugs h left join hug_reactions r on r.hug_id = h.id
where h.id = $1 and ($2::uuid is null or h.sender_id = $2 or (h.recipient_id = $2 and h.undone_at is null))
"""
_NOTIFICATIONS = """
select channel, state, reason, decided_at from notifications where user_id = $1 and seq = $2 order by channel desc
"""
# A push tells of some events between its first and its last: of this one only if its notification was ever sent.
_DELIVERIES = """
select d.id::text, d.provider, d.state, d.reason, d.attempts, d.created_at, d.sent_at, d.accepted_at, d.opened_at, d.answer,
       case when d.device_id is not null then coalesce(v.name, $3) end as device
from deliveries d left join devices v on v.id = d.device_id and v.user_id = d.user_id
where d.user_id = $1 and d.last_seq >= $2 and d.first_seq <= $2 and exists (
    select from notifications n where n.user_id = $1 and n.seq = $2 and n.kind = d.kind and n.push_id is not null
      and (n.channel = 'email') = (d.provider = 'email')
)
order by d.created_at, d.id
"""


class Step(Struct, frozen=True, kw_only=True):
    """As `protocol.rest_push.TraceStep`, in Unix ms."""

    at_ms: int
    what: str
    detail: str | None = None
    device: str | None = None
    provider: str | None = None
    delivery: str | None = None
    nodes: Sequence[str] | None = None


class Life(Struct, frozen=True, kw_only=True):
    """All that is known of a hug. *pushes*: what became of its notifications and their deliveries."""

    hug: Mapping[str, Any]
    pushes: Sequence[Step]
    routes: Sequence[Route] = ()

    def is_expired(self, now: datetime) -> bool:
        """Is it older than what is kept of routes and pushes?"""
        return bool(now - self.hug["at"] > KEPT)

    def seen_by_sender(self) -> list[Step]:
        """What its sender may know."""
        return _sorted(
            [
                *self._moment("accepted", "at"),
                *self._moment("delivered", "delivered_at"),
                *self._moment("seen", "told_seen_at"),
                *self._moment("felt", "felt_at", detail=self.hug["emoji"]),
                *self._moment("undone", "undone_at"),
            ]
        )

    def seen_by_recipient(self) -> list[Step]:
        """What its recipient may know."""
        return _sorted(
            [
                *self._moment("accepted", "at"),
                *self._moment("acked", "acked_at", device=self.hug["acked_by"]),
                *self.pushes,
                *self._moment("seen", "seen_at"),
                *self._moment("felt", "felt_at", detail=self.hug["emoji"]),
            ]
        )

    def seen_by_operator(self) -> list[Step]:
        """Everything."""
        told = "the sender was told" if self.hug["told_seen_at"] is not None else "the sender was not told"
        return _sorted(
            [
                *self._moment("accepted", "at"),
                *(
                    Step(at_ms=route.at_ms, what="routed", detail=f"by {route.by}", nodes=route.nodes)
                    for route in self.routes
                ),
                *self._moment("acked", "acked_at", device=self.hug["acked_by"]),
                *self.pushes,
                *self._moment("delivered", "delivered_at"),
                *self._moment("seen", "seen_at", detail=told),
                *self._moment("felt", "felt_at", detail=self.hug["emoji"]),
                *self._moment("undone", "undone_at"),
            ]
        )

    def _moment(self, what: str, column: str, **more: Any) -> Iterator[Step]:
        if self.hug[column] is not None:
            yield Step(at_ms=to_ms(self.hug[column]), what=what, **more)


async def load_life(database: Database, hug: str, user: str | None = None) -> Life | None:
    """The life of *hug* for *user*, or with its routes for an operator. Raises: Unavailable.

    None: there is no such hug, or it is neither from *user* nor to them, or was taken back from them.
    """
    row = await database.fetchrow(_HUG, hug, user)
    if row is None:
        return None
    recipient, seq = row["recipient"], row["seq"]
    notifications = await database.fetch(_NOTIFICATIONS, recipient, seq)
    deliveries = await database.fetch(_DELIVERIES, recipient, seq, REMOVED_DEVICE)
    pushes = [step for each in notifications for step in _decision(each)]
    pushes += [step for each in deliveries for step in _delivery(each)]
    routes = await load_routes(database, recipient, seq, row["at"]) if user is None else []
    return Life(hug=dict(row), pushes=pushes, routes=routes)


def _decision(row: asyncpg.Record) -> Iterator[Step]:
    """What was decided last about a channel; what was sent shows in its deliveries."""
    what = {"waiting": "waiting", "suppressed": "push_suppressed", "expired": "push_suppressed"}.get(row["state"])
    if what is not None:
        reason = row["reason"] or ("expired" if row["state"] == "expired" else None)
        provider = "email" if row["channel"] == "email" else None
        yield Step(at_ms=to_ms(row["decided_at"]), what=what, detail=in_words(reason), provider=provider)


def _delivery(row: asyncpg.Record) -> Iterator[Step]:
    whose = {"device": row["device"], "provider": row["provider"], "delivery": row["id"]}
    yield Step(at_ms=to_ms(row["created_at"]), what="push_queued", **whose)
    state, tried_at = row["state"], row["sent_at"]
    if tried_at is not None:
        yield Step(at_ms=to_ms(tried_at), what="push_sent", detail=_try(row), **whose)
    if row["accepted_at"] is not None:
        yield Step(at_ms=to_ms(row["accepted_at"]), what="push_accepted", detail=row["answer"], **whose)
    if row["opened_at"] is not None:
        yield Step(at_ms=to_ms(row["opened_at"]), what="push_opened", **whose)
    if state in ("suppressed", "expired", "dead", "failed"):
        what = "push_suppressed" if state == "suppressed" else "push_failed"
        yield Step(at_ms=to_ms(tried_at or row["created_at"]), what=what, detail=_end(row), **whose)


def _try(row: asyncpg.Record) -> str | None:
    """Which try, if there were several, and what it came to, as long as that is not the end."""
    number = f"try {row['attempts']}" if row["attempts"] > 1 else None
    answer = row["answer"] if row["state"] in ("queued", "sent") else None
    return ": ".join(filter(None, (number, answer))) or None


def _end(row: asyncpg.Record) -> str | None:
    reason = row["reason"] or ("expired" if row["state"] == "expired" else None)
    return ": ".join(filter(None, (in_words(reason), row["answer"]))) or None


def _sorted(steps: Iterable[Step]) -> list[Step]:
    """In the order of time; what happened in the same millisecond as it follows from each other."""
    return sorted(steps, key=lambda step: step.at_ms)
