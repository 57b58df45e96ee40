"""What somebody does in their notification centre, one change at a time.

Invariant: each change is told by one `notification` event in the same transaction, which says what the badge shows then;
what changes nothing is not told. Changes of one user wait for each other, so each counts what those before it did, and
the event stands behind everything that it counts.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from asyncpg.pool import PoolConnectionProxy

from domain.times import rfc3339, to_ms
from protocol.codec import encode_body
from protocol.events import Notification
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.notification_centre import ARE_UNREAD, COUNTED_MAX, LINES, WHOSE, count_within, whose
from storage.postgres import Database

OPENED_MAX = 4_000  # lines that one push marks read: their ids are one message, which has at most 64 KiB
MARKS_KEPT_FOR = timedelta(days=60)  # longer than any line is in the inbox

_LOCK = """
insert into notification_reads as r (user_id, through_seq, read_at) values ($1, 0, $2)
on conflict (user_id) do update set through_seq = r.through_seq
"""
_READ = f"""
with w as materialized ({WHOSE})
insert into notification_marks (user_id, seq, read_at)
select w.user_id, l.seq, $4 from w cross join lateral (
    select i.seq from {LINES} and {ARE_UNREAD} and {{where}}
) l
on conflict (user_id, seq) do update set read_at = excluded.read_at returning seq
"""  # noqa: S608  joined from constants
_READ_SOME = _READ.format(where="i.seq = any ($5::bigint[])")
_READ_SPAN = _READ.format(where=f"i.kind = $5 and i.seq between $6 and $7 order by i.seq desc limit {OPENED_MAX}")
_DELETE = f"""
with w as materialized ({WHOSE})
insert into notification_marks (user_id, seq, deleted_at)
select w.user_id, l.seq, $4 from w cross join lateral (select i.seq from {LINES} and i.seq = $5) l
on conflict (user_id, seq) do update set deleted_at = excluded.deleted_at returning seq
"""  # noqa: S608  joined from constants
_OPEN = """
update deliveries set state = 'opened', opened_at = coalesce(opened_at, $3), due_at = null
where id = $2 and user_id = $1 returning kind, first_seq, last_seq
"""


class LockedCentre:
    """The centre of *user*. Lives as long as its transaction; what is to be rung after that is in `events`."""

    def __init__(self, connection: PoolConnectionProxy, user: str, at: datetime) -> None:
        self._connection = connection
        self._user = user
        self._at = at
        self.events: list[InboxEvent] = []

    async def read(self, seqs: Sequence[int]) -> None:
        """These have been read."""
        rows = await self._connection.fetch(_READ_SOME, *await self._whose(), self._at, seqs)
        await self._tell_read([row["seq"] for row in rows])

    async def read_all(self) -> None:
        """Everything that is there has been read."""
        found = (await count_within(self._connection, [self._user]))[self._user]
        if not found.unread:
            return
        await self._connection.execute(
            "update notification_reads set through_seq = $2, read_at = $3 where user_id = $1",
            self._user,
            found.head,
            self._at,
        )
        await self._connection.execute(
            "delete from notification_marks where user_id = $1 and greatest(read_at, deleted_at) < $2",
            self._user,
            self._at - MARKS_KEPT_FOR,
        )
        await self._tell(Notification(at="", change="read", through=found.head))

    async def delete(self, seq: int) -> None:
        """This is not shown any more."""
        if await self._connection.fetch(_DELETE, *await self._whose(), self._at, seq):
            await self._tell(Notification(at="", change="deleted", ids=[seq]))

    async def open(self, delivery: str) -> bool:
        """That push was opened, and what it spoke of has been read. False: *user* was never sent it."""
        row = await self._connection.fetchrow(_OPEN, self._user, delivery, self._at)
        if row is None:
            return False
        rows = await self._connection.fetch(
            _READ_SPAN, *await self._whose(), self._at, row["kind"], row["first_seq"], row["last_seq"]
        )
        await self._tell_read([read["seq"] for read in rows])
        return True

    async def _whose(self) -> tuple[Sequence[str], list[str], list[str]]:
        return await whose(self._connection, [self._user])

    async def _tell_read(self, seqs: Sequence[int]) -> None:
        if seqs:
            await self._tell(Notification(at="", change="read", ids=sorted(seqs)))

    async def _tell(self, event: Notification) -> None:
        """Append *event* with its time and what is unread then: the last statements of the transaction."""
        found = (await count_within(self._connection, [self._user]))[self._user]
        unread = found.unread
        # From here on nothing can arrive before the event. What came since the count is counted too: counting all of
        # it under this lock would let hugs wait.
        head = await self._connection.fetchval("select seq from inbox_heads where user_id = $1 for update", self._user)
        if head > found.head:
            unread += (await count_within(self._connection, [self._user], found.head))[self._user].unread
        event = msgspec.structs.replace(event, at=rfc3339(to_ms(self._at)), unread=min(unread, COUNTED_MAX))
        self.events = await append_within(self._connection, [NewEvent(self._user, "notification", encode_body(event))])


@asynccontextmanager
async def locked_centre(database: Database, user: str, at: datetime) -> AsyncIterator[LockedCentre]:
    """Under lock, for one change, in a transaction that commits at the end of the block. Raises: Unavailable."""
    async with database.transaction() as connection:
        await connection.execute(_LOCK, user, at)
        yield LockedCentre(connection, user, at)
