"""What of each durable event matters for pushes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.ids import uuid7
from domain.notifications import KINDS
from domain.preferences import Category
from protocol import events, group_events
from protocol.codec import encode_body
from protocol.events import Message
from protocol.parts import UserRef
from workers.push.gist import COLLAPSE_MAX, gist_of

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
TIME, AT_SIX = "2026-01-10T12:00:00.000Z", "2026-01-10T18:00:00.000Z"
BO = UserRef("01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11", "Bo")
ID, HUG, REQUEST = uuid7(1), uuid7(2), uuid7(3)
SECRET = "a secret"

# Event, category, who did it, hours until it is worth nothing, and what an app finds it by.
PUSHED: list[tuple[Message, Category, UserRef | None, timedelta, dict[str, str]]] = [
    (
        events.HugReceived(at=TIME, id=ID, from_=BO, kind=SECRET, message=SECRET, style={"a": SECRET}, request=REQUEST),
        Category.HUGS,
        BO,
        timedelta(hours=24),
        {"id": ID, "request": REQUEST},
    ),
    (
        events.HugFelt(at=TIME, id=ID, from_=BO, emoji=SECRET, message=SECRET),
        Category.HUGS,
        BO,
        timedelta(hours=24),
        {"id": ID},
    ),
    (
        events.RequestReceived(at=TIME, id=ID, from_=BO, expires_at=AT_SIX, message=SECRET),
        Category.REQUESTS,
        BO,
        timedelta(hours=6),
        {"id": ID},
    ),
    (
        events.RequestAnswered(at=TIME, id=ID, from_=BO, hug=HUG, hugs=2, state="open"),
        Category.REQUESTS,
        BO,
        timedelta(hours=24),
        {"id": ID, "hug": HUG},
    ),
    (
        group_events.GroupInvited(
            at=TIME, id=ID, from_=BO, name=SECRET, state="open", expires_at=AT_SIX, message=SECRET
        ),
        Category.GROUPS,
        BO,
        timedelta(hours=6),
        {"id": ID},
    ),
    (
        group_events.GroupStarted(at=TIME, id=ID, name=SECRET, count=3),
        Category.GROUPS,
        None,
        timedelta(minutes=10),
        {"id": ID},
    ),
    (events.FriendRequested(at=TIME, from_=BO), Category.FRIENDS, BO, timedelta(hours=24), {}),
    (events.FriendAccepted(at=TIME, user=BO), Category.FRIENDS, BO, timedelta(hours=24), {}),
    (events.StreakMilestone(at=TIME, days=7), Category.STREAKS, None, timedelta(hours=24), {}),
    (
        events.AccountNotice(at=TIME, about="password_changed", data={"device": "x"}),
        Category.ACCOUNT,
        None,
        timedelta(hours=24),
        {"device": "x"},
    ),
]


def kind_of(event: Message) -> str:
    return str(event.__struct_config__.tag)


def notification(**fields: Any) -> bytes:
    usual: dict[str, Any] = {"id": ID, "about": "notice", "category": "insights", "title": "T", "body": "B"}
    return encode_body(events.Notification(at=TIME, **usual | fields))


@pytest.mark.parametrize(
    ("event", "category", "actor", "ttl", "ids"), PUSHED, ids=lambda value: getattr(value, "tag", "")
)
def test_each_kind_that_is_pushed(
    event: Message, category: Category, actor: UserRef | None, ttl: timedelta, ids: dict[str, str]
) -> None:
    kind = kind_of(event)
    gist = gist_of(kind, AT, encode_body(event))
    assert gist is not None
    assert (gist.topic, gist.burst, gist.category, gist.actor) == (kind, kind, category, actor)
    assert (gist.expires_at, gist.ids) == (AT + ttl, ids)
    assert gist.collapse_key == kind.replace(".", "-")
    assert gist.is_of_request == (kind == "hug.received")
    assert not gist.is_community
    assert SECRET not in str(gist)


def test_all_of_them_are_here() -> None:
    pushed = {kind for kind, rule in KINDS.items() if rule.is_pushed}
    assert {kind_of(event) for event, *_ in PUSHED} | {"notification", "group.cancelled"} == pushed


@pytest.mark.parametrize(
    "kind", ["hug.mutual", "group.completed", "hug.undone", "friend.ended", "request.expired", "of.tomorrow", ""]
)
def test_what_is_nobodys_push(kind: str) -> None:
    assert gist_of(kind, AT, b'{"id":"x"}') is None


def test_days_and_the_community() -> None:
    milestone = gist_of("streak.milestone", AT, encode_body(events.StreakMilestone(at=TIME, days=365)))
    assert milestone is not None
    assert milestone.values["days"] == "365"
    body = encode_body(events.RequestReceived(at=TIME, id=ID, from_=BO, expires_at=TIME, community=True))
    asked = gist_of("request.received", AT, body)
    assert asked is not None
    assert asked.is_community


@pytest.mark.parametrize("change", ["read", "deleted"])
def test_what_the_notification_centre_tells_itself_is_nobodys_push(change: str) -> None:
    assert gist_of("notification", AT, notification(change=change)) is None
    body = encode_body(events.Notification(at=TIME, change=change, ids=[1], through=3, unread=0))
    assert gist_of("notification", AT, body) is None


def test_a_notice_is_its_own_unless_its_sender_wants_it_replaced() -> None:
    alone = gist_of("notification", AT, notification())
    keyed = gist_of("notification", AT, notification(collapse_key="k.1"))
    assert alone is not None
    assert keyed is not None
    own = ID.replace("-", "")
    assert (alone.topic, alone.burst, alone.collapse_key) == ("notice", f"notice:{own}", own)
    assert len(alone.collapse_key) == COLLAPSE_MAX
    assert (keyed.burst, keyed.collapse_key) == ("notice:k.1", "k-1")
    assert (alone.category, alone.expires_at, alone.actor) == (Category.INSIGHTS, AT + timedelta(hours=24), None)


def test_a_notice_ends_when_its_sender_says() -> None:
    gist = gist_of("notification", AT, notification(expires_at="2026-01-10T14:00:00+02:00"))
    assert gist is not None
    assert gist.expires_at == AT
    assert gist.expires_at.utcoffset() == timedelta(0)


def test_data_goes_to_the_app_and_not_into_the_text() -> None:
    gist = gist_of("notification", AT, notification(data={"title": "x", "body": "y", "of": "z"}))
    assert gist is not None
    assert (gist.values["title"], gist.values["body"]) == ("T", "B")
    assert gist.ids["of"] == "z"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"about":5}',
        b'{"data":{"a":1}}',
        b'{"from":"bo"}',
        b'{"expires_at":"soon"}',
        b'{"days":"many"}',
        b'{"id":"\\ud800"}',
        b'{"style":' + b"[" * 100_000,
        b'{"about":"notice"}',
        b'{"category":"insights"}',
        b'{"about":"notice","category":"of tomorrow"}',
        b'{"about":"of.tomorrow","category":"insights"}',
    ],
)
def test_strange_bodies_are_nobodys_push(body: bytes) -> None:
    assert gist_of("notification", AT, body) is None


def test_fields_of_tomorrow_are_passed_over() -> None:
    gist = gist_of("hug.received", AT, b'{"id":"x","from":{"id":"u","name":"Bo","more":1},"more":{"a":[1]}}')
    assert gist is not None
    assert gist.actor == UserRef("u", "Bo")
