"""The way out of a handler: to the sessions here at once, to other nodes by one look-up and one ring a tick.

Invariant: whatever fails on the way to another node costs delay, never an event: durable events are in
the mailbox already, and the comparison of cursors finds them.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial

from domain.errors import Unavailable
from hub.node import Node
from hub.relations import Relations
from hub.tasks import Tasks
from protocol.codec import encode_body
from protocol.events import Message
from protocol.nodes import Ended, NodeMail, Renamed, Ring, RoomChange, Tell
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.inbox import InboxEvent
from storage.presence import Presence
from storage.routes import Routes

EVERYBODY = ""  # in NodeMail.forget: the relations of all others to this user

log = logging.getLogger("hugmood.delivery")


class _Telling:
    """An ephemeral event on its way; encoded only if somebody turns out to be there."""

    __slots__ = ("_body", "_event", "skip", "users")

    def __init__(self, users: Sequence[str], event: Message, skip: str | None) -> None:
        self.users = users
        self.skip = skip
        self._event = event
        self._body: bytes | None = None

    def body(self) -> bytes:
        if self._body is None:
            self._body = encode_body(self._event)
        return self._body


def _nodes_of(users: Sequence[str], nodes: dict[str, list[str]]) -> Iterable[str]:
    if len(users) == 1:
        return nodes.get(users[0], ())
    return {node for user in users for node in nodes.get(user, ())}


class Delivery:
    """Implements `hub.handlers.ports.Delivery` for one node."""

    def __init__(
        self,
        node: Node,
        directory: Directory,
        doorbell: Doorbell,
        relations: Relations,
        presence: Presence,
        tasks: Tasks,
        routes: Routes,
        clock: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._node = node
        self._directory = directory
        self._doorbell = doorbell
        self._relations = relations
        self._presence = presence
        self._tasks = tasks
        self._routes = routes
        self._clock = clock
        self._events: list[InboxEvent] = []
        self._tells: list[_Telling] = []
        self._forget: list[tuple[str, str]] = []
        self.on_room_change: Callable[[str, RoomChange], None] = lambda _room, _change: None
        self.on_absent: Callable[[set[str]], None] = lambda _users: (
            None
        )  # given who has an event and is connected nowhere
        self.unrouted = 0  # events and tells that could not be looked up because Redis was away

    def ring(self, events: Sequence[InboxEvent]) -> None:
        """Bring *events*, already committed, to every session of their users on every node."""
        for event in events:
            self._node.deliver(event)
        self._schedule()
        self._events.extend(events)

    def tell(self, users: Sequence[str], event: Message, skip: str | None = None) -> None:
        """Bring an ephemeral *event* to every session of *users*, but not to session *skip*."""
        telling = _Telling(users, event, skip)
        self._node.tell(users, telling.body, skip)
        self._schedule()
        self._tells.append(telling)

    def relation_changed(self, one: str, other: str, *, are_friends: bool | None) -> None:
        """A friendship or block of this pair changed: caches forget it, and each sees the other's presence anew.

        *are_friends* None: they are not and were not, so there is no presence to see, and nothing must show.
        """
        self._relations.forget(one, other)
        self._schedule()
        self._forget.append((one, other))
        if are_friends is not None:
            self._start(self._show_each_other(one, other, are_friends), "presence of a pair")

    def privacy_changed(self, user: str) -> None:
        """Who may do what to *user* changed: caches forget it, on every node."""
        self._relations.forget_user(user)
        self._start(self._forget_elsewhere(user), "a privacy change")

    def presence_changed(self, user: str) -> None:
        """Who may see *user* changed: what their friends see is worked out anew."""
        self._start(self._presence.show_anew(user), "presence after a privacy change")

    def logins_ended(self, user: str, sids: Sequence[str]) -> None:
        """These log-ins are over: their sessions end, on every node."""
        if sids:
            self._node.end_logins(user, sids)
            self._start(self._end_elsewhere(Ended(user, list(sids))), "ended log-ins")

    def renamed(self, user: str, name: str) -> None:
        """*user* is called *name* from now on, in every running session on every node."""
        self._node.rename(user, name)
        self._start(self._rename_elsewhere(Renamed(user, name)), "a new name")

    def receive(self, mail: NodeMail) -> None:
        """What another node has for the sessions here."""
        for ring in mail.rings:
            self._node.deliver(InboxEvent(ring.user, ring.seq, ring.body))
        for tell in mail.tells:
            self._node.tell(tell.users, partial(bytes, tell.body), tell.skip)
        for sight in mail.sights:
            self._node.show(sight)
        for ended in mail.ended:
            self._node.end_logins(ended.user, ended.sids)
        for renamed in mail.renamed:
            self._node.rename(renamed.user, renamed.name)
        for room in mail.rooms:
            if room.change is not None:
                self.on_room_change(room.room, room.change)
        for one, other in mail.forget:
            if other == EVERYBODY:
                self._relations.forget_user(one)
            else:
                self._relations.forget(one, other)

    def _schedule(self) -> None:
        if not (self._events or self._tells or self._forget):
            self._loop.call_soon(self._look_up)

    def _look_up(self) -> None:
        events, self._events = self._events, []
        tells, self._tells = self._tells, []
        forget, self._forget = self._forget, []
        users = {event.user for event in events}
        for tell in tells:
            users.update(tell.users)
        for pair in forget:
            users.update(pair)
        names = list(users)

        def route(found: "asyncio.Future[list[list[bytes]]]") -> None:
            if found.cancelled() or found.exception() is not None:
                self.unrouted += len(events) + len(tells)
                return
            nodes = self._directory.parse_nodes(names, found.result())
            self._route(nodes, events, tells, forget)
            if events:
                self._note(nodes, events)

        self._directory.look_up(names).add_done_callback(route)

    def _note(self, nodes: dict[str, list[str]], events: Sequence[InboxEvent]) -> None:
        """Write down where *events* were rung, and tell of whoever is connected nowhere."""
        seats, here, note, now_ms = self._node.seats, [self._node.id], self._routes.note, self._clock()
        absent: set[str] = set()
        for event in events:
            there = nodes.get(event.user)
            if event.user in seats:
                there = [*here, *there] if there else here
            elif not there:
                absent.add(event.user)
                there = []
            note(event.user, event.seq, there, now_ms)
        if absent:
            self.on_absent(absent)

    def _route(
        self,
        nodes: dict[str, list[str]],
        events: Sequence[InboxEvent],
        tells: Sequence[_Telling],
        forget: Sequence[tuple[str, str]],
    ) -> None:
        if not nodes:
            return
        for event in events:
            for node in nodes.get(event.user, ()):
                self._doorbell.ring(node, Ring(event.user, event.seq, event.body))
        for tell in tells:
            for node in _nodes_of(tell.users, nodes):
                self._doorbell.tell(node, Tell(list(tell.users), tell.body(), tell.skip))
        for one, other in forget:
            for node in {*nodes.get(one, ()), *nodes.get(other, ())}:
                self._doorbell.forget(node, one, other)

    async def _show_each_other(self, one: str, other: str, are_friends: bool) -> None:
        await self._presence.show_pair(one, other, are_friends=are_friends)

    async def _end_elsewhere(self, ended: Ended) -> None:
        for node in (await self._directory.nodes_of([ended.user])).get(ended.user, ()):
            self._doorbell.end(node, ended)

    async def _rename_elsewhere(self, renamed: Renamed) -> None:
        for node in (await self._directory.nodes_of([renamed.user])).get(renamed.user, ()):
            self._doorbell.rename(node, renamed)

    async def _forget_elsewhere(self, user: str) -> None:
        for node in await self._directory.nodes():
            self._doorbell.forget(node, user, EVERYBODY)

    def _start(self, work: Coroutine[object, object, None], name: str) -> None:
        async def quietly() -> None:
            try:
                await work
            except Unavailable:
                log.info("not told", extra={"what": name})

        self._tasks.start(quietly(), name)
