"""One hug under lock: the way in which it is taken back and reacted to.

Invariant: taking back, marking seen and pairing exclude each other, because each decides by what it reads
while it holds the row's lock.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from domain.hug_moments import no_such_hug
from domain.times import to_ms
from storage.hugs import Reaction
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database

_LOCK = """
select sender_id, recipient_id, at, told_seen_at, felt_at, undone_at from hugs
where id = $2 and $1::uuid in (sender_id, recipient_id) for no key update
"""

# In a statement of its own: what is read together with the lock may be older than the lock.
_ARE_APART = """
select exists (select from users where id in ($1, $2) and deleted_at is not null)
    or exists (select from blocks where (user_id = $1 and blocked_id = $2) or (user_id = $2 and blocked_id = $1))
"""

_SAVE_REACTION = """
insert into hug_reactions as r (hug_id, user_id, emoji, message, at) values ($1, $2, $3, $4, $5)
on conflict (hug_id) do update set emoji = excluded.emoji, message = excluded.message, at = excluded.at
"""


class LockedHug:
    """A hug that *user* has sent or received. Lives as long as its transaction; times in Unix ms."""

    def __init__(self, connection: PoolConnectionProxy, user: str, hug: str, row: asyncpg.Record) -> None:
        self._connection = connection
        self.user = user
        self.id = hug
        self.sender = str(row["sender_id"])
        self.recipient = str(row["recipient_id"])
        self.at_ms = to_ms(row["at"])
        self.is_seen: bool = row["told_seen_at"] is not None  # as far as the sender may know
        self.is_felt: bool = row["felt_at"] is not None
        self.undone_ms = to_ms(row["undone_at"]) if row["undone_at"] else None

    async def are_apart(self) -> bool:
        """Has one of the two blocked the other, or gone?"""
        return bool(await self._connection.fetchval(_ARE_APART, self.sender, self.recipient))

    async def save_undone(self, at: datetime) -> None:
        """The hug is taken back."""
        await self._connection.execute("update hugs set undone_at = $2 where id = $1", self.id, at)

    async def load_reaction(self) -> Reaction | None:
        """The reaction there is."""
        row = await self._connection.fetchrow("select emoji, message, at from hug_reactions where hug_id = $1", self.id)
        return Reaction(row["emoji"], row["message"], to_ms(row["at"])) if row is not None else None

    async def save_reaction(self, emoji: str, message: str | None, at: datetime) -> None:
        """The recipient's reaction, instead of an earlier one; the first makes the hug felt."""
        await self._connection.execute(_SAVE_REACTION, self.id, self.recipient, emoji, message, at)
        if not self.is_felt:
            await self._connection.execute("update hugs set felt_at = $2 where id = $1", self.id, at)

    async def append(self, event: NewEvent) -> list[InboxEvent]:
        """`storage.inbox.append_within`: the last statement; ring what it returns once the block has ended."""
        return await append_within(self._connection, [event])


@asynccontextmanager
async def locked_hug(database: Database, user: str, hug: str) -> AsyncIterator[LockedHug]:
    """Under lock, in a transaction that commits at the end of the block and rolls back on any exception.

    Raises: NotFound if *user* has neither sent nor received it; Unavailable, also from the end of the block.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(_LOCK, user, hug)
        if row is None:
            raise no_such_hug()
        yield LockedHug(connection, user, hug, row)
