"""How a process without sessions, a worker, tells people what has happened.

Invariant: nothing durable depends on it. The events are committed already, so whatever fails here costs the
time until the next comparison of cursors, never an event.
"""

import logging
from collections.abc import Callable, Sequence

from domain.errors import Unavailable
from protocol.codec import encode_body
from protocol.events import Message
from protocol.nodes import Ring, Tell
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.inbox import InboxEvent

log = logging.getLogger("hugmood.ringing")


class Ringing:
    """The way from a worker to the sessions on every node."""

    def __init__(
        self, directory: Directory, doorbell: Doorbell, on_absent: Callable[[set[str]], None] = lambda _users: None
    ) -> None:
        """*on_absent* is given who has an event and is connected nowhere."""
        self._directory = directory
        self._doorbell = doorbell
        self._on_absent = on_absent

    async def ring(self, events: Sequence[InboxEvent]) -> None:
        """Bring *events*, already committed, to every session of their users. Never raises because Redis is away."""
        nodes = await self._nodes_of([event.user for event in events])
        for event in events:
            for node in nodes.get(event.user, ()):
                self._doorbell.ring(node, Ring(event.user, event.seq, event.body))
        absent = {event.user for event in events if event.user not in nodes}
        if absent:
            self._on_absent(absent)

    async def tell(self, users: Sequence[str], event: Message) -> None:
        """Bring an ephemeral *event* to every session of *users*. Never raises because Redis is away."""
        by_node: dict[str, list[str]] = {}
        for user, nodes in (await self._nodes_of(users)).items():
            for node in nodes:
                by_node.setdefault(node, []).append(user)
        if by_node:
            body = encode_body(event)
            for node, some in by_node.items():
                self._doorbell.tell(node, Tell(some, body))

    async def tell_each(self, news: Sequence[tuple[str, Message]]) -> None:
        """Bring each event to every session of its user, in this order. Never raises because Redis is away."""
        nodes = await self._nodes_of([user for user, _ in news])
        for user, event in news:
            there = nodes.get(user)
            if there:
                body = encode_body(event)
                for node in there:
                    self._doorbell.tell(node, Tell([user], body))

    async def _nodes_of(self, users: Sequence[str]) -> dict[str, list[str]]:
        distinct = list(dict.fromkeys(users))
        if not distinct:
            return {}
        try:
            return await self._directory.nodes_of(distinct)
        except Unavailable:
            log.info("not rung: redis is away", extra={"users": len(distinct)})
            return {}
