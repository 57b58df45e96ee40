"""What a client asks: one frozen struct per command, told apart by `type`.

Unknown fields are refused, so that a misspelt option is an error and never silently ignored. Each
command is idempotent: by its `id` where it has one, by its meaning otherwise.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from protocol.fields import Id, Message, Ref, Seq, Token, Word


class Status(StrEnum):
    """What a device says about its person."""

    ONLINE = "online"
    AWAY = "away"
    DO_NOT_DISTURB = "do_not_disturb"
    INVISIBLE = "invisible"


class Command(
    Struct, forbid_unknown_fields=True, tag_field="type", omit_defaults=True, kw_only=True, frozen=True, gc=False
):
    """Every command may carry `ref`; with it, exactly one reply comes back."""

    ref: Ref | None = None


class Hello(Command, tag="hello", frozen=True):
    """First command of a connection: who, on which device, and what it has already."""

    device: Word
    token: Token | None = None
    after: Seq | None = None
    epoch: Word | None = None
    status: Status = Status.ONLINE


class Ping(Command, tag="ping", frozen=True):
    """Are you there? For clients that cannot see WebSocket pings."""


class Ack(Command, tag="ack", frozen=True):
    """I have everything up to and including `seq`."""

    seq: Seq


class AuthRefresh(Command, tag="auth.refresh", frozen=True):
    """Here is a newer access token of the same user; keep the connection."""

    token: Token


class PresenceSet(Command, tag="presence.set", frozen=True):
    """The status of this device."""

    status: Status


class HugSend(Command, tag="hug.send", frozen=True):
    """Send a hug. The same `id` again is the same hug and gets the same answer."""

    id: Id
    to: Id
    kind: Word
    message: Message | None = None
    style: dict[str, Any] | None = None


class HugSeen(Command, tag="hug.seen", frozen=True):
    """I have read these hugs."""

    ids: Annotated[list[Id], Meta(min_length=1, max_length=100)]


class FriendRequest(Command, tag="friend.request", frozen=True):
    """Let us be friends. Two crossing requests make a friendship."""

    to: Id


class FriendAnswer(Command, tag="friend.answer", frozen=True):
    """Accept, or decline silently, the request of `from`."""

    from_: Id = field(name="from")
    accept: bool


class FriendEnd(Command, tag="friend.end", frozen=True):
    """End a friendship, or withdraw the own request."""

    user: Id


class UserBlock(Command, tag="user.block", frozen=True):
    """Never hear of this user again, nor they of me."""

    user: Id


class UserUnblock(Command, tag="user.unblock", frozen=True):
    """Lift a block. Restores nothing."""

    user: Id


AnyCommand = (
    Hello
    | Ping
    | Ack
    | AuthRefresh
    | PresenceSet
    | HugSend
    | HugSeen
    | FriendRequest
    | FriendAnswer
    | FriendEnd
    | UserBlock
    | UserUnblock
)
