"""What a push says of the events it speaks of."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.ids import uuid7
from domain.notifications import Send
from domain.preferences import Channel, Preferences, Preview
from domain.times import rfc3339, to_ms
from protocol import events
from protocol.codec import encode_body
from protocol.events import Message
from protocol.parts import UserRef
from storage.notifications import Pending
from workers.push import composing
from workers.push.asking import Asked
from workers.push.composing import Composer
from workers.push.gist import gist_of
from workers.push.outgoing import Content
from workers.push.texts import Templates, Text

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
AT_MS = to_ms(AT)
TIME = rfc3339(AT_MS)
NAMED = Preferences(preview=Preview.NAME)
COMPOSER = Composer(Templates.load())
SECRET = "a secret"


def asked(seq: int, event: Message) -> Asked:
    kind = str(event.__struct_config__.tag)
    body = encode_body(event)
    gist = gist_of(kind, AT, body)
    flags: dict[str, Any] = dict.fromkeys(("is_waiting", "is_acked", "is_read", "is_undone", "is_own_doing"), False)
    actor = gist.actor.id if gist is not None and gist.actor is not None else None
    pending = Pending("ana", seq, kind, Channel.PUSH, actor, AT_MS, AT_MS + 1, **flags, body=body)
    return Asked(pending, gist, Send())


def hug(seq: int, user: str, name: str = "") -> Asked:
    return asked(
        seq,
        events.HugReceived(
            at=TIME,
            id=uuid7(AT_MS, seq),
            from_=UserRef(user, name or user.title()),
            kind=SECRET,
            message=SECRET,
            style={"a": SECRET},
        ),
    )


def composed(
    covered: Sequence[Asked], preferences: Preferences = NAMED, language: str = "en", badge: int = 9
) -> Content:
    content = COMPOSER.compose("delivery-1", covered, preferences, language, badge)
    assert SECRET not in content.decode()
    return msgspec.json.decode(content, type=Content)


def body(content: Content) -> str:
    return content.body.replace("\u2068", "").replace("\u2069", "")


def test_one_hug() -> None:
    content = composed([hug(4, "bo")])
    assert body(content) == "Bo hugged you."
    assert (content.kind, content.category, content.badge, content.language) == ("hug.received", "hugs", 9, "en")
    assert content.data == {
        "id": uuid7(AT_MS, 4),
        "kind": "hug.received",
        "delivery": "delivery-1",
        "seq": "4",
        "count": "1",
    }


@pytest.mark.parametrize(
    ("senders", "text"),
    [
        (["bo"] * 20, "Bo hugged you 20 times."),
        (["bo", "cleo"], "Cleo and 1 other hugged you."),
        (["bo", "cleo", "dan", "eve"], "Eve and 3 others hugged you."),
        (["bo", "cleo", "bo"], "Bo and 1 other hugged you."),
        (["cleo", "bo", "bo", "bo"], "Bo and 1 other hugged you."),
    ],
)
def test_the_latest_is_named_and_everybody_is_counted_once(senders: list[str], text: str) -> None:
    covered = [hug(seq, sender) for seq, sender in enumerate(senders, start=1)]
    for order in (covered, covered[::-1], [*covered[1:], covered[0]]):
        content = composed(order)
        assert body(content) == text
        assert (content.data["count"], content.data["seq"]) == (str(len(senders)), str(len(senders)))
        assert content.data["id"] == uuid7(AT_MS, len(senders))


def test_people_are_told_apart_by_who_they_are_and_called_by_their_latest_name() -> None:
    assert body(composed([hug(1, "bo", "Sam"), hug(2, "cleo", "Sam")])) == "Sam and 1 other hugged you."
    assert body(composed([hug(1, "bo", "Old"), hug(2, "bo", "New")])) == "New hugged you 2 times."
    assert body(composed([hug(2, "bo", "New"), hug(1, "bo", "Old")])) == "New hugged you 2 times."


def test_nobody_is_named_who_is_not_to_be() -> None:
    content = composed([hug(1, "bo"), hug(2, "cleo")], Preferences())
    assert body(content) == "You got 2 hugs."
    assert "Cleo" not in str(content)
    assert "Bo" not in str(content)


def test_names_in_order_of_the_latest_and_not_more_than_are_shown() -> None:
    seen: list[tuple[list[str], int, int]] = []

    class Watched(Templates):
        def render(self, *args: Any, **_: Any) -> Text:
            seen.append((list(args[4]), args[3], args[5]))
            return super().render(*args)

    covered = [hug(seq, user) for seq, user in enumerate(["bo", "cleo", "dan", "eve", "cleo"])]
    Composer(Watched.load()).compose("d", covered, NAMED, "en", 1)
    assert seen == [(["Cleo", "Eve", "Dan"], 5, 4)]
    assert len(seen[0][0]) == composing.NAMES_MAX


def test_events_that_are_gone_are_not_counted() -> None:
    first = hug(1, "bo")
    gone = Asked(hug(2, "cleo").pending, None, Send())
    content = composed([gone, first])
    assert (body(content), content.data["count"], content.data["seq"]) == ("Bo hugged you.", "1", "1")


def test_a_push_collapses_with_those_of_its_kind_only() -> None:
    one, two = composed([hug(1, "bo")]), composed([hug(2, "cleo"), hug(1, "bo")])
    felt = composed(
        [asked(3, events.HugFelt(at=TIME, id=uuid7(1), from_=UserRef("bo", "Bo"), emoji=SECRET, message=SECRET))]
    )
    assert one.collapse_key == two.collapse_key != felt.collapse_key
    assert body(felt) == "Bo felt your hug."


def test_the_language_of_the_device_or_the_one_that_there_is() -> None:
    arabic, unknown = composed([hug(1, "bo")], language="ar-EG"), composed([hug(1, "bo")], language="tlh")
    assert (arabic.language, unknown.language) == ("ar", "en")
    assert "Bo" in arabic.body


def test_an_apps_own_data_takes_no_place_of_ours() -> None:
    own = {"delivery": "x", "kind": "y", "seq": "0", "count": "0", "title": "not this", "mine": "1"}
    event = events.Notification(
        at=TIME, id=uuid7(1), about="notice", category="insights", title="T", body="B", data=own, collapse_key="k"
    )
    content = composed([asked(7, event)])
    assert content.data["mine"] == "1"
    assert [content.data[name] for name in ("delivery", "kind", "seq", "count")] == ["delivery-1", "notice", "7", "1"]
    assert content.title.strip("\u2068\u2069") == "T"
    assert content.collapse_key == "k"
