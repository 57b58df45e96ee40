"""What a node's rooms need the servers for: telling what has changed, and comparing with what is stored.

Invariant: a change is told only after it has committed, and in the order of the commits of this node. What gets lost
on the way, because Redis or a node is away, is found by the comparison with PostgreSQL.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from domain.errors import Unavailable
from hub.rooms import Rooms
from storage.group_commits import GroupChange
from storage.postgres import Database
from storage.room_mail import RoomMailer, RoomNews, news_of
from storage.rooms import load_rooms, load_seats

COMPARE_EVERY_S = 5.0
COMPARE_CHUNK = 500
TELL_CHUNK = 200
RETRY_S = 1.0


class RoomUpkeep:
    """`run_*` are its tasks."""

    def __init__(self, rooms: Rooms, mailer: RoomMailer, database: Database) -> None:
        self._rooms = rooms
        self._mailer = mailer
        self._database = database
        self._untold: list[RoomNews] = []
        self._to_tell = asyncio.Event()
        self._to_compare = asyncio.Event()
        rooms.on_stale = self._to_compare.set

    def changed(self, change: GroupChange) -> None:
        """This node has committed *change*: what is remembered here follows at once, the telling a moment later."""
        room, news = news_of(change)
        self._rooms.apply(room, news)
        self._untold.append((room, news))
        self._to_tell.set()

    def recover(self) -> None:
        """The doorbell may have been deaf: every room is read anew."""
        self._rooms.stale.update(self._rooms.rooms)
        self._to_compare.set()

    async def run_telling(self) -> None:
        """Tell what has changed, on the other nodes and here, for ever."""
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            while self._untold:
                batch, self._untold = self._untold[:TELL_CHUNK], self._untold[TELL_CHUNK:]
                for room, change in await self._mailer.publish(batch):
                    self._rooms.tell_change(room, change)

    async def run_comparison(self) -> None:
        """Read anew at once what may be out of date, and all rooms every few seconds, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COMPARE_EVERY_S):
                    await self._to_compare.wait()
            is_due = not self._to_compare.is_set()
            self._to_compare.clear()
            stale, self._rooms.stale = self._rooms.stale, set()
            wanted = list(self._rooms.rooms) if is_due else list(stale)
            try:
                for start in range(0, len(wanted), COMPARE_CHUNK):
                    await self._read(wanted[start : start + COMPARE_CHUNK], stale)
            except Unavailable:
                self._rooms.stale |= stale
                await asyncio.sleep(RETRY_S)

    async def _read(self, wanted: Sequence[str], stale: set[str]) -> None:
        rows = {row.id: row for row in await load_rooms(self._database, wanted)}
        here = self._rooms.rooms
        moved = [
            room
            for room in wanted
            if room in here and (room in stale or room not in rows or rows[room].version != here[room].version)
        ]
        if not moved:
            return
        # Only who is asked about now can be found without a seat: others may come in while the answer is under way.
        asked = {room: list(here[room].users) for room in moved}
        users = list({user for some in asked.values() for user in some})
        seats = await load_seats(self._database, moved, users)
        for room, some in asked.items():
            self._rooms.set_read(rows.get(room), room, [user for user in some if (room, user) not in seats])
