"""What a client asks: one frozen struct per command, told apart by `type`.

Unknown fields are refused, so that a misspelt option is an error and never silently ignored. Each
command is idempotent: by its `id` where it has one, by its meaning otherwise.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from protocol.fields import About, Emoji, Id, Ids, Instant, Message, Name, Ref, Seq, Token, Word
from protocol.moods import Amount, Factors, MoodNote, Part, Tags, Visibility


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
    request: Id | None = None


class HugUndo(Command, tag="hug.undo", frozen=True):
    """Take a hug back that was sent by mistake: within 10 s, if it has not been seen."""

    id: Id


class HugReact(Command, tag="hug.react", frozen=True):
    """How a received hug was felt. One reaction per hug; a second one replaces the first."""

    hug: Id
    emoji: Emoji
    message: Message | None = None


class HugPreparing(Command, tag="hug.preparing", frozen=True):
    """Arms open towards `to`: shown there for 5 s, not stored."""

    to: Id


class RequestCreate(Command, tag="request.create", frozen=True):
    """Ask for a hug: `to` one person (24 h), or without `to` the community (6 h, at most 10 hugs)."""

    id: Id
    to: Id | None = None
    message: Message | None = None


class RequestAnswer(Command, tag="request.answer", frozen=True):
    """Hug who has asked (`kind` and `message` are that hug's), or decline without a word."""

    id: Id
    accept: bool
    kind: Word | None = None
    message: Message | None = None


class RequestCancel(Command, tag="request.cancel", frozen=True):
    """Ask no more."""

    id: Id


class GroupCreate(Command, tag="group.create", frozen=True):
    """Host a group hug: at once, or scheduled for `starts_at`. The host has a seat in it."""

    id: Id
    name: Name
    description: About | None = None
    message: Message | None = None
    invite: Annotated[list[Id], Meta(max_length=300)] = []
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    capacity: Annotated[int, Meta(ge=2, le=10_000)] = 50


class GroupInvite(Command, tag="group.invite", frozen=True):
    """Invite more people. The answer's `ids` are those who were; who cannot be reached is left out without a word."""

    id: Id
    users: Annotated[list[Id], Meta(min_length=1, max_length=300)]


class GroupJoin(Command, tag="group.join", frozen=True):
    """Come in. The answer carries the room."""

    id: Id


class GroupLeave(Command, tag="group.leave", frozen=True):
    """Go. The earliest joiner follows a host who leaves."""

    id: Id


class GroupSqueeze(Command, tag="group.squeeze", frozen=True):
    """Squeeze everybody in the room, from 0 (lightly) to 1 (with all one's strength)."""

    id: Id
    strength: Annotated[float, Meta(ge=0, le=1)]


class GroupComplete(Command, tag="group.complete", frozen=True):
    """The host ends the group hug well."""

    id: Id


class GroupCancel(Command, tag="group.cancel", frozen=True):
    """The host calls it off."""

    id: Id


class HugSeen(Command, tag="hug.seen", frozen=True):
    """I have read these hugs."""

    ids: Ids


class MoodLog(Command, tag="mood.log", frozen=True):
    """Log a mood. Send it again, with the same `id`, until `mood.saved` comes: many sends, one entry.

    `felt_at` left out: now. `sent_at`: what the device's clock says, so that a wrong one can be told.
    """

    id: Id
    mood: Word
    timezone: Word
    valence: Part | None = None
    arousal: Part | None = None
    intensity: Amount | None = None
    note: MoodNote | None = None
    tags: Tags | None = None
    factors: Factors | None = None
    visibility: Visibility = Visibility.PRIVATE
    felt_at: Instant | None = None
    sent_at: Instant | None = None


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


class UserMute(Command, tag="user.mute", frozen=True):
    """Be told nothing of this user by notifications, for good or `until`. They do not notice."""

    user: Id
    until: Instant | None = None


class UserUnmute(Command, tag="user.unmute", frozen=True):
    """Lift a mute."""

    user: Id


AnyCommand = (
    Hello
    | Ping
    | Ack
    | AuthRefresh
    | PresenceSet
    | HugSend
    | HugUndo
    | HugReact
    | HugPreparing
    | HugSeen
    | MoodLog
    | RequestCreate
    | RequestAnswer
    | RequestCancel
    | GroupCreate
    | GroupInvite
    | GroupJoin
    | GroupLeave
    | GroupSqueeze
    | GroupComplete
    | GroupCancel
    | FriendRequest
    | FriendAnswer
    | FriendEnd
    | UserBlock
    | UserUnblock
    | UserMute
    | UserUnmute
)
