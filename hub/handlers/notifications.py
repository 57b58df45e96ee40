"""The notification centre: what is in it, and what its owner reads and deletes.

Invariant: all devices of the owner hear of each change, by the event that storage/locked_centre.py appends.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from domain.errors import NotFound
from domain.times import from_ms, rfc3339
from hub.handlers.ports import Actor, Delivery
from protocol.rest_push import Category, Notification, Unread
from storage.locked_centre import LockedCentre, locked_centre
from storage.notification_centre import Line, count_unread, load_lines
from storage.postgres import Database


class NotificationHandlers:
    """Changes answer what is unread then. All raise: Refusal."""

    def __init__(self, database: Database, delivery: Delivery, clock: Callable[[], int]) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock

    async def load(self, actor: Actor, before: int | None, limit: int, *, only_unread: bool) -> Sequence[Notification]:
        """The next *limit* below *before*, newest first."""
        lines = await load_lines(self._database, actor.user, before, limit, only_unread=only_unread)
        return [_shown(line) for line in lines]

    async def unread(self, actor: Actor) -> Unread:
        """What a badge shows."""
        unread, is_more = (await count_unread(self._database, [actor.user]))[actor.user]
        return Unread(unread, is_more)

    async def read(self, actor: Actor, ids: Sequence[int]) -> Unread:
        """Mark these as read; what is no line, or read already, is ignored."""
        async with self._changed(actor) as centre:
            await centre.read(ids)
        return await self.unread(actor)

    async def read_all(self, actor: Actor) -> Unread:
        """Mark all as read."""
        async with self._changed(actor) as centre:
            await centre.read_all()
        return await self.unread(actor)

    async def delete(self, actor: Actor, seq: int) -> Unread:
        """Show this no more, if it is shown."""
        async with self._changed(actor) as centre:
            await centre.delete(seq)
        return await self.unread(actor)

    async def opened(self, actor: Actor, delivery: str) -> Unread:
        """A push was opened: what it spoke of is read."""
        async with self._changed(actor) as centre:
            if not await centre.open(delivery.lower()):
                raise NotFound("No such delivery.")
        return await self.unread(actor)

    @asynccontextmanager
    async def _changed(self, actor: Actor) -> AsyncIterator[LockedCentre]:
        """For one change; what it appends is rung once it has committed."""
        async with locked_centre(self._database, actor.user, from_ms(self._clock())) as centre:
            yield centre
        self._delivery.ring(centre.events)


def _shown(line: Line) -> Notification:
    return Notification(
        id=line.seq,
        kind=line.kind,
        category=Category(line.category),
        at=line.event["at"],
        event=line.event,
        read_at=rfc3339(line.read_ms) if line.read_ms is not None else None,
    )
