"""What can be known of pushes from outside: what is stored, what the providers got, and when acks were seen to be stored."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import asyncpg
from msgspec import Struct, field

from tests.chaos.phones import now_ms
from tests.chaos.stack import Stack
from tests.support.fake_push import FakePush
from tests.support.push_faults import Push

LOOK_EVERY_S = 0.2
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

_HUGS = """
select i.user_id, i.seq, i.at, convert_from(i.body, 'UTF8')::json as event, h.acked_at
from inbox i left join hugs h on h.recipient_id = i.user_id and h.seq = i.seq
where i.kind = 'hug.received' order by i.user_id, i.seq
"""
_DELIVERIES = """
select id, push_id, user_id, provider, kind, first_seq, last_seq, content, state, reason, attempts, created_at, sent_at, accepted_at
from deliveries order by user_id, created_at, id
"""
# What is still to be done: events to be looked at, bursts to be decided but those of $1, tries to be made.
_UNSETTLED = """
select (select count(*) from inbox_heads where seq > greatest(acked_seq, notified_seq))
     + (select count(*) from bursts b where b.due_at is not null and (b.claim is not null or not exists (
           select from notifications n where n.user_id = b.user_id and n.kind = b.kind and n.channel = b.channel
               and n.state = 'waiting' and n.user_id = any($1::uuid[]))))
     + (select count(*) from notifications n where state = 'waiting' and (reason is null or not exists (
           select from bursts b where b.user_id = n.user_id and b.kind = n.kind and b.channel = n.channel
               and b.due_at is not null)))
     + (select count(*) from deliveries where due_at is not null)
"""


class Hugged(Struct, frozen=True):
    """A hug in somebody's inbox. Times in Unix ms."""

    seq: int
    id: str
    sender: str
    name: str
    at_ms: int
    acked_ms: int | None


class Delivery(Struct, frozen=True, kw_only=True):
    """A row of `deliveries`. *first*, *last*: the seqs it speaks of. Times in Unix ms."""

    id: str
    push: str
    user: str
    provider: str
    kind: str
    first: int
    last: int
    title: str
    text: str
    collapse_key: str
    badge: int
    count: int
    state: str
    reason: str | None
    attempts: int
    created_ms: int
    sent_ms: int | None
    accepted_ms: int | None


class Facts(Struct):
    """As of *at_ms*. *fates*: by user and seq, state and reason. *acks*: by user, when which seq was found to be stored as acked, in order.

    *tries*: all requests for a push; *pushes*: those that reached a device. *registered*: user and provider of devices.
    """

    at_ms: int
    hugs: dict[str, list[Hugged]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    fates: dict[tuple[str, int], tuple[str, str | None]] = field(default_factory=dict)
    acks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    tries: list[Push] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    registered: set[tuple[str, str]] = field(default_factory=set)

    def acked_by(self, user: str, at_ms: int) -> int:
        """The seq up to which whoever looked at *at_ms* must have found everything acked."""
        return max((seq for seen_ms, seq in self.acks.get(user, ()) if seen_ms <= at_ms), default=0)


class Watch:
    """Notes when acks are stored, and waits for what is to be stored."""

    def __init__(self, stack: Stack) -> None:
        self._url: str = stack.running()["database_url"]
        self._acks: dict[str, list[tuple[int, int]]] = defaultdict(list)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """For the block."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            with suppress(*AWAY):
                connection = await asyncpg.connect(self._url)
                try:
                    while True:
                        await self._look(connection)
                        await asyncio.sleep(LOOK_EVERY_S)
                finally:
                    connection.terminate()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, connection: asyncpg.Connection) -> None:
        for row in await connection.fetch("select user_id, acked_seq from inbox_heads where acked_seq > 0"):
            known = self._acks[str(row["user_id"])]
            if not known or known[-1][1] < row["acked_seq"]:
                known.append((now_ms(), row["acked_seq"]))

    async def count(self, query: str, *arguments: object) -> int:
        """What *query* counts, as soon as PostgreSQL says it."""
        while True:
            with suppress(*AWAY):
                connection = await asyncpg.connect(self._url)
                try:
                    number: int = await connection.fetchval(query, *arguments)
                    return number
                finally:
                    connection.terminate()
            await asyncio.sleep(LOOK_EVERY_S)

    async def until(self, query: str, *arguments: object, within_s: float) -> None:
        """Until *query* counts something. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while not await self.count(query, *arguments):  # noqa: ASYNC110  a condition in PostgreSQL
                await asyncio.sleep(LOOK_EVERY_S)

    async def settled(self, waiting: Sequence[str], within_s: float) -> None:
        """Until nothing is left to do for the workers but to wait for the users *waiting*. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            quiet = 0
            while quiet < 2:
                quiet = quiet + 1 if await self.count(_UNSETTLED, waiting) == 0 else 0
                await asyncio.sleep(LOOK_EVERY_S)

    async def ids(self, query: str) -> set[str]:
        """The ids that *query* finds now. Raises: what asyncpg does."""
        connection = await asyncpg.connect(self._url)
        try:
            return {str(row[0]) for row in await connection.fetch(query)}
        finally:
            await connection.close()

    async def undone(self) -> str:
        """What is still to be done, for people."""
        connection = await asyncpg.connect(self._url)
        try:
            rows = [
                *await connection.fetch(
                    "select now(), provider, state, reason, attempts, answer, count(*), min(created_at), min(sent_at),"
                    " min(due_at) from deliveries where due_at is not null group by 1, 2, 3, 4, 5, 6"
                ),
                *await connection.fetch(
                    "select b.kind, n.state, n.reason, count(*), min(b.due_at), count(b.claim) from bursts b"
                    " join notifications n using (user_id, kind, channel) where n.state = 'waiting' group by 1, 2, 3"
                ),
                *await connection.fetch(
                    "select count(*) from inbox_heads where seq > greatest(acked_seq, notified_seq)"
                ),
            ]
        finally:
            await connection.close()
        return "\n".join(str(dict(row)) for row in rows)

    async def facts(self, fakes: FakePush) -> Facts:
        """All there is."""
        facts = Facts(now_ms(), acks=dict(self._acks), tries=await fakes.tries(), pushes=await fakes.pushes())
        connection = await asyncpg.connect(self._url)
        try:
            for row in await connection.fetch(_HUGS):
                facts.hugs.setdefault(str(row["user_id"]), []).append(_hugged(row))
            facts.deliveries = [_delivery(row) for row in await connection.fetch(_DELIVERIES)]
            for row in await connection.fetch("select user_id, seq, state, reason from notifications"):
                facts.fates[str(row["user_id"]), row["seq"]] = (row["state"], row["reason"])
            for row in await connection.fetch("select user_id, provider from devices"):
                facts.registered.add((str(row["user_id"]), row["provider"]))
        finally:
            await connection.close()
        return facts


def _hugged(row: asyncpg.Record) -> Hugged:
    event = json.loads(row["event"])
    sender = event["from"]
    return Hugged(row["seq"], event["id"], sender["id"], sender["name"], to_ms(row["at"]), _maybe_ms(row["acked_at"]))


def _delivery(row: asyncpg.Record) -> Delivery:
    content = json.loads(row["content"])
    return Delivery(
        id=str(row["id"]),
        push=str(row["push_id"]),
        user=str(row["user_id"]),
        provider=row["provider"],
        kind=row["kind"],
        first=row["first_seq"],
        last=row["last_seq"],
        title=content["title"],
        text=content["body"],
        collapse_key=content["collapse_key"],
        badge=content["badge"],
        count=int(content["data"]["count"]),
        state=row["state"],
        reason=row["reason"],
        attempts=row["attempts"],
        created_ms=to_ms(row["created_at"]),
        sent_ms=_maybe_ms(row["sent_at"]),
        accepted_ms=_maybe_ms(row["accepted_at"]),
    )


def to_ms(moment: datetime) -> int:
    """Unix ms."""
    return round(moment.timestamp() * 1000)


def _maybe_ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
