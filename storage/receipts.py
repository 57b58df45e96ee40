"""Acks and reading marks: from the recipient's devices back to the senders.

Acks are cumulative and arrive in masses, so they are gathered for 100 ms and written in one statement.
Invariant: `acked_seq` only grows and never passes `seq`; a hug is reported delivered once. What the sender may know
(`delivered_at`, `told_seen_at`) is written only where both share receipts, the recipient has not blocked the sender and
does not hide; what was acked in hiding is never told later. What the recipient may know (`acked_at`, `acked_by`, `seen_at`)
is written always.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from domain.errors import Unavailable
from domain.times import from_ms
from storage.postgres import Database

GATHER_S = 0.1
RETRY_S = 1.0

log = logging.getLogger("hugmood.receipts")

# Two statements, so that no head is locked while hugs are marked: commits wait for heads. Should the second fail,
# the first is repeated and finds nothing to do. In the order of users, as other nodes, to which the same people's other
# devices ack the same hugs.
_DELIVERED = """
with input as (
    select * from unnest($1::uuid[], $2::bigint[], $4::text[], $5::boolean[]) as t(user_id, seq, device, is_open)
), news as materialized (
    select h.user_id, h.acked_seq, least(i.seq, h.seq) as seq, i.device,
           i.is_open and not exists (select from privacy p where p.user_id = h.user_id and not p.shares_receipts) as is_open
    from inbox_heads h join input i using (user_id)
    where least(i.seq, h.seq) > h.acked_seq
    order by h.user_id
), marked as (
    update hugs g set acked_at = $3::timestamptz, acked_by = news.device, delivered_at = case
        when g.delivered_at is null and g.undone_at is null and news.is_open
             and not exists (select from privacy p where p.user_id = g.sender_id and not p.shares_receipts)
             and not exists (select from blocks b where b.user_id = g.recipient_id and b.blocked_id = g.sender_id)
        then $3 else g.delivered_at end
    from news
    where g.recipient_id = news.user_id and g.seq > news.acked_seq and g.seq <= news.seq and g.acked_at is null
    returning g.id, g.sender_id, g.delivered_at
)
select id, sender_id from marked where delivered_at = $3
"""

# Heads are locked in the order that commits lock them.
_ACKED = """
with input as (
    select * from unnest($1::uuid[], $2::bigint[]) as t(user_id, seq)
), news as materialized (
    select h.user_id, least(i.seq, h.seq) as seq from inbox_heads h join input i using (user_id)
    where least(i.seq, h.seq) > h.acked_seq
    order by h.user_id for update of h
)
update inbox_heads h set acked_seq = news.seq from news where h.user_id = news.user_id and news.seq > h.acked_seq
"""

# Seen openly implies delivered, also if the ack came in hiding.
_SEEN = """
update hugs g set
    seen_at = $3,
    told_seen_at = case when n.is_told then $3::timestamptz end,
    delivered_at = case when n.is_told then coalesce(g.delivered_at, $3) else g.delivered_at end
from (
    select h.id, $4 and not exists (
        select from privacy p where p.user_id in (h.sender_id, h.recipient_id) and not p.shares_receipts
    ) and not exists (
        select from blocks b where b.user_id = h.recipient_id and b.blocked_id = h.sender_id
    ) as is_told
    from hugs h where h.recipient_id = $1 and h.id = any($2::uuid[])
) n
where g.id = n.id and g.seen_at is null and g.undone_at is null
returning g.id, g.sender_id, n.is_told
"""


class Hiding(Protocol):
    """Who wants to be seen nowhere."""

    def is_hidden_here(self, user: str) -> bool:
        """Is that so on a device of this node?"""

    async def hidden(self, users: Sequence[str]) -> set[str]:
        """Those of *users* for whom it is so anywhere, or may be. Does not raise."""


class Receipt(Struct, frozen=True, gc=False):
    """A hug of *sender* has moved on."""

    hug: str
    sender: str


class Receipts:
    """The ack writer of one process."""

    def __init__(
        self,
        database: Database,
        hiding: Hiding,
        clock: Callable[[], int],
        on_delivered: Callable[[Sequence[Receipt], int], None],
    ) -> None:
        """*on_delivered* gets the receipts of each write and its time in Unix ms."""
        self._database = database
        self._hiding = hiding
        self._clock = clock
        self._on_delivered = on_delivered
        self._waiting: dict[str, int] = {}
        self._devices: dict[str, str | None] = {}  # of those who wait: one that has all of it
        self._hidden: set[str] = set()  # who has acked in hiding since the last write, and may have come out since
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Receipts":
        self._writer = asyncio.create_task(self._write_for_ever(), name="receipts")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        with suppress(Unavailable):
            await self._write()

    def ack(self, user: str, seq: int, device: str | None) -> None:
        """*device* of *user*, if it is known which, has everything up to *seq*. Written within about 100 ms; repeated
        until it is.
        """
        if seq > self._waiting.get(user, 0):
            self._waiting[user] = seq
            self._devices[user] = device
            if self._hiding.is_hidden_here(user):
                self._hidden.add(user)
            self._wake.set()

    async def mark_seen(self, user: str, hugs: Sequence[str], now_ms: int) -> list[Receipt]:
        """*user* has read these; what to tell their senders. What was not theirs or was seen already is left out.

        Raises: Unavailable.
        """
        is_open = user not in await self._hiding.hidden([user])
        rows = await self._database.fetch(_SEEN, user, hugs, from_ms(now_ms), is_open)
        return [Receipt(str(row["id"]), str(row["sender_id"])) for row in rows if row["is_told"]]

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                await self._write()
            except Unavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("acks could not be written")
                await asyncio.sleep(RETRY_S)

    async def _write(self) -> None:
        acks, self._waiting = self._waiting, {}
        if not acks:
            return
        devices, self._devices = self._devices, {}
        hidden, self._hidden = self._hidden, set()
        now_ms = self._clock()
        try:
            hidden |= await self._hiding.hidden([user for user in acks if user not in hidden])
            users, seqs = list(acks), list(acks.values())
            is_open = [user not in hidden for user in users]
            rows = await self._database.fetch(
                _DELIVERED, users, seqs, from_ms(now_ms), [devices[user] for user in users], is_open
            )
            if rows:
                self._on_delivered([Receipt(str(row["id"]), str(row["sender_id"])) for row in rows], now_ms)
            await self._database.execute(_ACKED, users, seqs)
        except BaseException:
            self._hidden |= hidden
            for user, seq in acks.items():
                self.ack(user, seq, devices[user])
            raise
