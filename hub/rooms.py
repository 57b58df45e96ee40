"""The live side of group hugs on one node: who here sits in which room, and the pulses they get.

Squeezes are merged: a room sums those of its members here and publishes the sums at most once per
`PULSE_EVERY_S`; what its members get is one pulse per `PULSE_EVERY_S`, of everything squeezed on all nodes
meanwhile. So the cost follows members × pulses, never members × squeezes. Invariant: what a room is (state, host,
count, who has a seat) is PostgreSQL's to say; here it is remembered, told onwards, and compared every few seconds.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from domain.errors import Conflict
from domain.squeezes import SLICE_MS, WINDOW_SLICES, Warm, Warmth, is_big
from hub.forms import Payload
from hub.node import Member, Node
from protocol.codec import encode_body
from protocol.group_events import GroupJoined, GroupLeft, GroupPulse
from protocol.nodes import Mover, RoomChange, RoomMail, Squeezes
from protocol.parts import UserRef
from storage.doorbell import Doorbell, Listener
from storage.room_mail import TOLD_ONE_BY_ONE_MAX
from storage.rooms import RoomRow

PULSE_EVERY_S = 0.12  # at most ten a second, also when some are late and the next are not
OPEN_STATES = frozenset({"scheduled", "gathering", "active"})


class Room:
    """One room, as far as this node has members in it."""

    __slots__ = (
        "audience",
        "count",
        "heard",
        "heard_strength",
        "host",
        "id",
        "is_completing",
        "is_due",
        "is_news",
        "next_pulse",
        "others",
        "squeezes",
        "state",
        "strength",
        "timer",
        "users",
        "version",
        "warmth",
    )

    def __init__(self, room_id: str) -> None:
        self.id = room_id
        self.version = 0  # 0: not read yet
        self.state = ""
        self.host = ""
        self.count = 0
        self.users: dict[str, int] = {}  # members who are connected here → version with which they came in
        self.audience: list[Member] | None = None  # all their sessions; None: not gathered since one has moved
        self.squeezes = 0  # here, since the last pulse
        self.strength = 0.0
        self.heard = 0  # from other nodes, since the last pulse
        self.heard_strength = 0.0
        self.is_news = False  # the next pulse tells state, host and count
        self.next_pulse = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.is_due = False  # there is a pulse at the end of this tick
        self.warmth = Warmth()
        self.others: dict[str, Warm] = {}
        self.is_completing = False


class Rooms:
    """All rooms of one node. Synchronous; what must wait is in hub/room_upkeep.py."""

    def __init__(self, node: Node, doorbell: Doorbell, listener: Listener, clock: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._node = node
        self._doorbell = doorbell
        self._listener = listener
        self._clock = clock
        self.rooms: dict[str, Room] = {}
        self._of_user: dict[str, set[str]] = {}
        self._due: list[Room] = []
        self.stale: set[str] = set()  # rooms to be read anew
        self.on_stale: Callable[[], None] = lambda: None
        self.on_big_squeeze: Callable[[str], None] = lambda _room: None
        self.squeezed = 0
        self.pulses = 0
        node.on_moved = self.session_moved
        listener.on_room = self.receive

    # Who is here

    def enter(self, user: str, rooms: Sequence[str]) -> None:
        """A session of *user*, who has a seat in *rooms*, has opened here."""
        for room_id in rooms:
            room = self._room(room_id)
            if user not in room.users:
                self._seat(room, user, 0)
            self._read_anew(room_id)

    def session_moved(self, user: str) -> None:
        """A session of *user* has come or gone; if it was the last here, their seats are kept elsewhere."""
        is_here = user in self._node.seats
        for room_id in tuple(self._of_user.get(user, ())):
            room = self.rooms[room_id]
            if is_here:
                room.audience = None
                continue
            self._unseat(room, user)
            if not room.users:
                self._drop(room)

    def _room(self, room_id: str) -> Room:
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id)
            self._listener.hear_room(room_id)
        return room

    def _seat(self, room: Room, user: str, version: int) -> None:
        room.users[user] = version
        room.audience = None
        self._of_user.setdefault(user, set()).add(room.id)

    def _unseat(self, room: Room, user: str) -> None:
        room.users.pop(user, None)
        room.audience = None
        room.warmth.forget(user)
        mine = self._of_user.get(user)
        if mine is not None:
            mine.discard(room.id)
            if not mine:
                del self._of_user[user]

    def _drop(self, room: Room) -> None:
        """Nobody here is in the room any more."""
        self._rest(room)
        if room.squeezes:
            self._publish_squeezes(room)
        for user in list(room.users):
            self._unseat(room, user)
        self.stale.discard(room.id)
        if self.rooms.pop(room.id, None) is not None:
            self._listener.ignore_room(room.id)

    def _read_anew(self, room_id: str) -> None:
        self.stale.add(room_id)
        self.on_stale()

    # What has changed

    def apply(self, room_id: str, change: RoomChange) -> None:
        """A committed change of a room that may have members here."""
        room = self.rooms.get(room_id)
        arrived = [mover.user for mover in change.joined if mover.user in self._node.seats]
        if room is None:
            if not arrived or change.state not in OPEN_STATES:
                return
            room = self._room(room_id)
        for user in arrived:
            if room.users.get(user, -1) < change.version:
                self._seat(room, user, change.version)
        for mover in change.left:
            if room.users.get(mover.user, change.version) < change.version:
                self._unseat(room, mover.user)
        self._move_on(room, change)
        if not room.users:
            self._drop(room)

    def seated_elsewhere(self, room_id: str, change: RoomChange) -> None:
        """Somebody here has come into the room by another node, which tells so because this one may not hear the room."""
        is_heard = room_id in self.rooms
        self.apply(room_id, change)
        if not is_heard:
            self.tell_change(room_id, change)

    def _move_on(self, room: Room, change: RoomChange) -> None:
        if room.version and not change.since <= room.version <= change.version:
            self._read_anew(room.id)  # one is missing, or changes of two nodes have crossed
        if change.version > room.version:
            self._set(room, change.version, change.state, change.host, change.count)

    def _set(self, room: Room, version: int, state: str, host: str, count: int) -> None:
        room.version, room.state, room.host, room.count = version, state, host, count
        if state not in OPEN_STATES:
            self._pulse(room)  # what was squeezed until the end is told
            self._drop(room)

    def set_read(self, row: RoomRow | None, room_id: str, unseated: Iterable[str]) -> None:
        """What PostgreSQL says about a room, and who of those that were asked about has no seat in it."""
        room = self.rooms.get(room_id)
        if room is None:
            return
        if row is None or row.state not in OPEN_STATES:
            self._drop(room)
            return
        if row.version < room.version:
            return  # a newer change has been applied while this was read
        for user in unseated:
            self._unseat(room, user)
        if row.version > room.version:
            is_first = room.version == 0
            self._set(room, row.version, row.state, row.host, row.count)
            if not is_first:
                room.is_news = True
                self._beat(room)
        if not room.users:
            self._drop(room)

    def tell_change(self, room_id: str, change: RoomChange) -> None:
        """Tell the members here who came and went: one by one in a small room, else by count with the next pulse."""
        room = self.rooms.get(room_id)
        if room is None:
            return
        is_told = change.count <= TOLD_ONE_BY_ONE_MAX and (change.joined or change.left)
        if not is_told or any(mover.name is None for mover in (*change.joined, *change.left)):
            room.is_news = True
            self._beat(room)
        if is_told:
            for mover in change.joined:
                self._tell_mover(room, GroupJoined, mover, change)
            for mover in change.left:
                self._tell_mover(room, GroupLeft, mover, change)

    def _tell_mover(
        self, room: Room, kind: type[GroupJoined] | type[GroupLeft], mover: Mover, change: RoomChange
    ) -> None:
        if mover.name is None:
            return
        event = kind(
            id=room.id,
            user=UserRef(mover.user, mover.name),
            count=change.count,
            state=change.state,
            host=change.host,
            version=change.version,
        )
        payload = Payload(encode_body(event))
        for member in self._audience(room):
            if member.user not in mover.hidden_from:
                member.tell(payload)

    # Squeezes

    def squeeze(self, user: str, room_id: str, strength: float) -> None:
        """*user* squeezes everybody in the room. Raises: Conflict."""
        room = self.rooms.get(room_id)
        if room is None or user not in room.users:
            raise Conflict("You are not in this group hug. Send group.join first.")
        if room.state == "scheduled":
            raise Conflict("This group hug has not begun yet.")
        self.squeezed += 1
        room.squeezes += 1
        room.strength += strength
        room.warmth.squeezed(user, self._clock())
        self._beat(room)

    def squeeze_from_afar(self, user: str, room_id: str, strength: float) -> None:
        """*user*, who has a seat but no session here, squeezes the room."""
        self.squeezed += 1
        now_ms = self._clock()
        squeezes = Squeezes(1, strength, [(now_ms // SLICE_MS, 1)])
        mail = RoomMail(room_id, f"{self._node.id}/{user}", squeezes=squeezes)
        self._doorbell.tell_room(mail)
        if not self._listener.is_hearing:
            self.receive(mail)

    def receive(self, mail: RoomMail) -> None:
        """What another node tells on a room's channel."""
        if mail.node == self._node.id:
            return
        if mail.change is not None:
            self.apply(mail.room, mail.change)
            self.tell_change(mail.room, mail.change)
        room = self.rooms.get(mail.room)
        if room is not None and mail.squeezes is not None:
            room.heard += mail.squeezes.count
            room.heard_strength += mail.squeezes.strength
            room.others[mail.node] = mail.squeezes.warm
            self._look_for_big(room, self._clock())
            self._beat(room)

    def _beat(self, room: Room) -> None:
        """A pulse at the next possible moment: in this tick, if the last one is long enough ago."""
        if room.timer is not None or room.is_due:
            return
        delay = room.next_pulse - self._loop.time()
        if delay > 0:
            room.timer = self._loop.call_later(delay, self._has_rested, room)
        else:
            self._has_rested(room)

    def _has_rested(self, room: Room) -> None:
        """All rooms of a tick pulse together: who is in several of them gets it all in one write."""
        room.timer, room.is_due = None, True
        if not self._due:
            self._loop.call_soon(self._pulse_all)
        self._due.append(room)

    def _pulse_all(self) -> None:
        due, self._due = self._due, []
        now = self._loop.time()
        for room in due:
            if room.is_due:
                room.next_pulse = now + PULSE_EVERY_S
                self._pulse(room)

    def _rest(self, room: Room) -> None:
        room.is_due = False
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None

    def _pulse(self, room: Room) -> None:
        self._rest(room)
        count = room.squeezes + room.heard
        strength = room.strength + room.heard_strength
        if room.squeezes:
            self._publish_squeezes(room)
        room.heard, room.heard_strength = 0, 0.0
        if count or room.is_news:
            self._tell_pulse(room, count, strength)

    def _publish_squeezes(self, room: Room) -> None:
        now_ms = self._clock()
        squeezes = Squeezes(room.squeezes, room.strength, room.warmth.warm(now_ms))
        self._doorbell.tell_room(RoomMail(room.id, self._node.id, squeezes=squeezes))
        room.squeezes, room.strength = 0, 0.0
        self._look_for_big(room, now_ms)

    def _tell_pulse(self, room: Room, count: int, strength: float) -> None:
        pulse = GroupPulse(
            id=room.id,
            count=count,
            strength=round(strength / count, 3) if count else 0.0,
            members=room.count,
            state=room.state if room.is_news else None,
            host=room.host if room.is_news else None,
            version=room.version if room.is_news else None,
        )
        room.is_news = False
        payload = Payload(encode_body(pulse))
        key, frame = room.id, payload.json
        for member in self._audience(room):
            bundle = member.bundle
            if bundle is None:
                member.show(key, payload)
            else:  # not the first in this tick: the shortest way
                bundle.append(frame)
        self.pulses += 1

    def _audience(self, room: Room) -> list[Member]:
        if room.audience is None:
            seats = self._node.seats
            room.audience = [member for user in room.users for member in seats[user].members]
        return room.audience

    def big_squeeze_failed(self, room_id: str) -> None:
        """The end could not be written: the next squeeze may ask again."""
        room = self.rooms.get(room_id)
        if room is not None:
            room.is_completing = False

    def _look_for_big(self, room: Room, now_ms: int) -> None:
        """Whoever sees it first asks for the end: the compare-and-set in PostgreSQL lets one of them decide."""
        oldest = now_ms // SLICE_MS - 2 * WINDOW_SLICES
        for node in [node for node, warm in room.others.items() if not warm or warm[-1][0] < oldest]:
            del room.others[node]
        if room.state != "active" or room.is_completing:
            return
        if is_big(room.count, [room.warmth.warm(now_ms), *room.others.values()]):
            room.is_completing = True
            self.on_big_squeeze(room.id)
