"""The node: who is connected here, and the fan-out to them.

Invariant: every session of a user hangs on one `Seat`, whose `head` is the highest `seq` this node
has heard of for that user; a session whose cursor is below it is in `behind` or cannot take more.
"""

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from domain.presence import Rank, merge
from hub.forms import Payload
from protocol.codec import encode_body, numbered
from protocol.events import Presence
from protocol.nodes import Sight
from storage.inbox import InboxEvent


class Member(Protocol):
    """A session, as far as the node needs to know it."""

    id: str
    user: str
    name: str
    sid: str
    rank: Rank
    cursor: int
    acked: int
    bundle: (
        list[bytes] | None
    )  # frames that leave at the end of this tick, if there are any: what is small may be added

    def offer(self, seq: int, payload: Payload) -> bool:
        """Take a durable event if it is the next one; False when the session must read it from the mailbox."""

    def tell(self, payload: Payload) -> None:
        """Take an ephemeral event, or skip it."""

    def show(self, subject: str, payload: Payload) -> None:
        """Take a friend's presence or a room's pulse; if it cannot be written now, the latest per *subject* is kept."""

    def may_take(self) -> bool:
        """Is there room on the socket and in the window of unacknowledged events?"""

    def revoke(self) -> None:
        """The log-in is over: say so and close."""


class Seat:
    """Everything of one user on this node."""

    __slots__ = ("head", "members", "rank", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.members: tuple[Member, ...] = ()  # seldom changed, nearly always one: half the memory of a list
        self.head = 0
        self.rank = Rank.OFFLINE


class Node:
    """The registries of one hub process. All synchronous: nothing here waits."""

    def __init__(self, node_id: str) -> None:
        self.id = node_id
        self.seats: dict[str, Seat] = {}
        self.behind: set[Member] = set()
        self.on_behind: Callable[[], None] = lambda: None  # wakes the mailbox reader
        self.on_rank: Callable[[str], None] = lambda _user: None  # wakes the registrar
        self.on_moved: Callable[[str], None] = lambda _user: None  # a session of a user has come or gone
        self.on_left_unacked: Callable[[str], None] = lambda _user: (
            None
        )  # the last session went without having acked all
        self.brought: dict[str, int] = {}  # user → the last `seq` that came here since hub/unacked.py looked
        self.delivered = 0

    def join(self, member: Member) -> None:
        """*member* hears from now on what arrives for its user."""
        seat = self.seats.get(member.user)
        if seat is None:
            seat = self.seats[member.user] = Seat(member.user)
        seat.members += (member,)
        self.on_moved(member.user)
        self._rank(seat)

    def leave(self, member: Member) -> None:
        """*member* hears no more. Harmless for one that never joined."""
        self.behind.discard(member)
        seat = self.seats.get(member.user)
        if seat is None or member not in seat.members:
            return
        seat.members = tuple(each for each in seat.members if each is not member)
        if not seat.members:
            del self.seats[member.user]
            if member.acked < seat.head:
                self.on_left_unacked(member.user)
        self.on_moved(member.user)
        self._rank(seat)

    def rank_changed(self, member: Member) -> None:
        """The status of one device changed."""
        seat = self.seats.get(member.user)
        if seat is not None:
            self._rank(seat)

    def _rank(self, seat: Seat) -> None:
        rank = merge(member.rank for member in seat.members)
        if rank != seat.rank:
            seat.rank = rank
            self.on_rank(seat.user)

    def rank_of(self, user: str) -> Rank:
        """What the devices on this node come to."""
        seat = self.seats.get(user)
        return seat.rank if seat is not None else Rank.OFFLINE

    def is_unseen(self, user: str) -> bool:
        """For all that this node knows, *user* is nowhere, or wants to be seen nowhere."""
        return self.rank_of(user) in (Rank.OFFLINE, Rank.INVISIBLE)

    def deliver(self, event: InboxEvent) -> None:
        """A durable event of a user who may be here; already committed."""
        seat = self.seats.get(event.user)
        if seat is None:
            return
        seat.head = max(seat.head, event.seq)
        self.brought[event.user] = seat.head
        payload = Payload(numbered(event.body, event.seq))
        for member in seat.members:
            if member.offer(event.seq, payload):
                self.delivered += 1
            elif member.cursor < event.seq:
                self.fell_behind(member)

    def heard_of(self, user: str, head: int) -> None:
        """The mailbox of *user* reaches to *head*: whoever is short of it reads on."""
        seat = self.seats.get(user)
        if seat is None:
            return
        seat.head = max(seat.head, head)
        self.brought[user] = seat.head
        for member in seat.members:
            if member.cursor < seat.head:
                self.fell_behind(member)

    def fell_behind(self, member: Member) -> None:
        """*member* must be read on from the mailbox as soon as it may take something."""
        if member not in self.behind and member.may_take():
            self.behind.add(member)
            self.on_behind()

    def is_short(self, member: Member) -> bool:
        """Is there anything in the mailbox that *member* has not got?"""
        seat = self.seats.get(member.user)
        return seat is not None and member.cursor < seat.head

    def end_logins(self, user: str, sids: Container[str]) -> None:
        """These log-ins of *user* are over, and the sessions that came by them."""
        seat = self.seats.get(user)
        for member in seat.members if seat is not None else ():
            if member.sid in sids:
                member.revoke()

    def rename(self, user: str, name: str) -> None:
        """What sessions of *user* send from now on carries *name*."""
        seat = self.seats.get(user)
        for member in seat.members if seat is not None else ():
            member.name = name

    def tell(self, users: Iterable[str], body: Callable[[], bytes], skip: str | None) -> None:
        """An ephemeral event for those of *users* who are here, but not for session *skip*. *body* is asked once at most."""
        payload: Payload | None = None
        for user in users:
            seat = self.seats.get(user)
            if seat is None:
                continue
            for member in seat.members:
                if member.id != skip:
                    payload = payload or Payload(body())
                    member.tell(payload)

    def show(self, sight: Sight) -> None:
        """A change of presence for those of the friends who are here."""
        payload: Payload | None = None
        for friend in sight.friends:
            seat = self.seats.get(friend)
            if seat is None:
                continue
            payload = payload or Payload(
                encode_body(Presence(user=sight.user, status=sight.status, last_seen=sight.last_seen))
            )
            for member in seat.members:
                member.show(sight.user, payload)
