"""What the server tells, but for group hugs (group_events.py): replies, durable events (with `seq`) and ephemeral ones.

A durable event is encoded once, without `seq`, when it is stored; `protocol/codec.py` puts the
number in front for each recipient. Clients ignore fields they do not know.
"""

from typing import Any

from msgspec import Struct, field

from protocol.codes import CloseCode, ErrorCode
from protocol.fields import Ref, Time
from protocol.parts import FriendPresence, Group, Limits, UserRef


class Message(Struct, tag_field="type", omit_defaults=True, kw_only=True, frozen=True, gc=False):
    """Anything the server sends."""


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
    hug: str | None = None
    group: Group | None = None


class Error(Message, tag="error", frozen=True):
    """The command was not carried out; `message` says what to do."""

    code: ErrorCode
    message: str
    retryable: bool
    ref: Ref | None = None
    retry_after_ms: int | None = None


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
    groups: list[str] = []  # rooms in which the user has a seat: their pulses come to this session too


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
    request: str | None = None


class HugUndone(Message, tag="hug.undone", frozen=True):
    """Durable, to the recipient: the hug was taken back before it was seen."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    seq: int | None = None


class HugFelt(Message, tag="hug.felt", frozen=True):
    """Durable, to the sender: the recipient's reaction to hug `id`. A later one replaces an earlier one."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    emoji: str
    seq: int | None = None
    message: str | None = None


class HugMutual(Message, tag="hug.mutual", frozen=True):
    """Durable, to both: you hugged each other within 5 s. `id`, `hugs` and `starts_at` are the same for both."""

    at: Time
    id: str
    user: UserRef
    hugs: list[str]  # the two, in the order of their ids
    starts_at: Time
    seq: int | None = None


class HugPreparing(Message, tag="hug.preparing", frozen=True):
    """Somebody opens their arms towards you: show it until `until`, it ends by itself."""

    from_: UserRef = field(name="from")
    until: Time


class RequestReceived(Message, tag="request.received", frozen=True):
    """Durable: somebody asks you, or the community, for a hug."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    expires_at: Time
    community: bool = False
    seq: int | None = None
    message: str | None = None


class RequestAnswered(Message, tag="request.answered", frozen=True):
    """Durable, to the asker: `from` answered request `id` with `hug`, the `hugs`-th. `state` is `open` if more may come."""

    at: Time
    id: str
    from_: UserRef = field(name="from")
    hug: str
    hugs: int
    state: str
    seq: int | None = None


class RequestExpired(Message, tag="request.expired", frozen=True):
    """Durable: the time is up (`state` expired), or the asker has withdrawn it (cancelled)."""

    at: Time
    id: str
    state: str
    seq: int | None = None


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


class MoodSaved(Message, tag="mood.saved", frozen=True):
    """To all devices of its owner: the mood is on disk, or has been changed there."""

    id: str


class MoodRejected(Message, tag="mood.rejected", frozen=True):
    """To all devices of its owner: the mood was queued, but cannot be saved; sending it again does not help."""

    id: str
    code: ErrorCode
    message: str


class MoodDeleted(Message, tag="mood.deleted", frozen=True):
    """To all devices of its owner: the mood is gone."""

    id: str


class MoodShared(Message, tag="mood.shared", frozen=True):
    """A friend, or somebody you follow, has shared a mood."""

    id: str
    user: UserRef
    mood: str
    valence: float
    arousal: float
    felt_at: Time
    intensity: float | None = None


class StreakUpdated(Message, tag="streak.updated", frozen=True):
    """To all devices of its owner, as of `date`: the streak, what is left of the freezes, and whether today is still open."""

    current: int
    longest: int
    freezes: int
    at_risk: bool
    date: str


class StreakMilestone(Message, tag="streak.milestone", frozen=True):
    """Durable, once ever for each number of days: 3, 7, 14, 30, 50, 100, 200, 365."""

    at: Time
    days: int
    seq: int | None = None


class Notification(Message, tag="notification", frozen=True):
    """Durable: something has changed in the notification centre, and `unread` is what the badge shows from now on.

    `change` new: `about` says what it is: `notice` (of the app's own server: `title`, `body`) or a reminder, such as
    `streak.at_risk`, with its ids and numbers in `data`. read, deleted: the notifications `ids`, or all up to `through`.
    """

    at: Time
    change: str = "new"
    id: str | None = None
    about: str | None = None
    category: str | None = None
    title: str | None = None
    body: str | None = None
    data: dict[str, str] = {}
    collapse_key: str | None = None
    expires_at: Time | None = None
    ids: list[int] | None = None
    through: int | None = None
    unread: int | None = None
    seq: int | None = None


class NotificationUnread(Message, tag="notification.unread", frozen=True):
    """To the other devices of somebody who has seen hugs on one: what the badge shows from now on."""

    unread: int


class AccountNotice(Message, tag="account.notice", frozen=True):
    """Durable: something about the security of the account. `about`: what, such as `password_changed`."""

    at: Time
    about: str
    data: dict[str, str] = {}
    seq: int | None = None
