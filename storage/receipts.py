"""Acks and reading marks: from the recipient's devices back to the senders.

Acks are cumulative and arrive in masses, so they are gathered for 100 ms and written in one statement.
Invariant: `acked_seq` only grows and never passes `seq`; a hug is reported delivered once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from domain.errors import Unavailable
from domain.times import from_ms
from storage.postgres import Database

GATHER_S = 0.1
RETRY_S = 1.0

log = logging.getLogger("hugmood.receipts")

# Two statements, so that no head is locked while hugs are marked: commits wait for heads. Should the second fail,
# the first is repeated and finds nothing to do.
_DELIVERED = """
with input as (
    select * from unnest($1::uuid[], $2::bigint[]) as t(user_id, seq)
), news as materialized (
    select h.user_id, h.acked_seq, least(i.seq, h.seq) as seq from inbox_heads h join input i using (user_id)
    where least(i.seq, h.seq) > h.acked_seq
)
update hugs g set delivered_at = $3 from news
where g.recipient_id = news.user_id and g.seq > news.acked_seq and g.seq <= news.seq and g.delivered_at is null
returning g.id, g.sender_id
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

_SEEN = """
update hugs set seen_at = $3, delivered_at = coalesce(delivered_at, $3)
where recipient_id = $1 and id = any($2::uuid[]) and seen_at is null
returning id, sender_id
"""


class Receipt(Struct, frozen=True, gc=False):
    """A hug of *sender* has moved on."""

    hug: str
    sender: str


class Receipts:
    """The ack writer of one process."""

    def __init__(
        self, database: Database, clock: Callable[[], int], on_delivered: Callable[[Sequence[Receipt], int], None]
    ) -> None:
        """*on_delivered* gets the receipts of each write and its time in Unix ms."""
        self._database = database
        self._clock = clock
        self._on_delivered = on_delivered
        self._waiting: dict[str, int] = {}
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

    def ack(self, user: str, seq: int) -> None:
        """One device of *user* has everything up to *seq*. Written within about 100 ms; repeated until it is."""
        if seq > self._waiting.get(user, 0):
            self._waiting[user] = seq
            self._wake.set()

    async def mark_seen(self, user: str, hugs: Sequence[str], now_ms: int) -> list[Receipt]:
        """*user* has read these; what was not theirs or was seen already is left out. Raises: Unavailable."""
        rows = await self._database.fetch(_SEEN, user, hugs, from_ms(now_ms))
        return [Receipt(str(row["id"]), str(row["sender_id"])) for row in rows]

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
        now_ms = self._clock()
        try:
            rows = await self._database.fetch(_DELIVERED, list(acks), list(acks.values()), from_ms(now_ms))
            if rows:
                self._on_delivered([Receipt(str(row["id"]), str(row["sender_id"])) for row in rows], now_ms)
            await self._database.execute(_ACKED, list(acks), list(acks.values()))
        except BaseException:
            for user, seq in acks.items():
                self.ack(user, seq)
            raise
