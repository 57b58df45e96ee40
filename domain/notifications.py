"""Whether somebody is to be disturbed now, later, together with something else, or not at all.

Asked when an event is looked at and again just before each try to send it: what is true then counts.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, StrEnum

from msgspec import Struct

from domain.preferences import Category, Channel, Preferences
from domain.privacy import Relation, is_within
from domain.quiet_hours import quiet_until
from domain.times import from_ms, to_ms


class Kind(Struct, frozen=True):
    """What becomes of an event of one type. *category* None: the event says. *is_pushed*: told elsewhere than in the centre."""

    category: Category | None
    ttl: timedelta = timedelta(hours=24)
    is_pushed: bool = True


_GROUP_START = timedelta(minutes=10)

# What is not here is no notification: it takes something back, or tells what somebody has done themselves.
KINDS: Mapping[str, Kind] = {
    "hug.received": Kind(Category.HUGS),
    "hug.felt": Kind(Category.HUGS),
    "hug.mutual": Kind(Category.HUGS, is_pushed=False),  # both have just hugged: of the hug itself they are told
    "request.received": Kind(Category.REQUESTS),
    "request.answered": Kind(Category.REQUESTS),
    "group.invited": Kind(Category.GROUPS),
    "group.started": Kind(Category.GROUPS, ttl=_GROUP_START),
    "group.completed": Kind(Category.GROUPS, is_pushed=False),
    "group.cancelled": Kind(Category.GROUPS),
    "friend.requested": Kind(Category.FRIENDS),
    "friend.accepted": Kind(Category.FRIENDS),
    "streak.milestone": Kind(Category.STREAKS),
    "notification": Kind(None),
    "account.notice": Kind(Category.ACCOUNT),
}


class Presence(Enum):
    """Of the person, whatever friends are told. UNKNOWN: Redis is away, or has been emptied a moment ago."""

    OFFLINE = "offline"
    CONNECTED = "connected"
    DO_NOT_DISTURB = "do_not_disturb"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why something waits or is not sent; as `hugmood trace` shows it."""

    ACKED = "acked"  # a device has it
    READ = "read"
    UNDONE = "undone"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    MUTED = "muted"
    PRIVACY = "privacy"
    OWN_DOING = "own_doing"
    SWITCHED_OFF = "switched_off"
    NO_DEVICE = "no_device"
    QUIET_HOURS = "quiet_hours"
    DO_NOT_DISTURB = "do_not_disturb"
    CONNECTED = "connected"
    MAIL_LATER = "mail_later"  # it may be seen without one
    PRESENCE_UNKNOWN = "presence_unknown"
    MERGING = "merging"


class Timing(Struct, frozen=True, kw_only=True):
    """All in ms. *unacked*: whoever is connected has so long to ack. *merge*, *mail_merge*: at most one push, one mail of a kind in it.

    *mail_after*: nobody is written to about what they may see in a minute. *dnd_look*: nobody tells when that ends.
    *unsure*: so long a push waits for presence to be known again, which is looked at every *unsure_look*.
    """

    unacked_ms: int = 10_000
    merge_ms: int = 300_000
    mail_after_ms: int = 600_000
    mail_merge_ms: int = 3_600_000
    dnd_look_ms: int = 30_000
    unsure_ms: int = 60_000
    unsure_look_ms: int = 2_000


class Circumstances(Struct, frozen=True, kw_only=True):
    """What is true now of one event and its recipient. *sent_at_ms*: of the last push of its kind; None: no burst goes on, or
    it is this push that is tried again.

    *is_permitted*: does the recipient's privacy still let it happen? *unsure_since_ms*: since when presence is not known, if
    it was when the event came.
    """

    presence: Presence
    has_target: bool
    is_acked: bool = False
    is_read: bool = False
    is_undone: bool = False
    is_own_doing: bool = False
    is_blocked: bool = False
    is_muted: bool = False
    is_permitted: bool = True
    sent_at_ms: int | None = None
    unsure_since_ms: int | None = None


class Send(Struct, frozen=True, tag=True):
    """Now."""


class Wait(Struct, frozen=True, tag=True):
    """Ask again then: Unix ms, later than now."""

    until_ms: int
    reason: Reason


class Suppress(Struct, frozen=True, tag=True):
    """Never."""

    reason: Reason


Decision = Send | Wait | Suppress


def is_permitted(kind: str, relation: Relation, *, is_of_request: bool = False, is_community: bool = False) -> bool:
    """Does the recipient's privacy let an event of *kind* happen still? *relation*: what the recipient is to the actor.

    *is_of_request*: a hug in answer to a request, which needs no other permission. *is_community*: a request to all who take some.
    """
    privacy = relation.privacy
    if kind == "hug.received":
        return is_of_request or is_within(privacy.who_may_hug, is_friend=relation.is_friend)
    if kind == "request.received":
        if is_community:
            return privacy.takes_community_requests
        return is_within(privacy.who_may_ask, is_friend=relation.is_friend)
    if kind == "friend.requested":
        return is_within(privacy.who_befriends, is_friend=relation.is_friend)
    return True


def decide(
    at_ms: int,
    expires_ms: int,
    category: Category,
    channel: Channel,
    preferences: Preferences,
    now: Circumstances,
    now_ms: int,
    timing: Timing,
) -> Decision:
    """What to do at *now_ms* about an event of *at_ms* that is worth nothing from *expires_ms* on.

    What is about the security of an account always goes; as a mail also if it was seen in the app, maybe by somebody else.
    """
    reason = _obstacle(expires_ms, category, channel, preferences, now, now_ms)
    if reason is not None:
        return Suppress(reason)
    if category is Category.ACCOUNT:
        return Send()
    waits = [wait for wait in _waits(at_ms, channel, preferences, now, now_ms, timing) if wait.until_ms > now_ms]
    if not waits:
        return Send()
    longest = max(waits, key=lambda wait: wait.until_ms)
    return longest if longest.until_ms < expires_ms else Wait(expires_ms, longest.reason)


def _obstacle(
    expires_ms: int, category: Category, channel: Channel, preferences: Preferences, now: Circumstances, now_ms: int
) -> Reason | None:
    is_from_us = category is Category.ACCOUNT
    is_sure = is_from_us and channel is Channel.EMAIL
    obstacles = (
        (now.is_acked and not is_sure, Reason.ACKED),
        (now.is_read and not is_sure, Reason.READ),
        (now.is_undone, Reason.UNDONE),
        (now.is_own_doing, Reason.OWN_DOING),
        (now_ms >= expires_ms, Reason.EXPIRED),
        (now.is_blocked and not is_from_us, Reason.BLOCKED),
        (now.is_muted and not is_from_us, Reason.MUTED),
        (not now.is_permitted and not is_from_us, Reason.PRIVACY),
        (not preferences.wants(category, channel), Reason.SWITCHED_OFF),
        (not now.has_target, Reason.NO_DEVICE),
    )
    return next((reason for is_so, reason in obstacles if is_so), None)


def _waits(
    at_ms: int, channel: Channel, preferences: Preferences, now: Circumstances, now_ms: int, timing: Timing
) -> list[Wait]:
    waits = []
    if channel is Channel.EMAIL:
        waits.append(Wait(at_ms + timing.mail_after_ms, Reason.MAIL_LATER))
    elif now.presence is Presence.CONNECTED:
        waits.append(Wait(at_ms + timing.unacked_ms, Reason.CONNECTED))
    elif now.presence is Presence.DO_NOT_DISTURB:
        waits.append(Wait(now_ms + timing.dnd_look_ms, Reason.DO_NOT_DISTURB))
    elif now.presence is Presence.UNKNOWN:
        since_ms = max(at_ms, now.unsure_since_ms or 0)  # what has waited for long is not sent for being old
        waits.append(Wait(min(since_ms + timing.unsure_ms, now_ms + timing.unsure_look_ms), Reason.PRESENCE_UNKNOWN))
    if now.sent_at_ms is not None:
        merge_ms = timing.merge_ms if channel is Channel.PUSH else timing.mail_merge_ms
        waits.append(Wait(now.sent_at_ms + merge_ms, Reason.MERGING))
    if preferences.quiet_hours is not None and channel is Channel.PUSH:
        ends = quiet_until(preferences.quiet_hours, from_ms(now_ms))
        if ends is not None:
            waits.append(Wait(to_ms(ends), Reason.QUIET_HOURS))
    return waits
