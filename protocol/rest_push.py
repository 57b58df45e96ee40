"""The bodies and replies of REST about devices, what their owners want to be told, notifications, and tracing."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from protocol.fields import Id, Name, Time, Word
from protocol.rest import NO_NUL, Body, Query

Language = Annotated[
    str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z", description="BCP 47.", examples=["en", "ar"])
]
Base64Url = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_-]+={0,2}\Z")]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", examples=["22:00"])]
Key = Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_NUL)]
Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Text = Annotated[str, Meta(max_length=1000, pattern=NO_NUL)]


class Provider(StrEnum):
    """Who brings a push to a device."""

    FCM = "fcm"
    APNS = "apns"
    WEBPUSH = "webpush"


class Category(StrEnum):
    """What a notification is about, as somebody switches it on and off. `account`: always told."""

    HUGS = "hugs"
    REQUESTS = "requests"
    GROUPS = "groups"
    FRIENDS = "friends"
    STREAKS = "streaks"
    INSIGHTS = "insights"
    ACCOUNT = "account"


class SubscriptionKeys(Body, frozen=True):
    """As `PushSubscription.toJSON()` has them (RFC 8291)."""

    p256dh: Base64Url
    auth: Base64Url


class Subscription(Body, frozen=True):
    """A Web Push subscription as `PushSubscription.toJSON()` has it."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=2048, pattern=NO_NUL)]
    keys: SubscriptionKeys
    expirationTime: float | None = None  # noqa: N815  the browser's own name


class NewDevice(Body, frozen=True):
    """A device that can be pushed to. FCM and APNs: `token`; Web Push: `subscription`. Again with the same: it is renewed."""

    provider: Provider
    token: Annotated[str, Meta(min_length=1, max_length=4096, pattern=NO_NUL)] | None = None
    subscription: Subscription | None = None
    name: Name | None = None
    language: Language = "en"


class DeviceChange(Body, frozen=True):
    """What is left out stays."""

    name: Name | None = None
    language: Language | None = None


class Device(Struct, frozen=True, kw_only=True):
    """A registered device; its token is never shown."""

    id: str
    provider: Provider
    name: str
    language: str
    registered_at: Time
    used_at: Time


class PushKey(Struct, frozen=True):
    """What a browser subscribes with: the VAPID public key (RFC 8292), as `applicationServerKey`."""

    key: str


class Switches(Body, frozen=True):
    """By channel. What is left out stays."""

    push: bool | None = None
    email: bool | None = None
    in_app: bool | None = None


class QuietHours(Body, frozen=True):
    """From `start` up to `end`, over midnight too; both the same: none."""

    start: Clock
    end: Clock
    timezone: Word


class CategoryChanges(Body, frozen=True):
    """By category."""

    hugs: Switches | None = None
    requests: Switches | None = None
    groups: Switches | None = None
    friends: Switches | None = None
    streaks: Switches | None = None
    insights: Switches | None = None


class Preview(StrEnum):
    """How much a push says on a locked screen."""

    GENERIC = "generic"
    NAME = "name"


class PreferencesChange(Body, frozen=True):
    """What is left out stays; `quiet_hours` null: none any more."""

    channels: Switches | None = None
    categories: CategoryChanges | None = None
    quiet_hours: QuietHours | UnsetType | None = UNSET
    preview: Preview | None = None
    language: Language | None = None
    streak_reminders: bool | None = None


class ChannelSwitches(Struct, frozen=True):
    """What is on."""

    push: bool
    email: bool
    in_app: bool


class Preferences(Struct, frozen=True, kw_only=True):
    """A push goes out where its channel and its category are on. `categories`: those of `Category` but `account`."""

    channels: ChannelSwitches
    categories: dict[str, ChannelSwitches]
    quiet_hours: QuietHours | None
    preview: Preview
    language: str
    streak_reminders: bool


class Notification(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line of the centre. `id`: the `seq` of the durable event, which is `event` (without its `seq`)."""

    id: int
    kind: str
    category: Category
    at: Time
    event: dict[str, Any]
    read_at: Time | None = None


class NotificationQuery(Query, frozen=True):
    """Newest first."""

    unread: bool = False
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(min_length=1, max_length=512)] | None = None


class Unread(Struct, frozen=True):
    """What a badge shows; `is_more`: there are more than could be counted."""

    unread: int
    is_more: bool = False


Seqs = Annotated[list[Annotated[int, Meta(ge=1, le=2**53)]], Meta(min_length=1, max_length=100)]


class Marked(Body, frozen=True):
    """Which notifications."""

    ids: Seqs


class Opened(Body, frozen=True):
    """A push was opened: the `delivery` of its data."""

    delivery: Id


class NewNotice(Body, frozen=True, kw_only=True):
    """What an app's server tells one of its users. `collapse_key`: replaces what was pushed with the same before."""

    user: Id
    category: Category
    title: Title
    body: Text = ""
    data: dict[Word, Annotated[str, Meta(max_length=512, pattern=NO_NUL)]] = field(default_factory=dict)
    collapse_key: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+\Z")] | None = None
    ttl_s: Annotated[int, Meta(ge=60, le=2_419_200)] = 86_400
    idempotency_key: Key | None = None


class NewNotices(Body, frozen=True):
    """Each has an `idempotency_key`."""

    notifications: Annotated[list[NewNotice], Meta(min_length=1, max_length=500)]


class Notice(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`id` of the notification; `is_repeated`: it was there already. In a batch: `code` and `message` instead, if it could not be."""

    id: str | None = None
    is_repeated: bool = False
    code: str | None = None
    message: str | None = None


class Notices(Struct, frozen=True):
    """In the order of the request."""

    items: list[Notice]


class TraceStep(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened to a hug. `what`: accepted, routed, acked, waiting, push_queued, push_sent, push_accepted,
    push_opened, push_suppressed, push_failed, delivered, seen, felt, undone."""

    at: Time
    what: str
    detail: str | None = None
    device: str | None = None
    provider: str | None = None
    delivery: str | None = None
    nodes: list[str] | None = None


class Trace(Struct, frozen=True):
    """The life of a hug in the order of time, as far as the one who asks may know it. `is_expired`: what became of its
    pushes is known no longer.
    """

    id: str
    steps: list[TraceStep]
    is_expired: bool = False
