"""What of an event matters for a push: above all until when it is worth one, and what it is merged with."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.preferences import Category
from domain.times import rfc3339, to_ms
from protocol.codec import encode_body
from protocol.events import HugReceived, HugUndone, Message, Notification, RequestReceived
from protocol.group_events import GroupCompleted, GroupStarted
from protocol.parts import UserRef
from workers.push.gist import Gist, gist_of

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA = UserRef("01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11", "Ana")
ID = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b12"


def text(moment: datetime) -> str:
    return rfc3339(to_ms(moment))


def gist(event: Message) -> Gist | None:
    return gist_of(str(event.__struct_config__.tag), AT, encode_body(event))


def known(event: Message) -> Gist:
    found = gist(event)
    assert found is not None
    return found


def test_a_hug() -> None:
    found = known(HugReceived(at=text(AT), id=ID, from_=ANA, kind="bear", message="for nobody else's eyes", request=ID))
    assert (found.topic, found.burst, found.collapse_key) == ("hug.received", "hug.received", "hug-received")
    assert (found.category, found.actor, found.is_of_request) == (Category.HUGS, ANA, True)
    assert found.expires_at == AT + 24 * HOUR
    assert found.ids == {"id": ID, "request": ID}
    assert "eyes" not in str(found)


@pytest.mark.parametrize(("lasts", "expected"), [(6 * HOUR, 6 * HOUR), (72 * HOUR, 24 * HOUR)])
def test_a_request_is_worth_a_push_as_long_as_it_can_be_answered_and_no_longer_than_a_day(
    lasts: timedelta, expected: timedelta
) -> None:
    asked = RequestReceived(at=text(AT), id=ID, from_=ANA, expires_at=text(AT + lasts), community=True)
    assert known(asked).expires_at == AT + expected
    assert known(asked).is_community


def test_the_start_of_a_group_hug_is_soon_over() -> None:
    assert known(GroupStarted(at=text(AT), id=ID, name="Sunday", count=3)).expires_at == AT + HOUR / 6


@pytest.mark.parametrize("lasts", [2 * HOUR, 72 * HOUR])
def test_a_notification_says_itself_how_long_it_is_worth_something(lasts: timedelta) -> None:
    event = Notification(
        at=text(AT), id=ID, about="streak.at_risk", category="streaks", expires_at=text(AT + lasts), data={"days": "7"}
    )
    found = known(event)
    assert found.expires_at == AT + lasts
    assert (found.topic, found.category) == ("streak.at_risk", Category.STREAKS)
    assert found.values["days"] == "7"
    assert found.burst.startswith("streak.at_risk:")


def test_notifications_are_merged_only_where_their_sender_wants_it() -> None:
    def burst(id: str, collapse_key: str | None) -> str:  # noqa: A002  as the event calls it
        event = Notification(at=text(AT), id=id, about="group.starting", category="groups", collapse_key=collapse_key)
        return known(event).burst

    assert burst(ID, None) != burst(ANA.id, None)
    assert burst(ID, "sunday") == burst(ANA.id, "sunday")


def test_what_nobody_is_told_of() -> None:
    assert gist(HugUndone(at=text(AT), id=ID, from_=ANA)) is None
    completed = GroupCompleted(at=text(AT), id=ID, name="Sunday", how="host", participants=[], count=0, duration_ms=1)
    assert gist(completed) is None
    assert gist(Notification(at=text(AT), change="read", ids=[1])) is None
    assert gist(Notification(at=text(AT), id=ID, about="of.tomorrow", category="hugs")) is None
