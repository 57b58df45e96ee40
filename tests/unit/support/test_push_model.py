"""The model of pushes on days that were worked out by hand."""

from typing import Any

import pytest

from tests.support.push_model import (
    CONNECTED,
    DO_NOT_DISTURB,
    HOUR_MS,
    MINUTE_MS,
    OFFLINE,
    SECOND_MS,
    Happened,
    Person,
    Push,
    expect,
)

pytestmark = pytest.mark.unit

PHONE = {"phone": 0}


def hugs(*at_ms: int, **fields: Any) -> list[Happened]:
    """Hugs at these times, numbered from 1."""
    return [Happened(seq=seq, at_ms=moment, **fields) for seq, moment in enumerate(at_ms, 1)]


def told(person: Person, events: list[Happened]) -> list[tuple[int, list[int]]]:
    """When the earliest moment of each push is, and what it covers."""
    return [(push.not_before_ms, list(push.covers)) for push in expect(person, events).pushes]


def test_offline_at_once_and_then_one_for_all_that_followed() -> None:
    found = expect(Person(devices={"phone": 0, "tablet": 0}), hugs(0, MINUTE_MS, 2 * MINUTE_MS))
    assert found.pushes == [
        Push(
            kind="hug.received",
            covers=covers,
            not_before_ms=at,
            collapse_key="hug-received",
            devices=["phone", "tablet"],
        )
        for at, covers in [(0, [1]), (5 * MINUTE_MS, [1, 2, 3])]
    ]
    assert found.fates == {1: "sent", 2: "sent", 3: "sent"}


def test_after_a_pause_the_next_one_comes_at_once_again() -> None:
    assert told(Person(devices=PHONE), hugs(0, 5 * MINUTE_MS, 11 * MINUTE_MS)) == [
        (0, [1]),
        (5 * MINUTE_MS, [1, 2]),
        (11 * MINUTE_MS, [1, 2, 3]),
    ]


def test_a_merged_push_begins_a_new_pause() -> None:
    assert told(Person(devices=PHONE), hugs(0, MINUTE_MS, 6 * MINUTE_MS)) == [
        (0, [1]),
        (5 * MINUTE_MS, [1, 2]),
        (10 * MINUTE_MS, [1, 2, 3]),
    ]


def test_kinds_do_not_wait_for_each_other() -> None:
    events = [*hugs(0, 1000), Happened(seq=3, at_ms=2000, kind="friend.requested")]
    found = expect(Person(devices=PHONE), events).pushes
    assert [(push.collapse_key, push.not_before_ms, push.covers) for push in found] == [
        ("hug-received", 0, [1]),
        ("friend-requested", 2000, [3]),
        ("hug-received", 5 * MINUTE_MS, [1, 2]),
    ]


def test_who_is_connected_has_ten_seconds() -> None:
    here = Person(devices=PHONE, presence=[(0, CONNECTED)])
    assert told(here, hugs(0)) == [(10 * SECOND_MS, [1])]
    assert told(here, hugs(0, acked_ms=10 * SECOND_MS)) == []
    assert told(here, hugs(0, acked_ms=10 * SECOND_MS + 1)) == [(10 * SECOND_MS, [1])]
    assert expect(here, hugs(0, acked_ms=100)).fates == {1: "acked"}


def test_each_has_its_own_ten_seconds() -> None:
    here = Person(devices=PHONE, presence=[(0, CONNECTED)])
    assert told(here, hugs(0, 5 * SECOND_MS)) == [(10 * SECOND_MS, [1]), (310 * SECOND_MS, [1, 2])]


def test_what_was_seen_meanwhile_is_not_told_again() -> None:
    events = [
        Happened(seq=1, at_ms=0, acked_ms=MINUTE_MS),
        Happened(seq=2, at_ms=1, undone_ms=MINUTE_MS),
        Happened(seq=3, at_ms=2, read_ms=MINUTE_MS),
        Happened(seq=4, at_ms=3),
    ]
    found = expect(Person(devices=PHONE), events)
    assert [push.covers for push in found.pushes] == [[1], [4]]
    assert found.fates == {1: "sent", 2: "undone", 3: "read", 4: "sent"}


def test_quiet_hours_end_in_one_push() -> None:
    person = Person(devices=PHONE, quiet=[(HOUR_MS, 3 * HOUR_MS)])
    events = hugs(HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS - 1, 3 * HOUR_MS)
    assert told(person, events[:3]) == [(3 * HOUR_MS, [1, 2, 3])]
    assert told(person, events) == [(3 * HOUR_MS, [1, 2, 3, 4])]


def test_a_merge_that_ends_in_quiet_hours_waits_for_their_end() -> None:
    person = Person(devices=PHONE, quiet=[(2 * MINUTE_MS, HOUR_MS)])
    assert told(person, hugs(0, MINUTE_MS)) == [(0, [1]), (HOUR_MS, [1, 2])]


def test_do_not_disturb_ends_in_one_push() -> None:
    person = Person(devices=PHONE, presence=[(0, DO_NOT_DISTURB), (HOUR_MS, OFFLINE)])
    assert told(person, hugs(1, 2, 3)) == [(HOUR_MS, [1, 2, 3])]


def test_nothing_is_pushed_after_its_end() -> None:
    person = Person(devices=PHONE, quiet=[(0, 10 * MINUTE_MS)])
    assert expect(person, hugs(1, kind="group.started")).fates == {1: "sent"}
    assert expect(person, hugs(0, kind="group.started")).fates == {1: "expired"}
    assert expect(person, hugs(1, kind="request.received", expires_ms=10 * MINUTE_MS)).fates == {1: "expired"}
    assert told(Person(devices=PHONE), hugs(0, 24 * HOUR_MS)) == [(0, [1]), (24 * HOUR_MS, [2])]


@pytest.mark.parametrize(
    ("person", "fate"),
    [
        (Person(devices=PHONE, muted={"ana": 0}), "muted"),
        (Person(devices=PHONE, blocked={"ana": 0}, muted={"ana": 0}), "blocked"),
        (Person(devices=PHONE, off=frozenset({"hugs"})), "switched_off"),
        (Person(devices=PHONE, off=frozenset({"push"})), "switched_off"),
        (Person(devices={}), "no_device"),
        (Person(devices={"phone": 1}), "no_device"),
        (Person(devices=PHONE, off=frozenset({"groups"}), muted={"ben": 0}), "sent"),
    ],
)
def test_what_is_not_wanted_is_not_sent(person: Person, fate: str) -> None:
    found = expect(person, hugs(0, actor="ana"))
    assert found.fates == {1: fate}
    assert len(found.pushes) == (fate == "sent")


def test_who_is_muted_meanwhile_is_left_out() -> None:
    events = [Happened(seq=1, at_ms=0, actor="ana"), Happened(seq=2, at_ms=1, actor="ben")]
    assert told(Person(devices=PHONE, muted={"ana": MINUTE_MS}), events) == [(0, [1]), (5 * MINUTE_MS, [2])]


def test_what_is_about_the_account_always_goes() -> None:
    person = Person(
        devices=PHONE, quiet=[(0, HOUR_MS)], off=frozenset({"push"}), presence=[(0, DO_NOT_DISTURB)], muted={"ana": 0}
    )
    assert told(person, hugs(0, 1, kind="account.notice", actor="ana")) == [(0, [1]), (1, [1, 2])]


def test_what_is_shown_only_in_the_app_is_no_push() -> None:
    for kind in ("group.completed", "hug.mutual", "hug.undone"):
        assert expect(Person(devices=PHONE), hugs(0, kind=kind)).fates == {}


def test_nobody_is_told_what_they_have_done() -> None:
    assert expect(Person(id="ana", devices=PHONE), hugs(0, actor="ana")).fates == {1: "own_doing"}
