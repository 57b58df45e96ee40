"""Hugs that meet: two people who hug each other within 5 s are told of it, each pair once.

Invariant: a hug is in at most one pair, both of a pair or neither have `mutual_at`, and both people have the event
in their inbox exactly if they have. Nothing that commits is missed: each hug is looked at after its own commit,
so of two that commit at the same moment on two nodes at least one is looked at when both can be seen. A node that
dies in between leaves its hug alone, unless the client has had no answer: then it is sent, and looked at, again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from asyncpg.pool import PoolConnectionProxy

from domain.errors import Unavailable
from domain.hug_moments import MUTUAL_STARTS_AFTER_MS, MUTUAL_WITHIN_MS, Meeting, pair_off
from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from protocol.codec import encode_body
from protocol.events import HugMutual
from protocol.parts import UserRef
from storage.hug_commits import Committed
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database

BATCH_MAX = 500
WAITING_MAX = 20_000  # hugs in memory that have not been looked at; beyond that the oldest stay alone
REPEATED_WITHIN_MS = 60_000  # a hug that is older when it is repeated was looked at long ago
CANDIDATES = 32  # of a hug: more than anybody may send in the time
PAUSE_S = 0.01  # before looking again for a hug whose candidate was just taken or locked
TRIES = 2_000  # pauses enough to outlast every lock: PostgreSQL ends an idle transaction of ours after 15 s
RETRY_S = 1.0
GATHER_S = 0.05  # a look costs as much for twenty hugs as for one, and nobody sees the difference

_WITHIN = timedelta(milliseconds=MUTUAL_WITHIN_MS)

log = logging.getLogger("hugmood.mutuals")

# Most hugs meet nobody: asked once for each two people, not for each hug.
_CROSSED = """
select i.ord
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) with ordinality as i(sender, recipient, first_ms, last_ms, ord)
where exists (
    select from hugs
    where sender_id = i.recipient and recipient_id = i.sender and mutual_at is null and undone_at is null
      and at between timestamptz 'epoch' + i.first_ms * interval '1 ms' - $5::interval
                 and timestamptz 'epoch' + i.last_ms * interval '1 ms' + $5::interval
)
"""

# One short walk along the index hugs_between for each hug. Walking in the order of `at` makes the planner take that
# index also while the table is small; otherwise it takes another one, and keeps it for a while when the table has grown.
_CANDIDATES = """
select i.ord, c.id, extract(epoch from c.distance)::float8 * 1000 as apart_ms
from unnest($1::uuid[], $2::uuid[], $3::bigint[]) with ordinality as i(sender, recipient, at_ms, ord)
cross join lateral (select timestamptz 'epoch' + i.at_ms * interval '1 ms' as at) m
cross join lateral (
    select id, greatest(at - m.at, m.at - at) as distance from hugs
    where sender_id = i.recipient and recipient_id = i.sender and at between m.at - $4::interval and m.at + $4::interval
      and mutual_at is null and undone_at is null
    order by at limit $5
) c
"""

# Waits for no lock, so that it can be part of no deadlock: others lock several hugs too, in other orders.
_LOCK = """
select id, mutual_at is null and undone_at is null as is_free from hugs
where id = any($1::uuid[]) order by id for no key update skip locked
"""

# In a statement of its own: what is read together with the lock may be older than the lock.
_SAVE = """
with pairs as materialized (
    select p.*, a.id as user_id, ap.display_name as user_name, b.id as other_id, bp.display_name as other_name
    from unnest($1::uuid[], $2::uuid[]) as p(hug, met)
    join hugs h on h.id = p.hug
    join users a on a.id = h.sender_id and a.deleted_at is null
    join users b on b.id = h.recipient_id and b.deleted_at is null
    join profiles ap on ap.user_id = a.id
    join profiles bp on bp.user_id = b.id
    where not exists (
        select from blocks x
        where (x.user_id = a.id and x.blocked_id = b.id) or (x.user_id = b.id and x.blocked_id = a.id)
    )
), saved as (
    update hugs h set mutual_at = $3, felt_at = coalesce(h.felt_at, $4)
    from (select hug from pairs union all select met from pairs) p where h.id = p.hug
)
select * from pairs
"""

Pairs = Sequence[tuple[str, str]]


class Mutuals:
    """The matchmaker of one process. No timer: it takes what has gathered while it was busy."""

    def __init__(
        self, database: Database, clock: Callable[[], int], on_stored: Callable[[Sequence[InboxEvent]], None]
    ) -> None:
        """*on_stored* gets the events of each batch, once they are on disk."""
        self._database = database
        self._clock = clock
        self._on_stored = on_stored
        self._waiting: deque[Committed] = deque(maxlen=WAITING_MAX)
        self._tries: dict[str, int] = {}  # of hugs that are looked at again
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closing = False
        self._matchmaker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Mutuals":
        self._matchmaker = asyncio.create_task(self._match_for_ever(), name="mutuals")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what waits, unless PostgreSQL is away."""
        self._is_closing = True
        self._wake.set()
        if self._matchmaker is not None:
            await self._matchmaker

    def look(self, hugs: Sequence[Committed]) -> None:
        """Let *hugs*, all committed, meet those that come the other way. Looking twice at a hug does no harm."""
        if len(self._waiting) + len(hugs) > WAITING_MAX:
            log.error("too many hugs wait to be looked at: the oldest stay alone")
        since_ms = self._clock() - REPEATED_WITHIN_MS
        self._waiting.extend(hug for hug in hugs if hug[3] > since_ms)
        if self._waiting:
            self._wake.set()
            self._idle.clear()

    async def drained(self) -> None:
        """Return when nothing waits any more."""
        await self._idle.wait()

    async def _match_for_ever(self) -> None:
        while self._waiting or not self._is_closing:
            await self._wake.wait()
            if not self._is_closing and len(self._waiting) < BATCH_MAX:
                await asyncio.sleep(GATHER_S)
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            try:
                if batch and (again := await self._match_all(batch)):
                    self._waiting.extend(again)
                    await asyncio.sleep(PAUSE_S)
            except Unavailable:
                self._waiting.extendleft(reversed(batch))
                if self._is_closing:
                    return
                await asyncio.sleep(RETRY_S)
            if not self._waiting:
                self._wake.clear()
                self._idle.set()

    async def _match_all(self, batch: Sequence[Committed]) -> list[Committed]:
        """Look once at each of *batch*; those to look at again. Raises: Unavailable."""
        try:
            return await self._match(batch)
        except Unavailable:
            raise
        except Exception:
            log.exception("hugs could not be looked at", extra={"size": len(batch)})
            if len(batch) == 1:
                return []
        # One bad row must not take the others with it.
        return [again for hug in batch for again in await self._match_all([hug])]

    async def _match(self, batch: Sequence[Committed]) -> list[Committed]:
        meetings = await self._meetings(await self._crossed(batch))
        if not meetings and not self._tries:
            return []
        alone = {hug for _, hug, _ in meetings} - await self._pair(pair_off(meetings)) if meetings else set()
        return [hug for hug in batch if self._looks_again(hug[0], is_alone=hug[0] in alone)]

    async def _crossed(self, batch: Sequence[Committed]) -> list[Committed]:
        """Those of *batch* whose recipient has sent something to their sender at about that time."""
        spans: dict[tuple[str, str], tuple[int, int]] = {}
        for _, sender, recipient, at_ms in batch:
            first, last = spans.get((sender, recipient), (at_ms, at_ms))
            spans[sender, recipient] = min(first, at_ms), max(last, at_ms)
        pairs = list(spans)
        rows = await self._database.fetch(
            _CROSSED,
            [sender for sender, _ in pairs],
            [recipient for _, recipient in pairs],
            [first for first, _ in spans.values()],
            [last for _, last in spans.values()],
            _WITHIN,
        )
        found = {pairs[row["ord"] - 1] for row in rows}
        return [hug for hug in batch if hug[1:3] in found]

    async def _meetings(self, hugs: Sequence[Committed]) -> list[Meeting]:
        """What each of *hugs* could meet."""
        if not hugs:
            return []
        _, senders, recipients, moments_ms = zip(*hugs, strict=True)
        rows = await self._database.fetch(_CANDIDATES, senders, recipients, moments_ms, _WITHIN, CANDIDATES)
        return [(apart_ms, hugs[ord_ - 1][0], str(other)) for ord_, other, apart_ms in rows]

    def _looks_again(self, hug: str, *, is_alone: bool) -> bool:
        tries = self._tries.pop(hug, 0) + 1
        if not is_alone:
            return False
        if tries == TRIES:
            log.error("a hug stays alone: it, or those it could meet, were always locked", extra={"hug": hug})
            return False
        self._tries[hug] = tries
        return True

    async def _pair(self, pairs: Pairs) -> set[str]:
        """Save and tell of those *pairs* that are still free; the hugs that need not be looked at again."""
        ids = [hug for pair in pairs for hug in pair]
        events: list[InboxEvent] = []
        async with self._database.transaction() as connection:
            is_free = {str(hug): free for hug, free in await connection.fetch(_LOCK, ids)}
            free = [pair for pair in pairs if is_free.get(pair[0]) and is_free.get(pair[1])]
            if free:
                events = await self._save(connection, free)
        if events:
            self._on_stored(events)
        return {hug for pair in free for hug in pair} | {hug for hug, free_ in is_free.items() if not free_}

    async def _save(self, connection: PoolConnectionProxy, pairs: Pairs) -> list[InboxEvent]:
        """Pair the locked *pairs*, but for people who have blocked each other or are gone."""
        now_ms = self._clock()
        starts_ms = now_ms + MUTUAL_STARTS_AFTER_MS
        hugs, met = [hug for hug, _ in pairs], [other for _, other in pairs]
        rows = await connection.fetch(_SAVE, hugs, met, from_ms(starts_ms), from_ms(now_ms))
        events: list[NewEvent] = []
        for row in rows:
            one = UserRef(str(row["user_id"]), row["user_name"])
            other = UserRef(str(row["other_id"]), row["other_name"])
            both = sorted((str(row["hug"]), str(row["met"])))
            mutual = uuid7(now_ms)
            for user, friend in ((one, other), (other, one)):
                event = HugMutual(at=rfc3339(now_ms), id=mutual, user=friend, hugs=both, starts_at=rfc3339(starts_ms))
                events.append(NewEvent(user.id, "hug.mutual", encode_body(event)))
        return await append_within(connection, events) if events else []
