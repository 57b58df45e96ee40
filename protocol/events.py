"""What the server tells: replies, durable events (with `seq`) and ephemeral ones.

A durable event is encoded once, without `seq`, when it is stored; `protocol/codec.py` puts the
number in front for each recipient. Clients ignore fields they do not know.
"""

from typing import Any

from msgspec import Struct, field

from protocol.codes import CloseCode, ErrorCode
from protocol.fields import Ref, Time


class Message(Struct, tag_field="type", omit_defaults=True, kw_only=True, frozen=True, gc=False):
    """Anything the server sends."""


class UserRef(Struct, frozen=True, gc=False):
    """A user as others see them."""

    id: str
    name: str


class Ok(Message, tag="ok", frozen=True):
    """The command was carried out. Which fields are set depends on the command."""

    ref: Ref | None = None
    id: str | None = None
    state: str | None = None
    at: Time | None = None
    seq: int | None = None
    ids: list[str] | None = None
    server_time: Time | None = None
    expires_at: Time | None = None


class Error(Message, tag="error", frozen=True):
    """The command was not carried out; `message` says what to do."""

    code: ErrorCode
    message: str
    retryable: bool
    ref: Ref | None = None
    retry_after_ms: int | None = None


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


class Welcome(Message, tag="welcome", frozen=True):
    """The session is open. Live events start after `head`, or after the replay if `resumed`."""

    session: str
    user: UserRef
    node: str
    epoch: str
    head: int
    acked: int
    resumed: bool
    server_time: Time
    heartbeat_ms: int
    limits: Limits
    friends: list[FriendPresence]


class CaughtUp(Message, tag="caught_up", frozen=True):
    """Everything up to `seq` has been replayed; what follows is live."""

    seq: int


class SessionExpiring(Message, tag="session.expiring", frozen=True):
    """The token ends soon: send `auth.refresh`."""

    expires_at: Time


class Bye(Message, tag="bye", frozen=True):
    """The connection is about to close; close codes get lost on the way, this does not."""

    code: CloseCode
    reason: str
    reconnect: bool
    retry_after_ms: int


class Presence(Message, tag="presence", frozen=True):
    """A friend's status changed. `last_seen` is set when they went offline and let it be seen."""

    user: str
    status: str
    last_seen: Time | None


class HugReceived(Message, tag="hug.received", frozen=True):
    """Durable: somebody hugged you."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    kind: str
    seq: int | None = None
    message: str | None = None
    style: dict[str, Any] | None = None


class HugSent(Message, tag="hug.sent", frozen=True):
    """To the sender's other devices."""

    at: Time
    id: str
    to: str
    kind: str
    message: str | None = None
    style: dict[str, Any] | None = None


class HugDelivered(Message, tag="hug.delivered", frozen=True):
    """To the sender: one device of the recipient has it."""

    id: str
    at: Time


class HugSeen(Message, tag="hug.seen", frozen=True):
    """To the sender: the person has read it."""

    id: str
    at: Time


class FriendRequested(Message, tag="friend.requested", frozen=True):
    """Durable: somebody wants to be friends."""

    at: Time
    from_: UserRef = field(name="from")
    seq: int | None = None


class FriendAccepted(Message, tag="friend.accepted", frozen=True):
    """Durable, to both: you are friends now."""

    at: Time
    user: UserRef
    seq: int | None = None


class FriendEnded(Message, tag="friend.ended", frozen=True):
    """Durable, to the other side: the friendship is over."""

    at: Time
    user: str
    seq: int | None = None


DurableEvent = HugReceived | FriendRequested | FriendAccepted | FriendEnded
EphemeralEvent = HugSent | HugDelivered | HugSeen | Presence | SessionExpiring | Bye
ServerMessage = Ok | Error | Welcome | CaughtUp | DurableEvent | EphemeralEvent
