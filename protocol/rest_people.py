"""The bodies, queries and replies of REST about people: oneself as others see one, others, and what they are to each other."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.friendships import Friendship
from domain.privacy import Audience
from protocol.fields import About, Id, Name, Time
from protocol.parts import UserRef
from protocol.rest import NO_NUL, Body, Cursor, Query, RequestDirection


class ProfilePatch(Body, frozen=True):
    """What is to change about oneself; what is left out stays. `about` null takes it away."""

    name: Name | UnsetType = UNSET
    about: About | UnsetType | None = UNSET


class PrivacyPatch(Body, frozen=True):
    """What is to change; what is left out stays."""

    who_may_hug: Audience | UnsetType = UNSET
    who_sees_online: Audience | UnsetType = UNSET
    who_finds: Audience | UnsetType = UNSET
    who_befriends: Audience | UnsetType = UNSET
    who_may_ask: Audience | UnsetType = UNSET
    who_sees_moods: Audience | UnsetType = UNSET
    who_sees_activity: Audience | UnsetType = UNSET
    shares_receipts: bool | UnsetType = UNSET
    takes_community_requests: bool | UnsetType = UNSET


class SearchQuery(Query, frozen=True):
    """Whose username or name begins with these characters or is spelt alike, whatever their case."""

    search: Annotated[str, Meta(min_length=2, max_length=64, pattern=NO_NUL)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 20
    cursor: Cursor | None = None


class Person(Struct, frozen=True):
    """Another user, and what they are to the one who asks, whose own marks the last three are.

    `last_seen`: when they last went offline, if they let it be seen.
    """

    id: str
    name: str
    username: str | None
    relation: Friendship
    about: str | None = None
    last_seen: Time | None = None
    following: bool = False
    muted: bool = False
    blocked: bool = False


class Friend(Struct, frozen=True):
    """A friend; `status` is `offline` for those who do not let it be seen.

    `last_seen`: since when they are offline, if they let that be seen.
    """

    user: UserRef
    status: str
    since: Time
    last_seen: Time | None = None


class FriendRequestItem(Struct, frozen=True):
    """A friend request that waits for an answer."""

    user: UserRef
    direction: RequestDirection
    at: Time


class Block(Struct, frozen=True):
    """Somebody who is blocked."""

    user: UserRef
    at: Time


class Mute(Struct, frozen=True):
    """Somebody who is muted; `until` null: for good."""

    user: UserRef
    at: Time
    until: Time | None


class FollowBody(Body, frozen=True):
    """Whom to follow."""

    user: Id


class Follow(Struct, frozen=True):
    """Somebody whom one follows."""

    user: UserRef
    at: Time
