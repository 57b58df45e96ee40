"""What each act makes of a group hug: the only way in which one changes. Pure.

Invariants: `joined` counts the joined members and never passes `capacity`; whenever anybody is joined the host
is; what is over stays as it is; each change makes `version` one more, and an act that changes nothing gives
back the very same group.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from domain.errors import Conflict, Forbidden
from domain.groups import (
    SEAT_KEPT_MS,
    Act,
    Away,
    Back,
    Cancel,
    Complete,
    Due,
    Group,
    GroupState,
    How,
    Invite,
    Join,
    Leave,
    Member,
    Membership,
    SeatLost,
    Squeezed,
    check_open,
    seniority,
)

ACTIVE_MIN = 2  # joined members


class Told(StrEnum):
    """Which durable event a tiding becomes."""

    INVITED = "invited"
    STARTED = "started"
    COMPLETED = "completed"
    CANCELLED = "cancelled"  # or expired: the group says which


class Tiding(Struct, frozen=True):
    """What a change means to the users *to*. *by*: the one who invites."""

    told: Told
    to: tuple[str, ...]
    by: str | None = None


class Step(Struct, frozen=True):
    """What came of an act: *changed* members as they are in *group*, and who must hear what."""

    group: Group
    changed: tuple[Member, ...] = ()
    tidings: tuple[Tiding, ...] = ()


def apply(group: Group, act: Act, now_ms: int) -> Step:
    """What *act* makes of *group* at *now_ms*; on a group that is over, nothing.

    What is due by then comes first: nobody joins a group whose time is up. Raises: Forbidden, Conflict,
    NotFound for who must not know of the group.
    """
    if isinstance(act, Join):
        check_open(group, act.user, act.blocked)
    if group.is_over:
        return Step(group)
    draft = _Draft(group, now_ms)
    draft.bring_due()
    if not draft.state.is_over:
        draft.carry_out(act)
    return draft.step()


class _Draft:
    """A group while an act is carried out. Lives within one `apply`."""

    def __init__(self, group: Group, now_ms: int) -> None:
        self._group = group
        self._now_ms = now_ms
        self._changed: dict[str, Member] = {}
        self._tidings: list[Tiding] = []
        self._joined = group.joined
        self._host = group.host
        self._began_ms = group.began_ms
        self._how: How | None = None
        self.state = group.state

    def step(self) -> Step:
        """The outcome; the very same group if nothing is different."""
        before = self._group
        if not self._changed and self.state is before.state:
            return Step(before)
        version = before.version + 1
        changed = tuple(msgspec.structs.replace(member, version=version) for member in self._changed.values())
        members = before.members
        if changed:
            members = {**before.members, **{member.user: member for member in changed}}
        after = msgspec.structs.replace(
            before,
            host=self._host,
            state=self.state,
            version=version,
            joined=self._joined,
            members=members,
            began_ms=self._began_ms,
            ended_ms=self._now_ms if self.state.is_over else None,
            how=self._how,
        )
        return Step(after, changed, tuple(self._tidings))

    def bring_due(self) -> None:
        """The scheduled start, then the expiry."""
        group = self._group
        if group.expires_ms <= self._now_ms:
            self._call_off(GroupState.EXPIRED)
        elif self.state is GroupState.SCHEDULED and group.starts_ms is not None and group.starts_ms <= self._now_ms:
            # Whatever their number; but an empty room only waits for somebody to come.
            self.state = GroupState.GATHERING
            if self._joined:
                self._begin()

    def carry_out(self, act: Act) -> None:  # one line a kind of act
        """Raises: Forbidden, Conflict."""
        match act:
            case Invite():
                self._invite(act)
            case Join():
                self._join(act)
            case Leave():
                self._leave(act.user)
            case Away() | Back() | SeatLost():
                self._watch_seat(act)
            case Complete():
                self._complete(act.by)
            case Squeezed():
                if self.state is GroupState.ACTIVE:
                    self._complete_by(How.SQUEEZE)
            case Cancel():
                self._check_host(act.by)
                self._call_off(GroupState.CANCELLED)
            case Due():
                pass

    def _invite(self, act: Invite) -> None:
        if not self._group.is_joined(act.by):
            raise Forbidden("Only who is in the room can invite. Join first.")
        fresh = [user for user in act.users if user != act.by and self._may_be_invited(user)]
        if not fresh:
            return
        waiting = sum(member.state is Membership.INVITED for member in self._group.members.values())
        if waiting + len(fresh) > act.most:
            raise Conflict(
                f"At most {act.most:,} people who have not joined can be invited. Wait until some have come."
            )
        for user in fresh:
            old = self._member(user)
            self._changed[user] = Member(
                user=user,
                name=act.users[user],
                state=Membership.INVITED,
                invited_by=act.by,
                joined_ms=old.joined_ms if old is not None else None,
                took_part=old is not None and old.took_part,
            )
        self._tidings.append(Tiding(Told.INVITED, tuple(fresh), act.by))

    def _may_be_invited(self, user: str) -> bool:
        member = self._member(user)
        return member is None or (member.state is Membership.LEFT and member.joined_ms is not None)

    def _join(self, act: Join) -> None:
        old = self._member(act.user)
        if old is not None and old.is_joined:
            if old.away_ms is not None:
                self._changed[act.user] = msgspec.structs.replace(old, away_ms=None)
            return
        if self._joined >= self._group.capacity:
            raise Conflict("The room is full. Try again when somebody has left.")
        self._changed[act.user] = Member(
            user=act.user,
            name=act.name,
            state=Membership.JOINED,
            invited_by=old.invited_by if old is not None else None,
            joined_ms=self._now_ms,
            took_part=True,
        )
        self._joined += 1
        if self._joined == 1:
            self._host = act.user  # an empty room belongs to whoever comes first
        if self.state is GroupState.GATHERING and self._joined >= ACTIVE_MIN:
            self._begin()

    def _leave(self, user: str) -> None:
        member = self._member(user)
        if member is None or member.state is Membership.LEFT:
            return
        has_sat = member.is_joined
        # Who goes before it has begun took no part in it.
        did = self._began_ms is not None if has_sat else member.took_part
        self._changed[user] = msgspec.structs.replace(member, state=Membership.LEFT, took_part=did, away_ms=None)
        if not has_sat:
            return
        self._joined -= 1
        if user == self._host and self._joined:
            self._host = min(self._seated(), key=seniority).user
        if self.state is GroupState.ACTIVE and self._joined < ACTIVE_MIN:
            self.state = GroupState.GATHERING

    def _watch_seat(self, act: Away | Back | SeatLost) -> None:
        member = self._member(act.user)
        # Until a scheduled group begins, nobody need wait in it: the seat is kept.
        if member is None or not member.is_joined or self.state is GroupState.SCHEDULED:
            return
        if isinstance(act, SeatLost):
            if member.away_ms is not None and member.away_ms + SEAT_KEPT_MS <= self._now_ms:
                self._leave(act.user)
        elif isinstance(act, Away) == (member.away_ms is None):
            away_ms = self._now_ms if isinstance(act, Away) else None
            self._changed[act.user] = msgspec.structs.replace(member, away_ms=away_ms)

    def _complete(self, by: str) -> None:
        self._check_host(by)
        if self._began_ms is None:
            raise Conflict("It has not begun. Wait until somebody has joined, or cancel it.")
        self._complete_by(How.HOST)

    def _complete_by(self, how: How) -> None:
        self.state, self._how = GroupState.COMPLETED, how
        self._tell(Told.COMPLETED, (member for member in self._everybody() if member.took_part))

    def _call_off(self, state: GroupState) -> None:
        self.state = state
        self._tell(Told.CANCELLED, (member for member in self._everybody() if member.state is not Membership.LEFT))

    def _begin(self) -> None:
        self.state = GroupState.ACTIVE
        if self._began_ms is None:
            self._began_ms = self._now_ms
            self._tell(Told.STARTED, self._seated())

    def _tell(self, told: Told, members: Iterable[Member]) -> None:
        to = tuple(member.user for member in members)
        if to:
            self._tidings.append(Tiding(told, to))

    def _check_host(self, user: str) -> None:
        if user != self._host:
            raise Forbidden("Only the host can do that.")

    def _member(self, user: str) -> Member | None:
        return self._changed.get(user) or self._group.members.get(user)

    def _everybody(self) -> Iterable[Member]:
        return {**self._group.members, **self._changed}.values()

    def _seated(self) -> list[Member]:
        return [member for member in self._everybody() if member.is_joined]
