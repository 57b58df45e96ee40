"""Badges after somebody has seen hugs: the other devices hear what theirs shows from now on.

Hugs are seen often and few people are on two devices at once. So nothing is counted before somebody turns out to be
there to hear it, and all who have seen hugs within a moment are looked up, and counted, together.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence, Set

from domain.errors import Unavailable
from hub.handlers.ports import Delivery
from hub.node import Node
from hub.tasks import Tasks
from protocol.events import NotificationUnread
from storage.directory import Directory
from storage.notification_centre import count_settled
from storage.postgres import Database

GATHER_S = 0.1

log = logging.getLogger("hugmood.badges")

Session = str | None  # None: it was not done in a session


class Badges:
    """Of those who have seen hugs by this node."""

    def __init__(self, database: Database, node: Node, directory: Directory, delivery: Delivery, tasks: Tasks) -> None:
        self._database = database
        self._node = node
        self._directory = directory
        self._delivery = delivery
        self._tasks = tasks
        self._waiting: dict[str, set[Session]] = {}
        self.counted = 0  # users

    def seen(self, user: str, session: Session) -> None:
        """*user* has seen hugs in *session*: their other ones are told soon, if there are any. Never waits."""
        if not self._waiting:
            self._tasks.start(self._tell_soon(), "badges")
        self._waiting.setdefault(user, set()).add(session)

    async def _tell_soon(self) -> None:
        await asyncio.sleep(GATHER_S)
        waiting, self._waiting = self._waiting, {}
        try:
            users = await self._with_others(waiting)
            counted = await count_settled(self._database, users) if users else {}
        except Unavailable:
            log.info("badges were not told", extra={"users": len(waiting)})
            return
        self.counted += len(counted)
        for user, (unread, _) in counted.items():
            (one, *others) = waiting[user]
            self._delivery.tell([user], NotificationUnread(unread=unread), skip=None if others else one)

    async def _with_others(self, waiting: Mapping[str, Set[Session]]) -> Sequence[str]:
        """Those who are in another session than the one that knows, on this node or elsewhere."""
        others = {user for user, sessions in waiting.items() if self._has_others_here(user, sessions)}
        unsure = [user for user in waiting if user not in others]
        return [*others, *(await self._directory.nodes_of(unsure) if unsure else ())]

    def _has_others_here(self, user: str, sessions: Set[Session]) -> bool:
        seat = self._node.seats.get(user)
        return seat is not None and (len(sessions) > 1 or any(member.id not in sessions for member in seat.members))
