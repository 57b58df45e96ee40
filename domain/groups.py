"""What a group hug is, what can be done in one, and who may know of it. What comes of it is domain/group_steps.py."""

from collections.abc import Mapping, Set
from enum import StrEnum

import msgspec
from msgspec import Struct

from domain.errors import Invalid, NotFound
from domain.hugs import count_graphemes

NAME_MAX_GRAPHEMES = 64
TEXT_MAX_GRAPHEMES = 280
CAPACITY_MIN, CAPACITY_MAX = 2, 10_000
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
