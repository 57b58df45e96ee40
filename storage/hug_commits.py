"""Group commit of hugs: everything that arrives while one batch commits goes into the next.

Latency is that of one commit when idle; under load batches are large, because each begins at least `BATCH_EVERY_S`
after the one before.
Invariant: a hug is answered `accepted` only after the transaction that holds its row, its place in the
recipient's inbox and the new head has committed; the same id never makes a second hug.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.errors import Conflict, NotFound, Refusal, Unavailable
from domain.times import from_ms, to_ms
from storage.inbox import InboxEvent
from storage.lane import Lane
from storage.postgres import Database

BATCH_MAX = 500
BATCH_EVERY_S = 0.003  # from the start of one batch to that of the next: each costs half a millisecond of CPU
WAITING_MAX = 20_000  # hugs in memory that are not committed; beyond that the answer is `unavailable`
COLLISION_TRIES = 5  # the same id committed elsewhere in the same moment

log = logging.getLogger("hugmood.commits")

# Rows go in sorted by recipient, so that batches of several nodes lock the heads in the same order.
_APPEND = """
with input as (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[])
    with ordinality as t(id, sender_id, recipient_id, kind, message, style, body, at, ord)  -- ord: as they arrived
), fresh as materialized (
    select i.* from input i where not exists (select from hugs h where h.id = i.id)
), heads as (
    insert into inbox_heads as h (user_id, seq)
    select f.recipient_id, count(*) from fresh f join users u on u.id = f.recipient_id and u.deleted_at is null group by 1 order by 1
    on conflict (user_id) do update set seq = h.seq + excluded.seq
    returning user_id, seq
), matched as materialized (  -- a full join cannot be a nested loop, which is what the planner takes for so "few" rows
    select f.*, heads.user_id, heads.seq as head from fresh f full join heads on heads.user_id = f.recipient_id
), placed as materialized (
    select m.*, m.head - count(*) over (partition by m.recipient_id)
           + row_number() over (partition by m.recipient_id order by m.ord) as seq
    from matched m where m.user_id is not null
), stored as (
    insert into hugs (id, sender_id, recipient_id, seq, kind, message, style, at)
    select id, sender_id, recipient_id, seq, kind, message, style, at from placed
), rung as (
    insert into inbox (user_id, seq, kind, body, at)
    select recipient_id, seq, 'hug.received', body, now() from placed
)
select ord, seq from placed
"""


class NewHug(Struct, frozen=True, gc=False):
    """A hug that may be sent: *body* is the encoded `hug.received`, *style* JSON text, *at_ms* Unix ms."""

    id: str
    sender: str
    recipient: str
    kind: str
    message: str | None
    style: str | None
    body: bytes
    at_ms: int


Answer = int | Refusal  # Unix ms at which the hug was accepted, the first time; or why not
Settle = Callable[[NewHug, Answer], None]
Committed = tuple[str, str, str, int]  # id, sender, recipient, Unix ms at which the hug was accepted, the first time


class HugCommits:
    """The flusher of one process."""

    def __init__(self, database: Database, on_stored: Callable[[Sequence[InboxEvent]], None]) -> None:
        """*on_stored* gets the events of each batch, once they are on disk."""
        self._database = database
        self._lane = Lane(database)
        self._on_stored = on_stored
        self._waiting: deque[tuple[NewHug, Settle]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flusher: asyncio.Task[None] | None = None
        self._next_start = 0.0
        self._flushing = 0  # hugs in the batch that commits now
        self._flushed = 0  # hugs in all batches before it
        self._passing: deque[tuple[int, asyncio.Future[None]]] = deque()  # who waits until so many are flushed
        self.batches = 0
        self.committed = 0
        self.on_batch: list[Callable[[int, float], None]] = []  # told (size, seconds) of each batch
        self.on_committed: list[Callable[[Sequence[Committed]], None]] = []  # given each batch, after its answers

    async def __aenter__(self) -> "HugCommits":
        self._flusher = asyncio.create_task(self._flush_for_ever(), name="hug-commits")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        await self._lane.close()

    def append(self, hug: NewHug, settle: Settle) -> None:
        """Commit *hug* with the next batch, then call *settle(hug, answer)*, exactly once."""
        if len(self._waiting) >= WAITING_MAX:
            settle(hug, Unavailable())
            return
        self._waiting.append((hug, settle))
        self._wake.set()
        self._idle.clear()

    async def drained(self) -> None:
        """Return when nothing waits any more."""
        await self._idle.wait()

    async def passed(self) -> None:
        """Return when every hug that was appended before has its answer, however many come after."""
        ahead = self._flushing + len(self._waiting)
        if ahead:
            passing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._passing.append((self._flushed + ahead, passing))
            await passing

    async def _flush_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            early_s = self._next_start - time.perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
            self._next_start = time.perf_counter() + BATCH_EVERY_S
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            if batch:
                started = time.perf_counter()
                self._flushing = len(batch)
                await self._flush(batch)
                self._let_pass()
                took = time.perf_counter() - started
                for watch in self.on_batch:
                    watch(len(batch), took)
            if not self._waiting:
                self._wake.clear()
                self._idle.set()

    def _let_pass(self) -> None:
        self._flushed, self._flushing = self._flushed + self._flushing, 0
        while self._passing and self._passing[0][0] <= self._flushed:
            _, passing = self._passing.popleft()
            if not passing.done():  # whoever waited may be gone
                passing.set_result(None)

    async def _flush(self, batch: list[tuple[NewHug, Settle]]) -> None:
        distinct: dict[str, NewHug] = {}
        for hug, _ in batch:
            distinct.setdefault(hug.id, hug)  # the first of each id
        hugs = list(distinct.values())
        try:
            answers = await self._commit(hugs)
        except Unavailable as error:
            answers = {hug.id: (hug, error) for hug in hugs}
        except Exception:
            log.exception("a batch of hugs failed", extra={"size": len(hugs)})
            answers = await self._commit_one_by_one(hugs)
        for hug, settle in batch:
            first, answer = answers[hug.id]
            if hug is not first and (first.sender, first.recipient) != (hug.sender, hug.recipient):
                answer = _TAKEN
            try:
                settle(hug, answer)
            except Exception:
                log.exception("an answer could not be given", extra={"hug": hug.id})
        committed = [(hug.id, hug.sender, hug.recipient, at) for hug, at in answers.values() if isinstance(at, int)]
        for watch in self.on_committed:
            watch(committed)

    async def _commit_one_by_one(self, hugs: Sequence[NewHug]) -> dict[str, tuple[NewHug, Answer]]:
        """One bad row must not take the others with it."""
        answers: dict[str, tuple[NewHug, Answer]] = {}
        for hug in hugs:
            try:
                answers.update(await self._commit([hug]))
            except Unavailable as error:
                answers[hug.id] = (hug, error)
            except Exception:
                log.exception("a hug could not be stored", extra={"hug": hug.id})
                answers[hug.id] = (hug, Refusal("Something went wrong here; it is logged."))
        return answers

    async def _commit(self, hugs: Sequence[NewHug]) -> dict[str, tuple[NewHug, Answer]]:
        """Store *hugs*, ids distinct, in one transaction; each recipient gets theirs in the order given here.

        Raises: Unavailable, when it is unknown whether it committed.
        """
        columns = _columns(hugs)
        for attempt in range(1, COLLISION_TRIES + 1):
            try:
                rows = await self._lane.fetch(_APPEND, *columns)
                break
            except (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError, asyncpg.DeadlockDetectedError):
                if attempt == COLLISION_TRIES:
                    raise
        answers: dict[str, tuple[NewHug, Answer]] = {}
        events: list[InboxEvent] = []
        for ord_, seq in rows:
            hug = hugs[ord_ - 1]
            answers[hug.id] = (hug, hug.at_ms)
            events.append(InboxEvent(hug.recipient, seq, hug.body))
        self.batches += 1
        self.committed += len(events)
        if len(answers) < len(hugs):
            answers |= await self._answer_repeated([hug for hug in hugs if hug.id not in answers])
        if events:
            self._on_stored(events)
        return answers

    async def _answer_repeated(self, hugs: Sequence[NewHug]) -> dict[str, tuple[NewHug, Answer]]:
        """Answers for what was not inserted: the first answer of the same hug, or why there is none."""
        rows = await self._database.fetch(
            "select id, sender_id, recipient_id, at from hugs where id = any($1::uuid[])", [hug.id for hug in hugs]
        )
        stored = {str(row["id"]): row for row in rows}
        answers: dict[str, tuple[NewHug, Answer]] = {}
        for hug in hugs:
            row = stored.get(hug.id)
            if row is None:
                answers[hug.id] = (hug, NotFound("No such user."))
            elif (str(row["sender_id"]), str(row["recipient_id"])) != (hug.sender, hug.recipient):
                answers[hug.id] = (hug, _TAKEN)
            else:
                answers[hug.id] = (hug, to_ms(row["at"]))
        return answers


async def commit_within(connection: PoolConnectionProxy, hugs: Sequence[NewHug]) -> list[InboxEvent]:
    """Store *hugs*, ids distinct, inside the caller's transaction; ring what comes back only after it has committed.

    Locks the recipients' heads in their order, so nothing but heads may be locked afterwards. Raises: Conflict if
    an id is a stored hug's already; NotFound if a recipient is gone; Unavailable if another transaction stores one
    of these ids at the same moment, in which case the caller's must be rolled back like after any other exception.
    """
    try:
        rows = await connection.fetch(_APPEND, *_columns(hugs))
    except (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError, asyncpg.DeadlockDetectedError) as error:
        raise Unavailable from error
    if len(rows) < len(hugs):
        stored = await connection.fetchval("select count(*) from hugs where id = any($1::uuid[])", [h.id for h in hugs])
        raise Conflict(str(_TAKEN)) if stored > len(rows) else NotFound("No such user.")
    return [InboxEvent(hugs[ord_ - 1].recipient, seq, hugs[ord_ - 1].body) for ord_, seq in rows]


def _columns(hugs: Sequence[NewHug]) -> tuple[list[Any], ...]:
    """The arguments of `_APPEND`."""
    return (
        [hug.id for hug in hugs],
        [hug.sender for hug in hugs],
        [hug.recipient for hug in hugs],
        [hug.kind for hug in hugs],
        [hug.message for hug in hugs],
        [hug.style for hug in hugs] if any(hug.style is not None for hug in hugs) else [],  # unnest fills up with null
        [hug.body for hug in hugs],
        [from_ms(hug.at_ms) for hug in hugs],
    )


_TAKEN = Conflict("This id belongs to another hug. Make a new UUIDv7 for each hug.")
