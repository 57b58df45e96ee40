"""The bodies, queries and replies of REST that are not commands or events already.

As everywhere on the wire: unknown fields in a request are refused, times are RFC 3339, ids are UUIDs.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct, field

from protocol.codes import ErrorCode
from protocol.fields import Id, Name, Time, Token
from protocol.parts import UserRef

NO_NUL = r"^[^\x00]*\Z"
Email = Annotated[str, Meta(min_length=3, max_length=320, pattern=NO_NUL, examples=["ana@example.org"])]
Username = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=NO_NUL,
        description="3 to 32 characters: a–z, 0–9, and inside also dot, hyphen, underscore; case does not matter.",
    ),
]
Password = Annotated[
    str,
    Meta(
        min_length=1, max_length=1024, pattern=NO_NUL, description="At least 8 characters, at most 72 bytes in UTF-8."
    ),
]
Cursor = Annotated[str, Meta(min_length=1, max_length=512, description="`next` of the page before; opaque.")]
T = TypeVar("T")


class Body(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Anything a client posts."""


class Register(Body, frozen=True):
    """A new account. `name`, which others see, is the username if left out."""

    email: Email
    username: Username
    password: Password
    name: Name | None = None


class Login(Body, frozen=True):
    """A new session of an account."""

    email: Email
    password: Password


class Anonymous(Body, frozen=True):
    """A new account without e-mail address and password."""

    name: Name | None = None


class Refresh(Body, frozen=True):
    """A refresh token works once; the answer brings the next one."""

    refresh_token: Token


class Logout(Body, frozen=True):
    """Which session: that of the refresh token or, without one, of the access token; or `all` of the user."""

    refresh_token: Token | None = None
    all: bool = False


class Query(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The parameters behind the `?`."""


class PageQuery(Query, frozen=True):
    """One page of a list."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class Direction(StrEnum):
    """Of a hug, as the one who asks sees it."""

    SENT = "sent"
    RECEIVED = "received"


class HugQuery(Query, frozen=True):
    """Which hugs, newest first. `changed_since`: sent, delivered, seen, felt, met or taken back since then."""

    direction: Direction | None = None
    with_: Id | None = field(default=None, name="with")
    changed_since: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class StatsQuery(Query, frozen=True):
    """Of which time: from `since` on, before `until`."""

    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class Me(Struct, frozen=True):
    """One's own account."""

    id: str
    name: str
    username: str | None
    email: str | None
    anonymous: bool
    roles: list[str]
    created_at: Time
    about: str | None = None


class LoggedIn(Struct, frozen=True):
    """A session: `access_token` opens everything for `expires_in` seconds, `refresh_token` gets the next one."""

    user: Me
    access_token: str
    expires_in: int
    refresh_token: str


class RequestDirection(StrEnum):
    """Who has asked whom."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class HugState(StrEnum):
    """How far a hug has come: stored, acknowledged by a device, read by the person, answered; or taken back."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SEEN = "seen"
    FELT = "felt"
    UNDONE = "undone"


class Reaction(Struct, frozen=True, omit_defaults=True):
    """How the recipient felt a hug."""

    emoji: str
    at: Time
    message: str | None = None


class Hug(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A hug with its state. `mutual_at`: it met one that came the other way, and both start then."""

    id: str
    from_: UserRef = field(name="from")
    to: UserRef
    kind: str
    state: HugState
    at: Time
    message: str | None = None
    style: dict[str, Any] | None = None
    request: str | None = None
    delivered_at: Time | None = None
    seen_at: Time | None = None
    mutual_at: Time | None = None
    reaction: Reaction | None = None


class KindCount(Struct, frozen=True):
    """Hugs of one kind."""

    kind: str
    sent: int
    received: int


class PersonCount(Struct, frozen=True):
    """Hugs with one person."""

    user: UserRef
    sent: int
    received: int


class HugStats(Struct, frozen=True):
    """How many hugs, those taken back left out: in all, of each kind, with each person (the 100 with most)."""

    sent: int
    received: int
    kinds: list[KindCount]
    people: list[PersonCount]


class Page(Struct, Generic[T], frozen=True):
    """A page of a list; `next` is the cursor of the following page, null on the last one."""

    items: list[T]
    next: str | None


class Problem(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why not (RFC 9457): `detail` says what to do, `code` is that of the protocol."""

    type: str = field(default_factory=lambda: "about:blank")  # a factory, so that it is never omitted
    title: str
    status: int
    detail: str
    code: ErrorCode
    retryable: bool
    retry_after_ms: int | None = None
