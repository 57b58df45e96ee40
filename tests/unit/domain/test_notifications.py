"""Deciding about one event: every reason, every wait, and which comes first."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from domain.notifications import (
    KINDS,
    Circumstances,
    Decision,
    Presence,
    Reason,
    Send,
    Suppress,
    Timing,
    Wait,
    decide,
    is_permitted,
)
from domain.preferences import Category, Channel, Preferences
from domain.privacy import Audience, Privacy, Relation
from domain.quiet_hours import QuietHours
from domain.times import to_ms

pytestmark = pytest.mark.unit

AT_MS = to_ms(datetime(2026, 1, 10, 12, tzinfo=UTC))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
EXPIRES_MS = AT_MS + 24 * HOUR
QUIET = Preferences(quiet_hours=QuietHours(time(11), time(14), "UTC"))
MAILED = Preferences(switches={"email": True})


def decided(
    after_ms: int = 0,
    *,
    category: Category = Category.HUGS,
    channel: Channel = Channel.PUSH,
    preferences: Preferences = Preferences(),  # noqa: B008  frozen
    expires_ms: int = EXPIRES_MS,
    presence: Presence = Presence.OFFLINE,
    has_target: bool = True,
    **now: Any,
) -> Decision:
    circumstances = Circumstances(presence=presence, has_target=has_target, **now)
    return decide(AT_MS, expires_ms, category, channel, preferences, circumstances, AT_MS + after_ms, Timing())


def wait(after_ms: int, reason: Reason) -> Wait:
    return Wait(AT_MS + after_ms, reason)


def test_who_is_offline_is_told_at_once() -> None:
    assert decided() == Send()


OBSTACLES: list[tuple[dict[str, Any], Reason]] = [  # each with all that come after it
    ({"is_acked": True}, Reason.ACKED),
    ({"is_read": True}, Reason.READ),
    ({"is_undone": True}, Reason.UNDONE),
    ({"is_own_doing": True}, Reason.OWN_DOING),
    ({"expires_ms": AT_MS}, Reason.EXPIRED),
    ({"is_blocked": True}, Reason.BLOCKED),
    ({"is_muted": True}, Reason.MUTED),
    ({"is_permitted": False}, Reason.PRIVACY),
    ({"preferences": Preferences(switches={"hugs.push": False})}, Reason.SWITCHED_OFF),
    ({"has_target": False}, Reason.NO_DEVICE),
]


@pytest.mark.parametrize(("now", "reason"), OBSTACLES)
def test_what_is_not_sent_at_all(now: dict[str, Any], reason: Reason) -> None:
    assert decided(**now) == Suppress(reason)


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_the_first_reason_is_told(first: int) -> None:
    now: dict[str, Any] = {}
    for more, _ in OBSTACLES[first:]:
        now |= more
    assert decided(**now) == Suppress(OBSTACLES[first][1])


def test_what_is_suppressed_does_not_wait() -> None:
    assert decided(presence=Presence.DO_NOT_DISTURB, preferences=QUIET, is_muted=True) == Suppress(Reason.MUTED)


def test_the_last_millisecond_still_counts() -> None:
    assert decided(24 * HOUR - 1) == Send()
    assert decided(24 * HOUR) == Suppress(Reason.EXPIRED)


@pytest.mark.parametrize(
    ("after_ms", "expected"),
    [(0, wait(10 * SECOND, Reason.CONNECTED)), (9_999, wait(10 * SECOND, Reason.CONNECTED)), (10 * SECOND, Send())],
)
def test_who_is_connected_has_ten_seconds_to_ack(after_ms: int, expected: Decision) -> None:
    assert decided(after_ms, presence=Presence.CONNECTED) == expected


def test_do_not_disturb_holds_as_long_as_it_lasts() -> None:
    for after_ms in (0, MINUTE, 20 * HOUR):
        expected = wait(after_ms + 30 * SECOND, Reason.DO_NOT_DISTURB)
        assert decided(after_ms, presence=Presence.DO_NOT_DISTURB) == expected


def test_while_nobody_knows_who_is_here_a_push_waits_a_minute() -> None:
    first = decided(presence=Presence.UNKNOWN)
    assert isinstance(first, Wait)
    assert first.reason is Reason.PRESENCE_UNKNOWN
    assert first.until_ms <= AT_MS + MINUTE
    assert isinstance(decided(MINUTE - 1, presence=Presence.UNKNOWN), Wait)
    assert decided(MINUTE, presence=Presence.UNKNOWN) == Send()


def test_what_has_waited_for_long_is_not_sent_because_presence_is_unknown_for_a_moment() -> None:
    unsure: dict[str, Any] = {"presence": Presence.UNKNOWN, "unsure_since_ms": AT_MS + HOUR}
    assert decided(HOUR, **unsure) == wait(HOUR + 2 * SECOND, Reason.PRESENCE_UNKNOWN)
    assert decided(HOUR + MINUTE, **unsure) == Send()
    assert isinstance(decided(MINUTE - 1, presence=Presence.UNKNOWN, unsure_since_ms=AT_MS - HOUR), Wait)
    assert decided(MINUTE, presence=Presence.UNKNOWN, unsure_since_ms=AT_MS - HOUR) == Send()


def test_what_follows_a_push_is_merged() -> None:
    sent_ms = AT_MS - MINUTE
    assert decided(sent_at_ms=sent_ms) == wait(4 * MINUTE, Reason.MERGING)
    assert decided(4 * MINUTE, sent_at_ms=sent_ms) == Send()


def test_quiet_hours_last_until_their_end() -> None:
    assert decided(preferences=QUIET) == wait(2 * HOUR, Reason.QUIET_HOURS)
    assert decided(2 * HOUR, preferences=QUIET) == Send()


def test_the_longest_wait_is_the_one_that_is_told() -> None:
    waits: list[tuple[dict[str, Any], Wait]] = [
        ({"presence": Presence.CONNECTED}, wait(10 * SECOND, Reason.CONNECTED)),
        ({"sent_at_ms": AT_MS}, wait(5 * MINUTE, Reason.MERGING)),
        ({"preferences": QUIET}, wait(2 * HOUR, Reason.QUIET_HOURS)),
    ]
    now: dict[str, Any] = {}
    for more, expected in waits:
        now |= more
        assert decided(**now) == expected


def test_nothing_waits_beyond_its_end() -> None:
    expires_ms = AT_MS + MINUTE
    found = decided(preferences=QUIET, expires_ms=expires_ms)
    assert found == Wait(expires_ms, Reason.QUIET_HOURS)
    assert decided(MINUTE, preferences=QUIET, expires_ms=expires_ms) == Suppress(Reason.EXPIRED)


def test_a_mail_waits_until_it_is_clear_that_nobody_looks() -> None:
    def mailed(after_ms: int, **now: Any) -> Decision:
        return decided(after_ms, channel=Channel.EMAIL, preferences=MAILED, **now)

    for presence in Presence:  # it wakes nobody
        assert mailed(0, presence=presence) == wait(10 * MINUTE, Reason.MAIL_LATER)
        assert mailed(10 * MINUTE, presence=presence) == Send()
    assert mailed(20 * MINUTE, sent_at_ms=AT_MS) == wait(HOUR, Reason.MERGING)
    assert mailed(HOUR, sent_at_ms=AT_MS) == Send()
    assert mailed(10 * MINUTE, is_acked=True) == Suppress(Reason.ACKED)


def test_a_mail_knows_no_quiet_hours() -> None:
    preferences = Preferences(switches={"email": True}, quiet_hours=QUIET.quiet_hours)
    assert decided(10 * MINUTE, channel=Channel.EMAIL, preferences=preferences) == Send()


@pytest.mark.parametrize("channel", [Channel.PUSH, Channel.EMAIL])
@pytest.mark.parametrize("presence", Presence)
def test_what_is_about_the_account_always_goes(channel: Channel, presence: Presence) -> None:
    preferences = Preferences(
        switches={str(channel): False, f"account.{channel}": False}, quiet_hours=QUIET.quiet_hours
    )
    found = decided(
        category=Category.ACCOUNT,
        channel=channel,
        preferences=preferences,
        presence=presence,
        is_blocked=True,
        is_muted=True,
        is_permitted=False,
        sent_at_ms=AT_MS,
    )
    assert found == Send()


@pytest.mark.parametrize("seen", [{"is_acked": True}, {"is_read": True}])
def test_a_mail_about_the_account_goes_also_if_somebody_has_seen_it_in_the_app(seen: dict[str, Any]) -> None:
    assert decided(category=Category.ACCOUNT, channel=Channel.EMAIL, **seen) == Send()
    assert isinstance(decided(category=Category.ACCOUNT, channel=Channel.PUSH, **seen), Suppress)


def test_an_old_notice_about_the_account_is_worth_nothing() -> None:
    assert decided(24 * HOUR, category=Category.ACCOUNT) == Suppress(Reason.EXPIRED)
    assert decided(category=Category.ACCOUNT, has_target=False) == Suppress(Reason.NO_DEVICE)


def test_how_long_each_kind_is_worth_something() -> None:
    hours = {kind: what.ttl.total_seconds() / 3600 for kind, what in KINDS.items()}
    assert {kind for kind, ttl in hours.items() if ttl != 24} == {"group.started"}
    assert hours["group.started"] == 1 / 6
    assert {kind for kind, what in KINDS.items() if not what.is_pushed} == {"group.completed", "hug.mutual"}


def relation(*, is_friend: bool = False, **privacy: Any) -> Relation:
    return Relation(exists=True, is_friend=is_friend, privacy=Privacy(**privacy))


@pytest.mark.parametrize(
    ("kind", "field"),
    [("hug.received", "who_may_hug"), ("request.received", "who_may_ask"), ("friend.requested", "who_befriends")],
)
@pytest.mark.parametrize(
    ("audience", "strangers", "friends"), [("everyone", 1, 1), ("friends", 0, 1), ("nobody", 0, 0)]
)
def test_privacy_is_asked_about_what_somebody_does_to_another(
    kind: str, field: str, audience: str, strangers: int, friends: int
) -> None:
    for is_friend, expected in ((False, strangers), (True, friends)):
        others = dict.fromkeys(("who_may_hug", "who_may_ask", "who_befriends"), Audience.NOBODY)
        some = relation(is_friend=is_friend, **others | {field: Audience(audience)})
        assert is_permitted(kind, some) == bool(expected)


def test_a_hug_that_was_asked_for_needs_no_other_permission() -> None:
    closed = relation(who_may_hug=Audience.NOBODY, who_may_ask=Audience.NOBODY)
    assert is_permitted("hug.received", closed, is_of_request=True)
    assert not is_permitted("request.received", closed, is_of_request=True)


@pytest.mark.parametrize("takes", [True, False])
def test_the_community_may_ask_whoever_takes_such_requests(takes: bool) -> None:
    some = relation(is_friend=not takes, who_may_ask=Audience.EVERYONE, takes_community_requests=takes)
    assert is_permitted("request.received", some, is_community=True) == takes
    assert not is_permitted("hug.received", relation(takes_community_requests=True), is_community=True)


def test_nobody_is_asked_about_what_follows_from_what_they_did() -> None:
    closed = relation(who_may_hug=Audience.NOBODY, who_may_ask=Audience.NOBODY, who_befriends=Audience.NOBODY)
    asked = {"hug.received", "request.received", "friend.requested"}
    assert {kind for kind in KINDS if not is_permitted(kind, closed)} == asked
