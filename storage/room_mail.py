"""News of rooms on their way to the nodes: who may learn whose name, and which nodes must hear of it.

Used by whoever commits a change: a hub for what its clients ask, a worker for what time brings.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from domain.errors import Unavailable
from domain.groups import Membership
from protocol.nodes import Mover, RoomChange, RoomMail
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.group_commits import GroupChange
from storage.postgres import Database
from storage.presence import Presence
from storage.rooms import load_hidden

TOLD_ONE_BY_ONE_MAX = 50  # members; in larger rooms comings and goings are counts in the pulse

RoomNews = tuple[str, RoomChange]  # of which room


def news_of(change: GroupChange) -> RoomNews:
    """A committed change as the nodes need to know it."""
    before, after = change.before, change.after
    seated = before.members if before is not None else {}
    joined: list[Mover] = []
    left: list[Mover] = []
    for member in change.changed:
        old = seated.get(member.user)
        was_in = old is not None and old.state is Membership.JOINED
        if (member.state is Membership.JOINED) != was_in:
            (left if was_in else joined).append(Mover(member.user, member.name))
    since = before.version if before is not None else 0
    return after.id, RoomChange(since, after.version, after.state.value, after.host, after.joined, joined, left)


class RoomMailer:
    """Publishes changes of rooms. *node*: who says so; *unsure*(user): hide the name when Redis cannot be asked."""

    def __init__(
        self,
        node: str,
        database: Database,
        presence: Presence,
        directory: Directory,
        doorbell: Doorbell,
        unsure: Callable[[str], bool],
    ) -> None:
        self._node = node
        self._database = database
        self._presence = presence
        self._directory = directory
        self._doorbell = doorbell
        self._unsure = unsure

    async def publish(self, batch: Sequence[RoomNews]) -> list[RoomNews]:
        """Tell the other nodes; returns *batch* with only those names that may be told. Does not raise: rooms are compared."""
        batch = await self._hide(batch)
        for room, change in batch:
            self._doorbell.tell_room(RoomMail(room, self._node, change))
        arrived = list({mover.user for _, change in batch for mover in change.joined})
        with suppress(Unavailable):
            nodes = await self._directory.nodes_of(arrived) if arrived else {}
            for room, change in batch:
                for node in {node for mover in change.joined for node in nodes.get(mover.user, ())}:
                    self._doorbell.seat(node, RoomMail(room, self._node, change))
        return list(batch)

    async def _hide(self, batch: Sequence[RoomNews]) -> Sequence[RoomNews]:
        """Who wants to be seen nowhere comes and goes without a name, and those of a block without each other's."""
        told = [
            (room, mover.user)
            for room, change in batch
            if change.count <= TOLD_ONE_BY_ONE_MAX
            for mover in (*change.joined, *change.left)
        ]
        if not told:
            return batch
        users = list({user for _, user in told})
        try:
            hidden = await load_hidden(self._database, told)
            nameless = await self._presence.invisible(users)
        except Unavailable:
            hidden, nameless = {}, {user for user in users if self._unsure(user)}

        def named(room: str, movers: list[Mover]) -> list[Mover]:
            return [
                Mover(m.user, None if m.user in nameless else m.name, hidden.get((room, m.user), [])) for m in movers
            ]

        return [
            (room, RoomChange(c.since, c.version, c.state, c.host, c.count, named(room, c.joined), named(room, c.left)))
            for room, c in batch
        ]
