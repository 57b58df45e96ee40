"""What the server tells of group hugs: to their people for good, and to the room while it lasts."""

from msgspec import field

from protocol.events import Message
from protocol.fields import Time
from protocol.parts import UserRef


class GroupInvited(Message, tag="group.invited", frozen=True):
    """Durable: come to this group hug."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    name: str
    state: str
    expires_at: Time
    seq: int | None = None
    message: str | None = None
    starts_at: Time | None = None


class GroupStarted(Message, tag="group.started", frozen=True):
    """Durable, to whoever is in the room when it becomes active for the first time."""

    at: Time
    id: str
    name: str
    count: int
    seq: int | None = None


class GroupCompleted(Message, tag="group.completed", frozen=True):
    """Durable, to everybody who took part. `participants`: the first 50 of `count`. `how`: host or squeeze."""

    at: Time
    id: str
    name: str
    how: str
    participants: list[UserRef]
    count: int
    duration_ms: int
    seq: int | None = None


class GroupCancelled(Message, tag="group.cancelled", frozen=True):
    """Durable, to members and invited: it will not be. `state`: cancelled by the host, or expired."""

    at: Time
    id: str
    name: str
    state: str
    seq: int | None = None


class GroupJoined(Message, tag="group.joined", frozen=True):
    """To the room, while it has at most 50 members: somebody came in. `count` members are there now."""

    id: str
    user: UserRef
    count: int
    state: str
    host: str
    version: int


class GroupLeft(Message, tag="group.left", frozen=True):
    """To the room, while it has at most 50 members: somebody went."""

    id: str
    user: UserRef
    count: int
    state: str
    host: str
    version: int


class GroupPulse(Message, tag="group.pulse", frozen=True):
    """To the room, at most ten a second: `count` squeezes since the last one, their mean `strength`, `members` there now.

    `state`, `host` and `version` come along when they have changed.
    """

    id: str
    count: int
    strength: float
    members: int
    state: str | None = None
    host: str | None = None
    version: int | None = None
