"""What messages and replies are made of: people, groups and presence as others see them."""

from msgspec import Struct

from protocol.fields import Time


class UserRef(Struct, frozen=True, gc=False):
    """A user as others see them."""

    id: str
    name: str


class Group(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A group hug as one of its people sees it. `members`: those in the room, the earliest first, at most 200."""

    id: str
    name: str
    state: str
    version: int
    host: UserRef
    count: int  # members in the room, those included who are not named
    members: list[UserRef]
    capacity: int
    created_at: Time
    expires_at: Time
    description: str | None = None
    message: str | None = None
    starts_at: Time | None = None
    began_at: Time | None = None
    ended_at: Time | None = None
    membership: str | None = None  # of the one who asks: invited, joined or left


class FriendPresence(Struct, frozen=True, gc=False):
    """One line of the presence snapshot in `welcome`: friends who are not offline."""

    user: str
    status: str
    last_seen: Time | None = None


class Limits(Struct, frozen=True, gc=False):
    """What the client must keep to."""

    message_bytes: int
    commands_in_flight: int
    unacked_events: int
