"""Group hugs: who sits in one, what state it is in, and what each act makes of it. Pure.

`apply` is the only way in which a group changes. Invariants: `joined` counts the joined members and never
passes `capacity`; whenever anybody is joined the host is; what is over stays as it is; each change makes
`version` one more, and an act that changes nothing gives back the very same group.
"""

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum

import msgspec
from msgspec import Struct

from domain.errors import Conflict, Forbidden, Invalid, NotFound
from domain.hugs import count_graphemes

NAME_MAX_GRAPHEMES = 64
TEXT_MAX_GRAPHEMES = 280
CAPACITY_MIN, CAPACITY_MAX = 2, 10_000
ACTIVE_MIN = 2  # joined members
LASTS_MS = 10 * 60_000  # from the start to the default `expires_ms`
LASTS_MAX_MS = 24 * 3_600_000
AHEAD_MAX_MS = 30 * 24 * 3_600_000
SEAT_KEPT_MS = 30_000
INVITED_MAX = 1_000  # invited and not joined, in one group


class GroupState(StrEnum):
    """Where a group hug stands."""

    SCHEDULED = "scheduled"
    GATHERING = "gathering"
    ACTIVE = "active"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """For good."""
        return self in _OVER


_OVER = frozenset({GroupState.COMPLETED, GroupState.EXPIRED, GroupState.CANCELLED})


class Membership(StrEnum):
    """What somebody is to a group hug. An invitation that is declined is `left` too."""

    INVITED = "invited"
    JOINED = "joined"
    LEFT = "left"


class How(StrEnum):
    """What completed a group hug."""

    HOST = "host"
    SQUEEZE = "squeeze"


class Member(Struct, frozen=True, kw_only=True, gc=False):
    """*joined_ms*: of the present or last stay. *away_ms*: connected nowhere since then. *version*: of the last change."""

    user: str
    name: str
    state: Membership
    invited_by: str | None = None
    joined_ms: int | None = None
    took_part: bool = False
    away_ms: int | None = None
    version: int = 0

    @property
    def is_joined(self) -> bool:
        """Has a seat."""
        return self.state is Membership.JOINED


class Group(Struct, frozen=True, kw_only=True):
    """A group hug with everybody who was ever invited or joined. Times in Unix ms."""

    id: str
    creator: str
    host: str
    name: str
    state: GroupState
    capacity: int
    created_ms: int
    expires_ms: int
    members: Mapping[str, Member]
    description: str | None = None
    message: str | None = None
    version: int = 1
    joined: int = 0
    starts_ms: int | None = None
    began_ms: int | None = None
    ended_ms: int | None = None
    how: How | None = None

    @property
    def is_over(self) -> bool:
        """For good."""
        return self.state.is_over

    def is_joined(self, user: str) -> bool:
        """Does *user* have a seat?"""
        member = self.members.get(user)
        return member is not None and member.is_joined


class Invite(Struct, frozen=True):
    """*by* asks *users* (id → name) to come. Who has declined is not asked again."""

    by: str
    users: Mapping[str, str]
    most: int = INVITED_MAX


class Join(Struct, frozen=True):
    """*user* comes in, or is back. *blocked*: those who have blocked them or whom they have blocked."""

    user: str
    name: str
    blocked: frozenset[str] = frozenset()


class Leave(Struct, frozen=True):
    """*user* goes, or declines the invitation."""

    user: str


class Away(Struct, frozen=True):
    """*user* is connected nowhere: the seat is kept for `SEAT_KEPT_MS`."""

    user: str


class Back(Struct, frozen=True):
    """*user* is connected again."""

    user: str


class SeatLost(Struct, frozen=True):
    """*user* goes if they have been away for too long."""

    user: str


class Complete(Struct, frozen=True):
    """The host *by* ends it well."""

    by: str


class Squeezed(Struct, frozen=True):
    """The big squeeze."""


class Cancel(Struct, frozen=True):
    """The host *by* calls it off."""

    by: str


class Due(Struct, frozen=True):
    """Nothing but what time brings: the scheduled start, the expiry. Every other act brings it too."""


Act = Invite | Join | Leave | Away | Back | SeatLost | Complete | Squeezed | Cancel | Due


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


def check_texts(name: str, *texts: str | None) -> None:
    """Raises: Invalid."""
    if not name.strip() or count_graphemes(name) > NAME_MAX_GRAPHEMES:
        raise Invalid(f"The name of a group hug has 1 to {NAME_MAX_GRAPHEMES} characters.")
    if any(text is not None and count_graphemes(text) > TEXT_MAX_GRAPHEMES for text in texts):
        raise Invalid(f"Description and message of a group hug have at most {TEXT_MAX_GRAPHEMES} characters each.")


def check_times(now_ms: int, starts_ms: int | None, expires_ms: int | None) -> int:
    """When a new group expires. *starts_ms* None: it begins now. Raises: Invalid."""
    if starts_ms is not None and not now_ms < starts_ms <= now_ms + AHEAD_MAX_MS:
        raise Invalid("`starts_at` lies ahead, at most 30 days. Leave it out to begin at once.")
    start_ms = now_ms if starts_ms is None else starts_ms
    if expires_ms is None:
        return start_ms + LASTS_MS
    if not start_ms < expires_ms <= start_ms + LASTS_MAX_MS:
        raise Invalid("`expires_at` lies after the start, at most 24 hours.")
    return expires_ms


def seated(group: Group) -> list[Member]:
    """The joined members, the earliest first. O(n log n)."""
    return sorted((member for member in group.members.values() if member.is_joined), key=seniority)


def took_part(group: Group) -> list[Member]:
    """Everybody who took part, the earliest first."""
    return sorted((member for member in group.members.values() if member.took_part), key=seniority)


def seniority(member: Member) -> tuple[int, str]:
    """The order in which members came; of two in the same millisecond, the lower id."""
    return member.joined_ms or 0, member.user


def check_open(group: Group, user: str, blocked: Set[str]) -> None:
    """May *user*, who knows its id, see the group? Who is blocked with the host only if they sit, or sat, in it.

    Raises: NotFound.
    """
    member = group.members.get(user)
    is_inside = member is not None and (member.is_joined or (group.is_over and member.took_part))
    if group.host in blocked and not is_inside:
        raise no_such_group()


def no_such_group() -> NotFound:
    """For what does not exist and for what is out of reach through a block: always the same."""
    return NotFound("No such group.")


def make_group(group: Group, host_name: str) -> Group:
    """*group*, new, with its host in the first seat."""
    host = Member(
        user=group.host, name=host_name, state=Membership.JOINED, joined_ms=group.created_ms, took_part=True, version=1
    )
    state = GroupState.GATHERING if group.starts_ms is None else GroupState.SCHEDULED
    return msgspec.structs.replace(group, state=state, version=1, joined=1, members={group.host: host})


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
